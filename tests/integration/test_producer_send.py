"""``streamproc send`` and ``streamproc workload``: what they write, what they refuse and how."""

from __future__ import annotations

import json
import time
from pathlib import Path
from uuid import uuid4

import pytest

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.kafka.recording import RecordingReader
from streamproc.kafka.topics import topic_facts
from streamproc.lab.workload import WorkloadSettings, generate
from tests.support.commands import contents, read, run
from tests.unit.test_readers_forms import usage_line
from tests.unit.test_readers_sessions import STOP, radius

PARTITIONS = 3


@pytest.fixture
def topic(bootstrap: str) -> str:
    name = f"send-{uuid4().hex[:8]}"
    topic_facts(bootstrap, name, create_partitions=PARTITIONS)
    return name


def ids(bootstrap: str, topic: str) -> list[str]:
    return sorted(json.loads(one.value)["id"] for one in read(bootstrap, topic, PARTITIONS))


def test_bad_lines_are_named_and_the_others_sent(
    bootstrap: str, topic: str, tmp_path: Path
) -> None:
    path = tmp_path / "u.ndjson"
    path.write_text(
        usage_line("1") + "oops\n" + usage_line("2").replace(":1}", ":-1}") + usage_line("3")
    )
    options = ("send", "--broker", bootstrap, "--topic", topic)

    said = run(*options, path, code=1)

    assert f"{path}:2: is not a JSON object" in said
    assert f"{path}:3: total_bytes: must be a whole number of at least 0" in said
    assert "2 events" in said
    assert "2 bad records; all are in Kafka" in said
    assert ids(bootstrap, topic) == ["1", "3"]
    said = run(*options, path, "--on-bad", "stop", code=1)
    assert "1 events" in said
    assert f"{path}:3" not in said


def test_standard_input_and_single_events(bootstrap: str, topic: str) -> None:
    options = ("send", "--broker", bootstrap, "--topic", topic)
    run(*options, "-", given=(usage_line("a") + usage_line("b")).encode())
    run(*options, "--event", "-", given=usage_line("c").encode())
    one = ("--subscriber", "8613800000001", "--uplink-bytes", "1", "--downlink-bytes", "2")
    said = run(*options, *one, "--id", "d", "--time", "2026-01-05T00:00:00+08:00")

    assert said.startswith(f"event d: {topic}/")
    assert ids(bootstrap, topic) == ["a", "b", "c", "d"]


def test_an_event_without_broker_waits_in_the_spool(
    bootstrap: str, topic: str, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    event = ("--topic", topic, "--subscriber", "8613800000001", "--total-bytes", "1")
    said = run("send", "--broker", "127.0.0.1:9", *event, "--id", "1", "--spool", spool)
    assert "1 wait in the spool" in said
    said = run("send", "--broker", bootstrap, *event, "--id", "2", "--spool", spool)
    assert "all are in Kafka" in said
    assert ids(bootstrap, topic) == ["1", "2"]


def test_errors_of_send_say_what_to_do(bootstrap: str, topic: str, tmp_path: Path) -> None:
    one = ("--subscriber", "8613800000001")
    live = ("send", "--broker", bootstrap, "--topic", topic)
    (tmp_path / "x.csv").write_text("a,b\n")
    for arguments, code, says in (
        ((*live,), 2, "give one of: FILES, --watch DIR, --event JSON"),
        ((*live, *one, tmp_path / "x.csv"), 2, "give one of"),
        ((*live, *one), 1, "needs either total_bytes or both"),
        ((*live, *one, "--total-bytes", "-5"), 1, "total_bytes: must be a whole number"),
        ((*live, "--event", "{}"), 1, "subscriber: is missing"),
        ((*live, tmp_path / "none"), 1, "there is no file"),
        ((*live, tmp_path / "x.csv"), 1, "csv needs a mapping file"),
        (("send", "--broker", bootstrap, "--topic", "nowhere", *one, "--total-bytes", "1",
          "--wait", "2s"), 1, "there is no topic nowhere"),
        (("send", "--broker", "127.0.0.1:9", *one, "--total-bytes", "1", "--wait", "1s"), 1,
         "no Kafka broker answers at 127.0.0.1:9"),
    ):  # fmt: skip
        said = run(*arguments, code=code)
        assert says in said, said


@pytest.mark.parametrize("name", ["m.ndjson", "m.ndjson.gz", "m.ndjson.zst"])
def test_a_workload_in_a_file_is_the_seeded_month(tmp_path: Path, name: str) -> None:
    run("workload", "--events", "3000", "--subscribers", "90", "--seed", "4", "--out",
        tmp_path / name, "--advance-clock", "--partitions", "2")  # fmt: skip
    settings = WorkloadSettings(seed=4, events=3_000, subscribers=90)
    found = list(RecordingReader(tmp_path / name).records())

    assert [tuple(one[:3]) for one in found[:-2]] == list(generate(settings, default_rulebook()))
    assert [one.partition for one in found[-2:]] == [0, 1]
    assert all(b'"clock.advanced"' in (one.value or b"") for one in found[-2:])
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_a_workload_straight_to_kafka_makes_its_topic_and_keeps_its_rate(bootstrap: str) -> None:
    topic = f"workload-{uuid4().hex[:8]}"
    began = time.monotonic()
    run("workload", "--events", "3000", "--subscribers", "90", "--seed", "4", "--broker", bootstrap,
        "--topic", topic, "--create-topics", "--partitions", "2", "--rate", "3000")  # fmt: skip
    seconds = time.monotonic() - began
    settings = WorkloadSettings(seed=4, events=3_000, subscribers=90)
    rows = contents(bootstrap, topic, 2)

    assert seconds > 0.9
    expected = sorted(map(repr, map(tuple, generate(settings, default_rulebook()))))
    assert sorted(repr(row) for held in rows.values() for row in held) == expected
    for held in rows.values():
        assert [at for _, _, at in held] == sorted(at for _, _, at in held)
    said = run("workload", "--events", "5", code=2)
    assert "give either --out FILE or --broker HOST:PORT" in said


def test_what_a_mapping_does_not_take_is_counted(
    bootstrap: str, topic: str, tmp_path: Path
) -> None:
    row = "c0ffee{},*default,*{},x,*rated,t.org,call,1001,1001,1002,2026-01-05T08:42:25Z,"
    row += "2026-01-05T08:42:26Z,10,0.01\n"
    path = tmp_path / "cdrs.csv"
    path.write_text(row.format(1, "voice") + row.format(2, "data") + row.format(3, "sms"))

    said = run("send", "--broker", bootstrap, "--topic", topic, "--format", "cgrates-csv", path)

    assert "1 events" in said
    assert "0 bad records, 2 left out by the mapping; all are in Kafka" in said
    assert ids(bootstrap, topic) == ["c0ffee2-*default"]


def test_numbers_in_every_form_are_one_key(bootstrap: str, topic: str, tmp_path: Path) -> None:
    options = ("send", "--broker", bootstrap, "--topic", topic)
    one = ("--total-bytes", "1", "--region", "cn", "--subscriber")
    run(*options, *one, "tel:+86-138-0000-0001", "--id", "1")
    event = usage_line("2").replace("8613800000001", "13800000001")
    run(*options, "--region", "CN", "--event", "-", given=event.encode())
    path = tmp_path / "u.csv"
    path.write_text("n,t,b\n+86 138 0000 0001,2026-01-05T00:00:00Z,1\n8.6138E+12,,1\n")
    (tmp_path / "m.yaml").write_text(
        "source: s\nfields:\n  subscriber: {column: n}\n  time: {column: t}\n"
        "  total_bytes: {column: b}\n"
    )
    said = run(*options, "--mapping", tmp_path / "m.yaml", path, code=1)

    assert f"{path}:3: time: is missing" in said
    keys = [(json.loads(one.value)["subscriber"], one.key) for one in read(bootstrap, topic, 3)]
    assert keys == [("8613800000001", b"8613800000001")] * 3
    said = run(*options, *one[:2], "--subscriber", "13800000001", code=1)
    assert "subscriber: is not a phone number with country code; name the region" in said
    assert "13800000001" not in said
    assert "no region 'XX'" in run(*options, *one[:2], "--region", "XX", code=2)


def test_running_totals_go_on_with_the_next_run(bootstrap: str, topic: str, tmp_path: Path) -> None:
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    first.write_text(json.dumps(radius(1, "interim", inputOctets=1000, outputOctets=2000)))
    second.write_text(json.dumps(STOP))
    options = ("send", "--broker", bootstrap, "--topic", topic, "--format", "tmf635")

    said = run(*options, first)
    assert "1 sessions have not ended: give --sessions FILE" in said
    memory = ("--sessions", tmp_path / "sessions.sqlite")
    assert "have not ended" not in run(*options, *memory, first)
    run(*options, *memory, second)

    used = {
        one["id"]: one["uplink_bytes"] + one["downlink_bytes"]
        for one in (json.loads(record.value) for record in read(bootstrap, topic, PARTITIONS))
    }
    assert sum(used.values()) == 8000 + 3 * 2**32
