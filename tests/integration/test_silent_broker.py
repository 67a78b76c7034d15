"""A broker that takes connections and never answers: each part says so within ten seconds."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamproc.kafka.errors import TopicError
from streamproc.producing import UsageProducer
from streamproc.producing.events import usage
from tests.integration.test_secured_kafka import COMMANDS
from tests.support.waiting import wait_until

LIMIT_SECONDS = 200.0
"""It takes some ten seconds; a machine that is busy with other tests takes many more."""
SILENT = "the broker does not answer, waiting for it"
TRIED = ("dead-letters", "record", "send", "verify")
"""Commands with an admin client, consumers of both libraries, and a producer. All others open
Kafka in the same way (tests/unit/test_silence.py)."""


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The system accepts connections, and nobody reads from them."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def said_by(command: str, broker: str, folder: Path) -> str:
    words = [sys.executable, "-m", "streamproc", *command.split(), "--broker", broker]
    done = subprocess.run(
        [*words, *COMMANDS[command]],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_commands_and_producers_report_it_once_within_ten_seconds(
    black_hole: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(len(TRIED) + 1) as pool, capture_logs() as logs:
        commands = {one: pool.submit(said_by, one, black_hole, tmp_path) for one in TRIED}
        without_spool = pool.submit(UsageProducer, black_hole)
        with UsageProducer(black_hole, spool=tmp_path / "spool") as producer:
            producer.send(usage("8613800000001", total_bytes=1, source="test"))
            wait_until(lambda: silences(logs), LIMIT_SECONDS)
        with pytest.raises(TopicError, match="no Kafka broker answers"):
            without_spool.result()
        for command, found in commands.items():
            said = found.result()
            (seconds,) = re.findall(r"has not answered for (\d+) s", said)
            assert int(seconds) <= 10, f"{command}: {said}"
            assert SILENT not in said, f"{command}: {said}"
            assert said.splitlines()[-1].startswith("Error: "), f"{command}: {said}"
    first, *later = silences(logs)  # of two producers
    assert first <= 10
    assert all(seconds >= 60 for seconds in later)
    waiting = [one for one in logs if one["event"] == "no broker answers; events wait in the spool"]
    assert len(waiting) == 1


def silences(logs: list[Any]) -> list[int]:
    """For how many seconds the broker was silent in each line."""
    return [int(str(one["seconds"])) for one in logs if one["event"] == SILENT]
