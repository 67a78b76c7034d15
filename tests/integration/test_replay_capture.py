"""Capturing topics, replaying ranges of them, and saying what would be done."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import KafkaProducer

from streamproc.contracts.records.reveals import decode_reveal
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.kafka.producer import BulkProducer
from streamproc.kafka.recording import RecordingReader
from streamproc.kafka.topics import topic_facts
from streamproc.lab.workload import WorkloadSettings, generate
from tests.support.commands import contents, read, run, start, wait_for
from tests.support.signals import stop_in_order

PARTITIONS = 3
SETTINGS = WorkloadSettings(seed=8, events=20_000, subscribers=500)


def new_topic(bootstrap: str, partitions: int = PARTITIONS) -> str:
    topic = f"capture-{uuid4().hex[:8]}"
    topic_facts(bootstrap, topic, create_partitions=partitions)
    return topic


@pytest.fixture(scope="module")
def filled(bootstrap: str) -> str:
    """A topic with a month in it."""
    topic = new_topic(bootstrap)
    with BulkProducer(bootstrap, topic, partitions=PARTITIONS) as producer:
        for key, value, at_ms in generate(SETTINGS, default_rulebook()):
            place = 1 if key is None else producer.partition_for(key)
            producer.append(place, key, value, at_ms)
    return topic


def test_a_captured_topic_replays_into_the_same_topic(
    bootstrap: str, filled: str, tmp_path: Path
) -> None:
    path = tmp_path / "live.ndjson.zst"
    reveals = new_topic(bootstrap)
    run("record", filled, "--broker", bootstrap, "--out", path, "--reveals", reveals,
        "--start", "earliest", "--to-end", "--quiet")  # fmt: skip
    written = [
        decode_reveal(value or b"")
        for values in contents(bootstrap, reveals, PARTITIONS).values()
        for _, value, _ in values
    ]
    assert sum(one.concerned for one in written) >= SETTINGS.subscribers
    assert {one.command for one in written} == {"record"}
    copy = new_topic(bootstrap)
    run("replay", path, "--broker", bootstrap, "--to", copy, "--quiet")

    assert contents(bootstrap, copy, PARTITIONS) == contents(bootstrap, filled, PARTITIONS)
    # To the file's end there is nothing more: what is captured once is not captured again.
    assert "0 records to" in run(
        "record", filled, "--broker", bootstrap, "--out", path, "--to-end", "--quiet"
    )


def test_a_capture_killed_again_and_again_has_every_record_once(
    bootstrap: str, tmp_path: Path
) -> None:
    topic, path = new_topic(bootstrap), tmp_path / "live.ndjson.zst"
    command = ("record", topic, "--broker", bootstrap, "--out", path, "--quiet")
    ended = threading.Event()

    def produce() -> None:
        producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
        number = 0
        while not ended.wait(0.001):
            producer.send(topic, b"%d" % number, b"%d" % (number % 50))
            number += 1
        producer.close()

    def captured() -> int:
        return path.stat().st_size if path.exists() else 0

    def wait_for_more(than: int) -> None:
        wait_for(lambda: captured() > than)

    def first_run() -> subprocess.Popen[bytes]:
        process = start(*command)
        wait_for(captured)  # from here on its beginning is in the file
        return process

    process = first_run()
    writer = threading.Thread(target=produce)
    writer.start()
    try:
        for _ in range(3):
            before = captured()
            wait_for_more(before)
            process.kill()
            process.communicate()
            process = start(*command)
        wait_for_more(captured())
    finally:
        ended.set()
        writer.join()
    stop_in_order(process)
    process.communicate(timeout=60)
    assert process.returncode == 0
    run(*command, "--to-end")

    expected = {(one.partition, one.offset): one.value for one in read(bootstrap, topic, 3)}
    found = [(one.partition, one.offset, one.value) for one in RecordingReader(path).records()]
    assert len(expected) > 500
    assert len(found) == len(expected)
    assert {(place, offset): value for place, offset, value in found} == expected


def test_pseudonymised_captures_hold_no_number(bootstrap: str, filled: str, tmp_path: Path) -> None:
    key, path = tmp_path / "secret", tmp_path / "live.ndjson.zst"
    key.touch(0o600)
    key.write_text("correct horse battery staple\n")
    run("record", filled, "--broker", bootstrap, "--out", path, "--to-end",
        "--start", "earliest", "--pseudonymise", key, "--quiet")  # fmt: skip
    original = {one.key for one in read(bootstrap, filled, PARTITIONS) if one.key}
    hidden = {one.key for one in RecordingReader(path).records() if one.key}

    assert len(hidden) == len(original)
    assert len(hidden & original) < len(original) // 20
    assert all(one.startswith(b"861") and len(one) == 13 for one in hidden)
    key.write_text("short")
    said = run("record", filled, "--broker", bootstrap, "--out", tmp_path / "x.zst",
               "--pseudonymise", key, code=1)  # fmt: skip
    assert "at least 16 are needed; make one with" in said
    key.chmod(0o644)
    said = run("record", filled, "--broker", bootstrap, "--out", tmp_path / "x.zst",
               "--pseudonymise", key, code=1)  # fmt: skip
    assert "everybody on this machine may read" in said


def test_ranges_by_offset_and_time_and_filters(bootstrap: str, filled: str) -> None:
    records = read(bootstrap, filled, PARTITIONS)
    middle = sorted(one.timestamp for one in records)[len(records) // 2]

    def replayed(*options: str) -> list[tuple[bytes | None, bytes | None, int]]:
        topic = new_topic(bootstrap, 1)
        run("replay", f"topic:{filled}", "--broker", bootstrap, "--to", topic, "--quiet", *options)
        return contents(bootstrap, topic, 1).get(0, [])

    def plain(chosen: Iterable[object]) -> list[str]:
        return sorted(map(repr, chosen))

    offsets = replayed("--from-offset", "1:100", "--from-offset", "0:999999999",
                       "--to-offset", "1:150", "--to-offset", "2:0")  # fmt: skip
    assert offsets == [
        (one.key, one.value, one.timestamp)
        for one in records
        if one.partition == 1 and 100 <= one.offset < 150
    ]
    late = replayed("--from-time", str(middle), "--type", "account.topped_up")
    assert plain(list(late)) == plain(
        [
            (one.key, one.value, one.timestamp)
            for one in records
            if one.timestamp >= middle and b'"account.topped_up"' in (one.value or b"")
        ]
    )
    # Merged by time: a subscriber keeps its order, and partitions do not come one by one.
    assert [at for _, _, at in late] == sorted(at for _, _, at in late)
    someone = next(one.key for one in records if one.key)
    own = replayed("--subscriber", someone.decode(), "--time", "+31d")
    assert [at - 31 * 86_400_000 for _, _, at in own] == [
        one.timestamp for one in records if one.key == someone
    ]


def test_times_moved_to_now_leave_nothing_in_the_future(bootstrap: str, filled: str) -> None:

    topic = new_topic(bootstrap)
    began_ms = time.time() * 1000
    run("replay", f"topic:{filled}", "--broker", bootstrap, "--to", topic, "--time", "now",
        "--quiet")  # fmt: skip
    ended_ms = time.time() * 1000
    stamps = [one.timestamp for one in read(bootstrap, topic, PARTITIONS)]
    original = [one.timestamp for one in read(bootstrap, filled, PARTITIONS)]

    # However long a busy machine took: "now" lies between the command's start and its end.
    assert began_ms - 1000 <= max(stamps) <= ended_ms
    assert max(stamps) - min(stamps) == max(original) - min(original)


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(
    bootstrap: str, filled: str
) -> None:
    topic = new_topic(bootstrap)
    said = run("replay", f"topic:{filled}", "--broker", bootstrap, "--to", topic, "--dry-run",
               "--speed", "3600", "--type", "account.closed")  # fmt: skip

    closed = sum(b'"account.closed"' in (one.value or b"") for one in read(bootstrap, filled, 3))
    assert f"{closed:>12,}  account.closed" in said
    assert "(not selected)" in said
    assert "takes " in said
    assert contents(bootstrap, topic, PARTITIONS) == {}


def test_errors_say_what_to_do(bootstrap: str, filled: str, tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson"
    path.write_text("{}\n")
    dead = ("--broker", "127.0.0.1:9")
    live = ("--broker", bootstrap)
    for arguments, says in (
        ((tmp_path / "none", *live, "--to", filled), "there is no file"),
        ((path, *live, "--to", "no-such-topic"), "there is no topic no-such-topic"),
        ((path, *dead, "--to", "t"), "no Kafka broker answers at 127.0.0.1:9; start it"),
        ((path, *live), "give --broker HOST:PORT and --to TOPIC"),
        ((path, *live, "--to", "t", "--speed", "fast"), "write max, or a number"),
        ((path, *live, "--to", "t", "--from-time", "2026-01-01T00:00:00"), "lacks a zone"),
        ((path, *live, "--to", "t", "--from-offset", "3"), "are for topics"),
        ((path, *live, "--record", "x.zst"), "streamproc record TOPIC --broker"),
    ):
        said = run("replay", *arguments, code=2 if "Usage" in says else _code(says))
        assert says in said.replace("\n", " "), said
    said = run("record", filled, *live, "--out", path, code=1)
    assert "give a name like FILE.zst" in said


def _code(says: str) -> int:
    usage = ("give --broker", "write max", "lacks a zone", "are for topics", "streamproc record")
    return 2 if says.startswith(usage) else 1


def test_an_id_of_another_source_is_refused(bootstrap: str, tmp_path: Path) -> None:
    topic, path = new_topic(bootstrap), tmp_path / "r.ndjson"
    command = ("replay", path, "--broker", bootstrap, "--to", topic, "--id", topic, "--quiet")
    path.write_text('{"key":"a","value":"1","timestamp_ms":1}\n')
    run(*command)
    path.write_text('{"key":"a","value":"2","timestamp_ms":1}\n')

    assert "was a replay of another source" in run(*command, code=1)

    run(*command, "--again")
    assert [one.value for one in read(bootstrap, topic, PARTITIONS)] == [b"1", b"2"]
