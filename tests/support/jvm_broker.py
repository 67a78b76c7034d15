"""A real Apache Kafka broker as a JVM process of this machine; it needs no container engine.

Maven fetches the jars once into the user's cache. Each broker is one KRaft node (broker and
controller in one process) on two loopback ports, with its data in a directory of its own.

By hand: ``python -m tests.support.jvm_broker --port 9092`` runs one until it is interrupted.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from tests.support.kafka_jars import (
    KAFKA_VERSION,
    RECORD_CLASSES,
    BrokerUnavailable,
    can_make_archive,
    find_java,
    kafka_classpath,
    make_archive,
    quick_java,
)
from tests.support.ports import free_port

__all__ = ["KAFKA_VERSION", "TEST_SETTINGS", "BrokerStartError", "BrokerUnavailable", "JvmBroker"]

START_LIMIT_S = 120.0
"""It takes a few seconds; on a machine that is busy with other tests many more."""
PROBE: dict[str, Any] = {"bootstrap_timeout_ms": 500, "request_timeout_ms": 2_000}
STOP_LIMIT_S = 15.0

#: What every test broker has in common, JVM or Docker; the rest is Kafka's default.
TEST_SETTINGS: dict[str, str] = {
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # The lease of a killed broker must end before it can register again: by default after 9 s.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    # A topic that the code forgot to create must fail here as it would in production.
    "auto.create.topics.enable": "false",
    # A test that compacts a topic must not wait for the cleaner, which by default runs every 15 s.
    "log.cleaner.backoff.ms": "500",
    # Events have old times. With a limit, retention would delete what a test has just written.
    "log.retention.ms": "-1",
    "log.retention.bytes": "-1",
}


class BrokerStartError(RuntimeError):
    """The broker was started but did not answer. The message ends with the end of its log."""


class JvmBroker:
    """One Kafka broker process. Not thread-safe; use as a context manager or start() and stop().

    ``bootstrap`` is ``127.0.0.1:PORT``, known from construction on and kept over restarts.
    ``process`` is the running JVM, or None. ``directory`` holds settings, data and
    ``broker.log``; stop() leaves it for restart(), close() (and leaving the ``with``) removes it.
    """

    start_limit_s = START_LIMIT_S
    _quorum_options: tuple[str, ...] = ("--standalone",)

    def __init__(
        self, port: int | None = None, version: str = KAFKA_VERSION, *, quick: bool = True
    ) -> None:
        """``port``: the port for clients, or None for a free one; ``quick``: see
        ``quick_java`` and ``QUICK_JAVA`` in ``kafka_jars``. The constructor starts nothing."""
        self.version = version
        self._quick = quick
        self._records_classes = False
        self.port = free_port() if port is None else port
        self.controller_port = free_port(other_than=self.port)
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.cluster_id = new_cluster_id()
        self.process: subprocess.Popen[bytes] | None = None
        self.directory: Path | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start and wait until the broker answers. Does nothing while it runs.

        Raises BrokerUnavailable if Java, Maven or the jars are missing, BrokerStartError if the
        broker ends or stays silent for ``start_limit_s`` seconds.
        """
        if self.process is not None and self.process.poll() is None:
            return
        if self.directory is None:
            self.directory = self._formatted()
            # Without this, an interrupted test run would leave the JVM running.
            atexit.register(self.close)
        self.process = self._spawn(self.directory)
        try:
            self._await_answer(time.monotonic() + self.start_limit_s)
            if self._records_classes:
                make_archive(self.version, self.process.pid)
        except BrokerStartError:
            self.kill()
            raise

    def stop(self) -> None:
        """End the process in order (SIGTERM, SIGKILL after STOP_LIMIT_S); the data is kept."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
            self.process = None
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process as a crash would (SIGKILL); the data is kept."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        """Stop if running, then start again with the same port and data; also after kill()."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop the broker and remove its data; a later start() begins with an empty broker."""
        self.stop()
        atexit.unregister(self.close)
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory = None

    def log_tail(self, lines: int = 30) -> str:
        """The last lines of the broker's log, after earlier errors; empty before any start."""
        path = None if self.directory is None else self.directory / "broker.log"
        if path is None or not path.exists():
            return ""
        said = path.read_text(errors="replace").splitlines()
        cut = max(len(said) - lines, 0)
        # A broker that fails takes long to shut down, so the cause is often above the
        # end of the log.
        errors = [line for line in said[:cut] if "] ERROR " in line or "Exception: " in line]
        return "\n".join(errors[-10:] + said[cut:])

    def _settings(self, data: Path) -> dict[str, str]:
        return TEST_SETTINGS | {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": (
                f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}"
            ),
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            "log.dirs": str(data),
        }

    def _format_options(self) -> tuple[str, ...]:
        """More options of Kafka's storage tool, such as users that exist from the start on."""
        return ()

    def _formatted(self) -> Path:
        """A new directory with settings and formatted storage."""
        directory = Path(tempfile.mkdtemp(prefix="streamproc-kafka-"))
        try:
            settings = directory / "server.properties"
            values = self._settings(directory / "data")
            settings.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
            # At its default level the tool prints every setting, which would hide an error.
            quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
            command = self._java(
                *quick_java(self.version),
                quiet,
                "kafka.tools.StorageTool",
                "format",
                *self._quorum_options,
            )
            command += ["-t", self.cluster_id, "-c", str(settings), *self._format_options()]
            done = subprocess.run(command, capture_output=True, text=True, timeout=START_LIMIT_S)
            if done.returncode != 0:
                said = (done.stdout + done.stderr)[-3000:]
                raise BrokerStartError(f"Kafka's storage tool failed ({done.returncode}):\n{said}")
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return directory

    def _spawn(self, directory: Path) -> subprocess.Popen[bytes]:
        options = quick_java(self.version) if self._quick else ()
        if records := self._quick and can_make_archive(self.version):
            options = (*options, RECORD_CLASSES)
        self._records_classes = records
        command = self._java(
            *options, "-Xms256m", "-Xmx1g", "kafka.Kafka", str(directory / "server.properties")
        )
        with (directory / "broker.log").open("ab") as log:
            # It has a session of its own: Ctrl-C reaches only the tests, which then stop the
            # broker in order.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                start_new_session=True,
            )

    def _await_answer(self, deadline: float) -> None:
        """Return once metadata names this broker; BrokerStartError at ``deadline`` (monotonic)."""
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                code = None if self.process is None else self.process.returncode
                raise BrokerStartError(
                    f"the Kafka broker ended at its start (exit {code}):\n{self.log_tail()}"
                )
            # Not librdkafka's client: a client that ends as soon as it has an answer can crash.
            with contextlib.suppress(KafkaError, OSError):
                # kafka-python would log every refusal.
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                admin: Any = KafkaAdminClient(bootstrap_servers=self.bootstrap, **PROBE)
                try:
                    if admin.describe_cluster()["brokers"]:
                        return
                finally:
                    admin.close()
            time.sleep(0.05)  # and asks again
        raise BrokerStartError(
            f"the Kafka broker on {self.bootstrap} did not answer within "
            f"{self.start_limit_s:g} s:\n{self.log_tail()}"
        )

    def _java(self, *arguments: str) -> list[str]:
        """The command that runs Java with Kafka's class path; raises BrokerUnavailable."""
        return [find_java(), "-cp", kafka_classpath(self.version), *arguments]


def new_cluster_id() -> str:
    """An id as ``kafka-storage random-uuid`` makes them."""
    # Kafka's tools read a value that begins with a dash as an option. Therefore it begins with "s".
    return "s" + urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def main() -> None:
    """Run a broker until SIGINT or SIGTERM; its address is the one line on standard output."""
    parser = argparse.ArgumentParser(description="Run a throw-away Kafka broker on loopback.")
    parser.add_argument("--port", type=int, help="the clients' port; a free one if not given")
    port: int | None = parser.parse_args().port
    serve(JvmBroker(port), lambda broker: print(broker.bootstrap, flush=True))


def serve(closed: JvmBroker, announce: Callable[[JvmBroker], None]) -> None:
    """Run a broker until SIGINT or SIGTERM; ``announce`` is called once it can be reached.

    Raises SystemExit if it cannot start or ends by itself.
    """
    # Both signals raise KeyboardInterrupt, so the broker is closed in both cases.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with closed as broker:
            announce(broker)
            assert broker.process is not None
            code = broker.process.wait()
            raise SystemExit(f"the broker ended by itself (exit {code}):\n{broker.log_tail()}")
    except (BrokerUnavailable, BrokerStartError) as error:
        raise SystemExit(str(error)) from error
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
