"""A changelog of the release that kept ids of events in the rows: its ids move, and count on.

``data/ids-in-rows.json`` is what that release wrote for the input in the same file.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.instants import DAY_MS, from_ms
from streamproc.core.state.account import unpack
from streamproc.engine.changelog import PROGRESS_KEY, decode_progress
from streamproc.engine.ids import is_of_ids
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import DUE_BYTES, Rows
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.settings import Native
from tests.contract.contract import DATA
from tests.support.compiled import IS_NATIVE
from tests.unit.test_native import Log

OLD: dict[str, Any] = json.loads((DATA / "ids-in-rows.json").read_text(encoding="utf-8"))
RECORDS = {base64.b64decode(one["key"]): base64.b64decode(one["value"]) for one in OLD["records"]}
KEY = bytes(range(16))
A_LITTLE_LATER_MS = OLD["clock_ms"] + 1_000
WAYS: list[Native] = ["off", "on"] if IS_NATIVE else ["off"]


class Loaded:
    """A partition that has loaded it."""

    def __init__(self, native: Native) -> None:
        self.processor = QuotaProcessor(default_rulebook(), WorkerTopics(), "event", native)
        self.clock_ms = decode_progress(RECORDS[PROGRESS_KEY]).clock_ms
        self.log = {key: value for key, value in RECORDS.items() if key != PROGRESS_KEY}
        self.load()
        self.rows.ids.begin(KEY)

    def load(self) -> None:
        self.rows = self.processor.new_rows()
        self.rows.load(dict(self.log))
        self.rows.loaded()

    def tick(self) -> None:
        self.processor.tick(self.rows, Outbox(), self.clock_ms, 0, 100)
        self.commit()

    def commit(self) -> None:
        for key, value in self.rows.take_changes():
            if value is None:
                self.log.pop(key)
            else:
                self.log[key] = value

    def apply(self, *events: tuple[str, dict[str, Any]], at_ms: int) -> list[str]:
        """What was decided about each event."""
        outbox = Outbox()
        records: list[Any] = [
            Log(key.encode(), json.dumps(event).encode(), at_ms, 1_000 + number)
            for number, (key, event) in enumerate(events)
        ]
        self.clock_ms = self.processor.apply("events", 0, records, self.rows, outbox, self.clock_ms)
        told = [value for values in outbox.topics.values() for _, value in values]
        facts = [json.loads(one) for one in told if one is not None]
        decided = [one.get("decision") or one.get("reason") for one in facts]
        return [one for one in decided if one and one != "fired"]

    def with_old_ids(self) -> int:
        return _with_old_ids(self.rows)


def _with_old_ids(rows: Rows[Any]) -> int:
    return sum(bool(unpack(data[DUE_BYTES:]).seen_ids) for data in rows.stored.values())


def again() -> list[tuple[str, dict[str, Any]]]:
    """A copy of every event that it has counted."""
    return [(one["key"], one["value"]) for one in OLD["input"]]


@pytest.mark.parametrize("native", WAYS)
@pytest.mark.parametrize("swept", [True, False])
def test_what_that_release_counted_is_not_counted_again(native: Native, swept: bool) -> None:
    loaded = Loaded(native)
    assert loaded.with_old_ids() == 3
    if swept:
        loaded.tick()
        assert loaded.with_old_ids() == 0, "also of rows that no event touches"
    copies = again()
    assert loaded.apply(*copies, at_ms=A_LITTLE_LATER_MS) == ["duplicate"] * len(copies)
    loaded.commit()
    assert loaded.with_old_ids() == 0
    assert any(map(is_of_ids, loaded.log))
    loaded.load()
    assert loaded.with_old_ids() == 0
    assert loaded.apply(*copies, at_ms=A_LITTLE_LATER_MS) == ["duplicate"] * len(copies)


@pytest.mark.parametrize("native", WAYS)
def test_an_event_with_old_ids_is_taken_back_once(native: Native) -> None:
    loaded = Loaded(native)
    refund = {
        **next(one["value"] for one in OLD["input"] if one["value"]["type"] == "usage.refunded"),
        "id": "r-2",
    }
    key = refund["subscriber"]
    assert loaded.apply((key, refund), at_ms=A_LITTLE_LATER_MS) == ["duplicate"]
    other = {**refund, "id": "r-3", "of_id": "u-2", "refunded_bytes": 1}
    unknown = {**refund, "id": "r-4", "of_id": "u-9"}
    events = [(key, other), (key, {**other, "id": "r-5"}), (key, unknown)]
    decided = loaded.apply(*events, at_ms=A_LITTLE_LATER_MS)
    assert sorted(decided) == ["duplicate", "not_counted", "refunded"]


@pytest.mark.parametrize("native", WAYS)
def test_a_new_event_counts_and_old_ids_end(native: Native) -> None:
    loaded = Loaded(native)
    key, usage = next(
        (one["key"], one["value"])
        for one in OLD["input"]
        if one["value"]["type"] == "usage.recorded"
    )
    new = {**usage, "id": "new"}
    at_ms = OLD["clock_ms"]
    loaded.tick()
    before = len(loaded.rows.ids)
    assert loaded.apply((key, new), (key, new), at_ms=at_ms) == ["duplicate"]
    assert len(loaded.rows.ids) == before + 1
    until_ms = loaded.rows.ids.old_until_ms
    assert at_ms + 40 * DAY_MS < until_ms <= at_ms + 48 * DAY_MS
    later = {**usage, "id": "later", "time": from_ms(until_ms + DAY_MS).isoformat()}
    loaded.apply((key, later), at_ms=until_ms + DAY_MS)
    assert len(loaded.rows.ids) == 1, "only the latest event is remembered"
