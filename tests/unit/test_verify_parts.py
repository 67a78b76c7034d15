"""Parts of ``streamproc verify``: samples, checkpoints, and the rules of a progress record."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import zstandard
from click.testing import CliRunner
from msgspec import structs

from streamproc.cli import main
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.instants import DAY_MS, from_ms
from streamproc.core.state.account import Account, ClosedCycle
from streamproc.engine.changelog import (
    KEPT_EPOCHS,
    UNKNOWN_EPOCH,
    Progress,
    decode_progress,
    encode_progress,
)
from streamproc.engine.cluster import Place
from streamproc.tools.verify.checkpoint import (
    Checkpoint,
    CheckpointError,
    in_use,
    load,
    load_looked_through,
    made_for,
    reminders_path_of,
    save,
)
from streamproc.tools.verify.comparing import differ_by_clock
from streamproc.tools.verify.losses import (
    Looked,
    LookedThrough,
    Missing,
    MissingOffsets,
    in_words,
    read_through,
)
from streamproc.tools.verify.rebuilding import rebuild
from streamproc.tools.verify.sample import SubscriberSample
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.settings import Clock
from tests.unit.test_native import Log

PLAN = """\
version: 1
currency: EUR
default_locale: en
plans:
  - {id: basic, allowances: [{id: home, granted_bytes: 900_000}]}
rules:
  - {id: low, kind: usage_percent, thresholds: [80], category: usage, texts: {en: "{percent}%"}}
"""


def test_a_progress_record_names_what_its_rows_were_calculated_under() -> None:
    progress = Progress()
    for epoch in (7, 7, 8, 7):
        progress.note(epoch)
    assert progress.epochs == [7, 8, 7]
    assert decode_progress(encode_progress(progress)) == progress


def test_what_an_earlier_release_did_not_note_is_unknown() -> None:
    progress = decode_progress(encode_progress(Progress(positions={"in": 3})))
    progress.note(7)
    assert progress.epochs == [UNKNOWN_EPOCH, 7]


def test_the_list_of_epochs_is_bounded() -> None:
    progress = Progress()
    for epoch in range(1, 100):
        progress.note(epoch)
    assert len(progress.epochs) == KEPT_EPOCHS  # type: ignore[arg-type]
    assert progress.epochs[0] == UNKNOWN_EPOCH  # type: ignore[index]
    assert progress.epochs[-1] == 99  # type: ignore[index]


def test_a_sample_is_the_same_each_time_and_as_large_as_said() -> None:
    keys = [b"86138%08d" % number for number in range(5_000)]
    taken = [key for key in keys if SubscriberSample(share=0.1).takes(key)]
    assert 400 < len(taken) < 600
    assert set(taken) <= {key for key in keys if SubscriberSample(share=0.2).takes(key)}
    assert all(SubscriberSample().takes(key) for key in keys)
    assert not SubscriberSample().takes(None)
    named = SubscriberSample(frozenset(keys[:2]))
    assert [key for key in keys if named.takes(key)] == keys[:2]
    assert (SubscriberSample().is_all, named.is_all, SubscriberSample(share=0.5).is_all) == (
        True,
        False,
        False,
    )


def test_a_checkpoint_counts_for_what_it_was_made_for(tmp_path: Path) -> None:
    path = tmp_path / "new" / "app-0.checkpoint"
    wanted = made_for(7, "event", ("in",), SubscriberSample(), b"key")
    made = Checkpoint(wanted, positions={"in": 10}, marks={"in": 3}, rows={b"k": b"row"})
    now = Progress(positions={"in": 12})
    assert load(path, wanted, now) == (Checkpoint(wanted), "")

    save(path, made)

    assert load(path, wanted, now) == (made, "")
    for other in (
        made_for(8, "event", ("in",), SubscriberSample(), b"key"),
        made_for(7, "wall", ("in",), SubscriberSample(), b"key"),
        made_for(7, "event", ("in", "more"), SubscriberSample(), b"key"),
        made_for(7, "event", ("in",), SubscriberSample(share=0.5), b"key"),
        made_for(7, "event", ("in",), SubscriberSample(), b"other"),
    ):
        found, why = load(path, other, now)
        assert (found.rows, found.positions) == ({}, {})
        assert why.startswith("it is of other rules")
    found, why = load(path, wanted, Progress(positions={"in": 9}))
    assert (found.rows, why) == ({}, "it is ahead of the state")
    damaged = msgspec.msgpack.encode(found).replace(wanted.encode(), b"\xff" * len(wanted))
    # One of 2^62 bytes, by its own word; memory is taken by it.
    endless = b"\x28\xb5\x2f\xfd\xe0" + (1 << 62).to_bytes(8, "little") + b"\x01\0\0"
    for content in (b"nonsense", endless, zstandard.ZstdCompressor().compress(damaged)):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="is not a checkpoint"):
            load(path, wanted, now)


def test_each_missing_offset_of_a_span_is_counted_once() -> None:
    place = Place("in", 0)
    missing = MissingOffsets()
    missing.watch("in", 5, 20)
    tell = missing.mark.missing
    tell(Place("other", 0), 0, 100)
    for span in ((0, 4), (3, 7), (10, 12), (6, 12), (18, 30), (10, 12)):
        tell(place, *span)
    assert missing.found == {"in": Missing(2 + 2 + 2, 5, 20)}

    later = MissingOffsets({"in": Missing(3, 5, 12)})
    later.watch("in", 10, 20)  # the last records before the checkpoint were missing, too
    later.mark.missing(place, 10, 14)
    assert later.found == {"in": Missing(5, 5, 14)}
    assert "5 records of in are missing from offset 5 on" in in_words("in", later.found["in"])


def test_two_runs_do_not_share_the_checkpoints_of_an_application(tmp_path: Path) -> None:
    folder = tmp_path / "new"

    def use(app_id: str, place: Path | None = folder) -> None:
        with in_use(place, app_id):
            pass

    with in_use(folder, "app"):
        use("another")
        use("app", None)
        with pytest.raises(CheckpointError, match="another comparison of app uses"):
            use("app")
    use("app")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(CheckpointError, match="cannot be written"):
        use("app", file)


class Reader:
    """A partition whose offsets 3 to 5 are missing; it counts what is read."""

    def __init__(self, end: int, missing: MissingOffsets) -> None:
        self.end, self.at, self.read = end, 0, 0
        self._tell = missing.mark.missing

    async def end_offsets(self, places: list[Place]) -> dict[Place, int]:
        return dict.fromkeys(places, self.end)

    async def beginning_offsets(self, places: list[Place]) -> dict[Place, int]:
        return dict.fromkeys(places, 0)

    def assign(self, places: list[Place]) -> None:
        self.place = places[0]

    def seek(self, _: Place, offset: int) -> None:
        self.at = offset

    async def getmany(self, timeout_ms: int) -> dict[Place, list[Any]]:
        before, self.at = self.at, min(self.at + 10, self.end)
        self.read += self.at - before
        if before < 3:
            self._tell(self.place, 3, 6)
        return {}

    async def position(self, _: Place) -> int:
        return self.at


async def test_reminders_are_read_once_for_all_runs_with_a_checkpoint(tmp_path: Path) -> None:
    path = reminders_path_of(tmp_path, "app", 0)
    lost = Missing(3, 3, 6)
    for end, read, found in (
        (100, 100, lost),
        (100, 0, lost),
        (120, 20, lost),
        (90, 90, lost),  # the topic was made anew
    ):
        missing = MissingOffsets()
        reader: Any = Reader(end, missing)
        known = await read_through(reader, load_looked_through(path, "out"), 0, missing)
        save(path, known)
        assert (reader.read, missing.found) == (read, {"out": found})
        assert known == LookedThrough("out", end, lost)

    assert load_looked_through(path, "another") == LookedThrough("another")
    path.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load_looked_through(path, "out")


@pytest.mark.parametrize("option", ["--input", "--forwarded", "--reminders"])
def test_a_topic_that_somebody_named_must_exist(
    option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody named may be missing: a worker has no topic of commands if it reads none."""
    looked = Looked((), 0, ("mistyped", *WorkerTopics().inputs, "streamproc.reminders"))
    monkeypatch.setattr("streamproc.worker.topics.changelog_partitions", lambda _: 4)
    monkeypatch.setattr("streamproc.tools.verify.losses.look_at_topics", lambda _: looked)
    command = ["verify", "--broker", "127.0.0.1:1", "--native", "off"]

    result = CliRunner().invoke(main, [*command, option, "mistyped"])

    assert result.exit_code == 3
    assert result.stderr.startswith("Error: there is no topic mistyped at 127.0.0.1:1; correct")
    other = CliRunner().invoke(main, [*command, option, "right"])
    assert "there is no topic" not in other.stderr


CYCLE = ClosedCycle(0, 1_000, 100, 90, 10, 0)


@pytest.mark.parametrize(
    ("kept", "rebuilt", "is_clock"),
    [
        ({"seen_marks": [3, 2, 4, 1]}, {"seen_marks": [3, 1, 4, 2]}, True),
        ({"clock_ms": 5, "seen_marks": [3, 1]}, {"clock_ms": 9, "seen_marks": [4, 1]}, True),
        ({"history": [CYCLE]}, {"history": [structs.replace(CYCLE, late_bytes=7)]}, True),
        ({"seen_marks": [3, 2]}, {"seen_marks": [3, 1]}, False),
        ({"history": [CYCLE]}, {"history": [structs.replace(CYCLE, used_bytes=91)]}, False),
        ({"history": [CYCLE]}, {"history": []}, False),
        ({"overage_bytes": 1}, {"overage_bytes": 2}, False),
        ({"seen_ids": b"12345678"}, {"seen_ids": b"87654321"}, False),
    ],
)
def test_what_the_clock_decided_is_told_from_what_was_charged(
    kept: dict[str, Any], rebuilt: dict[str, Any], is_clock: bool
) -> None:
    """With two input topics nobody knows in which order they moved the clock."""
    assert differ_by_clock(Account(**kept), Account(**rebuilt)) is is_clock


class Topics:
    """Topics of one partition; a fetch has some records of a topic."""

    def __init__(self, **topics: list[Log]) -> None:
        self.topics, self.at = topics, 0

    def assign(self, places: list[Place]) -> None:
        (self.place,) = places

    def seek(self, place: Place, offset: int) -> None:
        assert place == self.place
        self.at = offset

    async def getmany(self, timeout_ms: int) -> dict[Place, list[Any]]:
        records = self.topics[self.place.topic][self.at : self.at + 7]
        self.at += len(records)
        return {self.place: [SimpleNamespace(records=records)]}

    async def position(self, place: Place) -> int:
        assert place == self.place
        return self.at


def days_of_use(name: str, days: int, late_ms: int) -> list[Log]:
    """An activation, and an event a day. Every event comes twice, and some time after its own."""
    begin = {"type": "account.activated", "plan": "basic", "time_zone": "UTC"}
    events = [(0, {**begin, "billing_anchor_day": 1, "id": "a"})]
    for day in range(50, 50 + days):
        use = {"type": "usage.recorded", "total_bytes": 1_000, "id": f"{name}-{day}"}
        events += [(day * DAY_MS, use), (day * DAY_MS + 1_000, use)]
    found = []
    for offset, (since_ms, fields) in enumerate(events):
        at_ms = 1_767_600_000_000 + since_ms
        time_ms = at_ms - (late_ms if offset else 0)
        event = {
            **fields,
            "source": "ocs",
            "subscriber": name,
            "time": from_ms(time_ms).isoformat(),
        }
        found.append(Log(name.encode(), json.dumps(event).encode(), at_ms, offset))
    return found


@pytest.mark.parametrize("clock", ["wall", "event"])
async def test_late_events_of_several_topics_are_counted_as_the_worker_did(clock: Clock) -> None:
    """The topics are not read one after the other: the first one would let the second be late."""
    names = {"one": "8613800000001", "two": "8613800000002"}
    late_ms = 40 * DAY_MS - 10_000
    topics = {name: days_of_use(key, 100, late_ms) for name, key in names.items()}
    progress = Progress(positions={name: len(log) for name, log in topics.items()})
    reader: Any = Topics(**topics)
    rules = load_rulebook(PLAN, "rules.yaml")
    processor = QuotaProcessor(rules, WorkerTopics(), clock, "off")
    seen: Counter[str] = Counter()

    rows, place = await rebuild(
        *(reader, 0, progress, processor, Checkpoint(""), SubscriberSample()),
        *(lambda topic, records, *_: seen.update({topic: len(records)}), bytes(16)),
    )

    assert seen == progress.positions == place.positions
    for key in names.values():
        account = rows.get(key.encode())
        assert account is not None
        assert account.charged_bytes == 100_000
    assert 40 * 2 <= len(rows.ids) <= 43 * 2
