"""The peers of ``perf.compare``: how each is built, started, and tuned."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.kafka_jars import BrokerUnavailable, find_java

HERE = Path(__file__).parent / "peers"
KAFKA_STREAMS = HERE / "kafka-streams"
QUIX_VENV = HERE / ".venv-quix"
QUIX = "quixstreams==3.28.1"
BUILD_LIMIT_SECONDS = 600.0

Command = Callable[[str, str, str, str, int, Path], Sequence[str]]
"""From bootstrap, application id, input, output, events, state directory."""


class NotBuiltError(RuntimeError):
    """A peer cannot be built here; the message says what is missing."""


@dataclass(frozen=True)
class Peer:
    """One program of the comparison."""

    name: str
    guarantee: str
    tuning: str
    command: Command
    build: Callable[[], None]
    is_slow: bool = False
    """Gets a smaller input of the same shape; only its rates are compared."""
    is_full: bool = False
    """Needs the subscribers' activations before."""
    is_yardstick: bool = False
    """Gives no reminders; ``perf.guard`` measures by it."""


def build_kafka_streams() -> None:
    """Compile the Maven project; raises NotBuiltError."""
    try:
        find_java()
    except BrokerUnavailable as error:
        raise NotBuiltError(str(error)) from error
    maven = shutil.which("mvn")
    if maven is None:
        raise NotBuiltError("building it needs Maven: no 'mvn' on the PATH")
    jars = KAFKA_STREAMS / "target" / "jars"
    goals = ["compile"]
    if not jars.is_dir():
        goals += [
            "dependency:copy-dependencies",
            f"-DoutputDirectory={jars}",
            "-DincludeScope=runtime",
        ]
    _run([maven, "-q", "-B", "-f", str(KAFKA_STREAMS / "pom.xml"), *goals])


def build_quix() -> None:
    """A virtual environment of its own: its dependencies conflict with Faust's."""
    if not (QUIX_VENV / "bin" / "python").exists():
        _run([sys.executable, "-m", "venv", str(QUIX_VENV)])
    pip = [str(QUIX_VENV / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    _run([*pip, "--disable-pip-version-check", QUIX])


def build_nothing() -> None:
    """What runs in the project's own environment."""


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_LIMIT_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NotBuiltError(f"{command[0]} took over {BUILD_LIMIT_SECONDS:g} s") from error
    if done.returncode:
        raise NotBuiltError(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def _kafka_streams(guarantee: str) -> Command:
    def command(
        bootstrap: str, app_id: str, source: str, output: str, events: int, directory: Path
    ) -> Sequence[str]:
        return [
            *(find_java(), "-Xms512m", "-Xmx1g"),
            *("-cp", f"{KAFKA_STREAMS / 'target' / 'classes'}:{KAFKA_STREAMS / 'target/jars'}/*"),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            *("streamproc.peers.UsageAlerts", bootstrap, app_id, source, output, str(events)),
            *(guarantee, str(directory), str(KAFKA_STREAMS / f"{guarantee}.properties")),
        ]

    return command


def _script(python: str, script: str, *rest: str) -> Command:
    def command(
        bootstrap: str, app_id: str, source: str, output: str, events: int, directory: Path
    ) -> Sequence[str]:
        arguments = (bootstrap, app_id, source, output, str(events), str(directory))
        # As a module, so that it finds what it shares with the others; Quix's has nothing of ours.
        start = (
            [str(HERE / f"{script}.py")]
            if python != sys.executable
            else ["-m", f"perf.peers.{script}"]
        )
        return [python, *start, *arguments, *rest]

    return command


def streamproc(form: str, *rest: str) -> Command:
    """``perf.bare.worker`` in one of its forms."""

    def command(
        bootstrap: str, app_id: str, source: str, output: str, events: int, directory: Path
    ) -> Sequence[str]:
        arguments = (bootstrap, app_id, source, output, str(events), str(directory))
        return [sys.executable, "-m", "perf.bare.worker", form, *arguments, *rest]

    return command


BARE = "streamproc bare"
FULL = "streamproc full"
FULL_PYTHON = "streamproc full, pure Python"
KAFKA_STREAMS_ONCE = "Kafka Streams exactly_once_v2"
KAFKA_STREAMS_LEAST = "Kafka Streams at_least_once"
QUIX_NAME = "Quix Streams"
FAUST = "Faust"
FAUST_TUNED = "Faust, tuned"

PEERS = {
    "bare": Peer(
        BARE,
        "exactly once",
        "defaults: a transaction per partition every 0.1 s",
        streamproc("bare"),
        build_nothing,
    ),
    "full": Peer(
        FULL,
        "exactly once",
        "defaults, compiled plain case if it is installed",
        streamproc("full"),
        build_nothing,
        is_full=True,
    ),
    "full-python": Peer(
        FULL_PYTHON,
        "exactly once",
        "defaults, native off",
        streamproc("full", "native=off"),
        build_nothing,
        is_full=True,
    ),
    "kafka-streams-eos": Peer(
        KAFKA_STREAMS_ONCE,
        "exactly once",
        "one thread, RocksDB, see exactly_once_v2.properties",
        _kafka_streams("exactly_once_v2"),
        build_kafka_streams,
    ),
    "kafka-streams-alo": Peer(
        KAFKA_STREAMS_LEAST,
        "at least once",
        "one thread, RocksDB with record cache, see at_least_once.properties",
        _kafka_streams("at_least_once"),
        build_kafka_streams,
    ),
    "quix": Peer(
        QUIX_NAME,
        "at least once",
        "defaults (RocksDB, commit every 5 s), larger fetches and batches",
        _script(str(QUIX_VENV / "bin" / "python"), "quix"),
        build_quix,
    ),
    "faust": Peer(
        FAUST,
        "at least once",
        "defaults, table in memory",
        _script(sys.executable, "faust_stock"),
        build_nothing,
        is_slow=True,
    ),
    "faust-tuned": Peer(
        FAUST_TUNED,
        "at least once",
        "table in memory, linger, larger buffers, Cython loop",
        _script(sys.executable, "faust_stock", "tuned"),
        build_nothing,
        is_slow=True,
    ),
    "yardstick": Peer(
        "aiokafka, consume and decode only",
        "none",
        "large fetches",
        _script(sys.executable, "yardstick"),
        build_nothing,
        is_yardstick=True,
    ),
}
