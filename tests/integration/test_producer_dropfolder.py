"""Files dropped into a folder are handed over once each, whatever is killed."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from streamproc.kafka.topics import topic_facts
from tests.support.commands import kill_at_random, read, run
from tests.unit.test_readers_sessions import STOP, radius

PARTITIONS = 3


@pytest.fixture
def topic(bootstrap: str) -> str:
    name = f"folder-{uuid4().hex[:8]}"
    topic_facts(bootstrap, name, create_partitions=PARTITIONS)
    return name


def usage_lines(file: int, count: int) -> list[str]:
    return [
        json.dumps(
            {
                "type": "usage.recorded", "source": "ocs", "id": f"{file}-{number}",
                "subscriber": f"8613800{number % 50:06d}", "time": "2026-01-05T12:00:00Z",
                "total_bytes": number,
            }
        )
        for number in range(count)
    ]  # fmt: skip


def ids(bootstrap: str, topic: str) -> Counter[str]:
    return Counter(json.loads(one.value)["id"] for one in read(bootstrap, topic, PARTITIONS))


def arguments(bootstrap: str, topic: str, folder: Path) -> list[str | Path]:
    return [
        *("send", "--broker", bootstrap, "--topic", topic, "--watch", folder),
        *("--once", "--settle", "0s"),
    ]


def test_files_are_moved_remembered_and_their_bad_records_kept(
    bootstrap: str, topic: str, tmp_path: Path
) -> None:
    good, mixed = usage_lines(1, 30), usage_lines(2, 10)
    (tmp_path / "a.ndjson").write_text("\n".join(good))
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress("\n".join([*mixed, "oops"]).encode()))
    (tmp_path / "cut.ndjson.gz").write_bytes(gzip.compress("\n".join(good * 9).encode())[:-9])
    (tmp_path / "growing.tmp").write_text("\n".join(usage_lines(3, 5)))
    (tmp_path / "table.csv").write_text("msisdn,bytes\n8613800000001,1\n")

    said = run(*arguments(bootstrap, topic, tmp_path), code=1)

    assert "a.ndjson: done, 30 events, 0 bad" in said
    assert "b.ndjson.gz: done, 10 events, 1 bad" in said
    assert "cut.ndjson.gz: failed" in said
    assert "table.csv: failed" in said
    reason = (tmp_path / "failed" / "table.csv.reason").read_text()
    assert reason.startswith("csv needs a mapping file")
    expected = Counter([f"1-{n}" for n in range(30)] + [f"2-{n}" for n in range(10)])
    assert ids(bootstrap, topic) == expected
    assert sorted(one.name for one in (tmp_path / "done").iterdir()) == [
        "a.ndjson", "b.ndjson.gz", "b.ndjson.gz.rejects.ndjson"
    ]  # fmt: skip
    assert json.loads((tmp_path / "done" / "b.ndjson.gz.rejects.ndjson").read_text()) == {
        "line": 11, "reason": "is not a JSON object"
    }  # fmt: skip
    assert (tmp_path / "failed" / "cut.ndjson.gz").exists()
    assert (tmp_path / "growing.tmp").exists()

    # The same content again, under whatever name, is not sent again.
    (tmp_path / "again.ndjson").write_text("\n".join(good))
    assert "again.ndjson: duplicate" in run(*arguments(bootstrap, topic, tmp_path))
    assert ids(bootstrap, topic) == expected
    assert (tmp_path / "duplicates" / "again.ndjson").exists()


def test_killed_hand_overs_lose_and_double_nothing(
    bootstrap: str, topic: str, tmp_path: Path
) -> None:
    expected: Counter[str] = Counter()
    for file in range(4):
        lines = usage_lines(file, 45_000)
        (tmp_path / f"{file}.ndjson").write_text("\n".join(lines))
        expected.update(f"{file}-{number}" for number in range(45_000))

    hit = kill_at_random(arguments(bootstrap, topic, tmp_path), bootstrap, topic, 180_000, seed=2)

    assert hit >= 3, "the kills came too late to prove anything"
    assert ids(bootstrap, topic) == expected
    assert len(list((tmp_path / "done").iterdir())) == 4


def test_running_totals_go_on_in_later_files_and_after_a_restart(
    bootstrap: str, topic: str, tmp_path: Path
) -> None:
    options = [*arguments(bootstrap, topic, tmp_path), "--format", "tmf635"]
    (tmp_path / "1.json").write_text(
        json.dumps(radius(1, "interim", inputOctets=1000, outputOctets=2000))
    )
    run(*options)
    # A crash after the events were sent, and before the file was moved: it is read again.
    (tmp_path / "done" / "1.json").rename(tmp_path / "1.json")
    (tmp_path.with_name(f"{tmp_path.name}.streamproc") / "done.ndjson").unlink()
    (tmp_path / "2.json").write_text(json.dumps(STOP))
    run(*options)

    used = [json.loads(one.value) for one in read(bootstrap, topic, PARTITIONS)]
    assert sum(one["uplink_bytes"] + one["downlink_bytes"] for one in used) == 8000 + 3 * 2**32
    assert len(used) == 2
