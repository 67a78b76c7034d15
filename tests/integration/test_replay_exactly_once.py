"""A replay may be killed, stopped and paused anywhere: each record is in the topic once."""

from __future__ import annotations

import signal
import subprocess
from collections import defaultdict
from pathlib import Path
from uuid import uuid4

import pytest
from kafka.partitioner import murmur2

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.kafka.recording import LogRecord, RecordingWriter
from streamproc.kafka.topics import topic_facts
from streamproc.lab.workload import WorkloadSettings, generate
from tests.support.commands import (
    contents,
    contents_at_rest,
    kill_at_random,
    read,
    run,
    start,
    wait_for_growth,
)
from tests.support.waiting import wait_until

PARTITIONS = 4
SETTINGS = WorkloadSettings(seed=5, events=60_000, subscribers=1_500)
#: The month in about three seconds, in slices of 0.2 s.
FAST = str(31 * 86_400 / 3)

Rows = dict[int, list[tuple[bytes | None, bytes | None, int]]]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows]:
    """A month, and what each partition must hold after its replay."""
    path = tmp_path_factory.mktemp("replay") / "month.ndjson.zst"
    rows: Rows = defaultdict(list)
    with RecordingWriter(path) as writer:
        for number, (key, value, at_ms) in enumerate(generate(SETTINGS, default_rulebook())):
            place = number % 3
            writer.write(LogRecord(key, value, at_ms, partition=place))
            if key is not None:
                place = (murmur2(key) & 0x7FFFFFFF) % PARTITIONS
            rows[place].append((key, value, at_ms))
    return path, dict(rows)


def arguments(bootstrap: str, path: Path, topic: str, *more: str) -> list[str | Path]:
    return [
        *("replay", path, "--broker", bootstrap, "--to", topic),
        *("--create-topics", "--partitions", str(PARTITIONS), "--quiet", *more),
    ]


def new_topic(bootstrap: str) -> str:
    """Made beforehand: tests wait for it to grow."""
    topic = f"replay-{uuid4().hex[:8]}"
    topic_facts(bootstrap, topic, create_partitions=PARTITIONS)
    return topic


@pytest.mark.parametrize("speed", ["max", FAST])
def test_killed_replays_write_every_record_once_and_in_order(
    bootstrap: str, recording: tuple[Path, Rows], speed: str
) -> None:
    path, rows = recording
    topic = new_topic(bootstrap)
    command = arguments(bootstrap, path, topic, "--speed", speed, "--commit-records", "5000")

    hit = kill_at_random(command, bootstrap, topic, SETTINGS.events, seed=len(speed))

    assert hit >= 3, "the kills came too late to prove anything"
    assert contents(bootstrap, topic, PARTITIONS) == rows


def test_a_stopped_replay_goes_on_at_the_same_offsets(
    bootstrap: str, recording: tuple[Path, Rows]
) -> None:
    path, rows = recording
    straight, stopped = new_topic(bootstrap), new_topic(bootstrap)
    run(*arguments(bootstrap, path, straight, "--speed", FAST))
    command = arguments(bootstrap, path, stopped, "--speed", FAST)
    process = start(*command)
    wait_for_growth(bootstrap, stopped, SETTINGS.events // 3)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 130, said.decode()
    assert "the same command continues" in said.decode()
    part = contents(bootstrap, stopped, PARTITIONS)
    assert 0 < sum(map(len, part.values())) < SETTINGS.events

    assert "continues after" in run(*command)
    assert contents(bootstrap, stopped, PARTITIONS) == rows
    assert offsets(bootstrap, stopped) == offsets(bootstrap, straight)


def under_way(bootstrap: str, path: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """A replay that has written a third, and the topic it writes to."""
    topic = new_topic(bootstrap)
    process = start(*arguments(bootstrap, path, topic, "--speed", FAST))
    wait_for_growth(bootstrap, topic, SETTINGS.events // 3)
    return topic, process


def test_a_paused_replay_writes_nothing_until_it_goes_on(
    bootstrap: str, recording: tuple[Path, Rows]
) -> None:
    path, rows = recording
    topic, process = under_way(bootstrap, path)
    process.send_signal(signal.SIGUSR1)
    resting = contents_at_rest(bootstrap, topic, PARTITIONS)
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=60)

    assert 0 < sum(map(len, resting.values())) < SETTINGS.events
    assert process.returncode == 0
    assert contents(bootstrap, topic, PARTITIONS) == rows


def test_a_suspended_replay_goes_on_after_sigcont(
    bootstrap: str, recording: tuple[Path, Rows]
) -> None:
    path, rows = recording
    topic, process = under_way(bootstrap, path)
    process.send_signal(signal.SIGTSTP)

    def state() -> str:
        return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    wait_until(lambda: state() == "T", 30, state)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=60)

    assert process.returncode == 0
    assert contents(bootstrap, topic, PARTITIONS) == rows


def test_the_same_command_again_writes_nothing_more(
    bootstrap: str, recording: tuple[Path, Rows]
) -> None:
    path, rows = recording
    topic = new_topic(bootstrap)
    run(*arguments(bootstrap, path, topic))

    assert "complete already" in run(*arguments(bootstrap, path, topic))
    assert contents(bootstrap, topic, PARTITIONS) == rows

    run(*arguments(bootstrap, path, topic, "--again"))
    twice = contents(bootstrap, topic, PARTITIONS)
    assert {place: list(held) for place, held in twice.items()} == {
        place: held * 2 for place, held in rows.items()
    }


def offsets(bootstrap: str, topic: str) -> list[tuple[int, int, bytes | None]]:
    return sorted(
        (record.partition, record.offset, record.value)
        for record in read(bootstrap, topic, PARTITIONS)
    )
