"""Laws 5, 17 and 19 over whole logs, through the worker's own processor."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.contracts.topics import WorkerTopics
from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account, unpack
from streamproc.core.step.next_due import next_due_ms
from streamproc.engine.due import NEVER_DUE
from streamproc.engine.ids import snapshot
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import DUE_BYTES, Rows
from streamproc.lab.oracle import PlacedRecord
from streamproc.worker.native_bridge.loading import is_native
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.settings import Native
from tests.property import rulebooks, walks
from tests.property.budget import budget
from tests.property.world import rfc3339
from tests.support.line import day

TOPICS = WorkerTopics.under("", inputs=("events",))
NAMES = tuple(f"86138000000{number}" for number in range(5))
EVERYTHING = 1 << 60

NATIVE = [
    "off",
    pytest.param(
        "on", marks=pytest.mark.skipif(not is_native("auto"), reason="streamproc_native not built")
    ),
]


class Fetched:
    """A record as the consumer hands it on."""

    __slots__ = ("headers", "key", "offset", "partition", "timestamp", "value")

    def __init__(self, record: PlacedRecord) -> None:
        self.partition, self.offset = record.partition, record.offset
        self.key, self.value, self.timestamp = record.key, record.value, record.timestamp_ms
        self.headers = record.headers


Outputs = dict[tuple[str, bytes | None], list[bytes]]
"""Values in order, by topic and key."""


class Run:
    """One partition of a worker in event-clock mode."""

    def __init__(self, rules: Rulebook, native: Native = "off") -> None:
        self.processor = QuotaProcessor(rules, TOPICS, "event", native)
        self.rows = self._new_rows()
        self.clock_ms = 0
        self.outputs: Outputs = defaultdict(list)

    def _new_rows(self) -> Rows[Account]:
        return self.processor.new_rows()

    def apply(self, records: list[PlacedRecord]) -> None:
        outbox = Outbox()
        fetched = [Fetched(record) for record in records]
        self.clock_ms = self.processor.apply("events", 0, fetched, self.rows, outbox, self.clock_ms)
        self._collect(outbox)

    def tick(self, limit: int = EVERYTHING) -> None:
        outbox = Outbox()
        self.processor.tick(self.rows, outbox, self.clock_ms, 0, limit)
        self._collect(outbox)

    def commit(self) -> None:
        self.rows.take_changes()

    def reload(self) -> None:
        """Another worker takes over: rows from the changelog, the due queue from the rows."""
        self.commit()
        rows = self._new_rows()
        for key, data in (self.rows.stored | snapshot(self.rows.ids)).items():
            rows.load({key: data})
        rows.loaded()
        self.rows = rows

    def finish(self) -> None:
        self.commit()
        while self.rows.next_due_ms <= self.clock_ms:
            self.tick()
            self.commit()

    @property
    def states(self) -> dict[bytes, bytes]:
        return self.rows.stored

    def _collect(self, outbox: Outbox) -> None:
        for topic, sent in outbox.topics.items():
            for key, value in sent:
                assert value is not None
                self.outputs[topic, key].append(value)


def log_of(seed: int, count: int, names: tuple[str, ...] = NAMES) -> list[PlacedRecord]:
    """A walk as records of one partition, and a last one that lets time pass."""
    start_ms = to_ms(day(0))
    records = []
    last_ms = start_ms
    for offset, (stamp_ms, event) in enumerate(walks.walk(seed, start_ms, count, names)):
        key: bytes | None = names[0].encode()
        value: bytes | None
        if isinstance(event, dict):
            key = event["subscriber"].encode()
            plain: dict[str, Any] = {
                name: rfc3339(content) if name in ("time", "expires_time") else content
                for name, content in event.items()
            }
            value = json.dumps(plain).encode()
        else:
            value = event
        records.append(PlacedRecord("events", 0, offset, key, value, stamp_ms))
        last_ms = max(last_ms, stamp_ms)
    at_ms = last_ms + 40 * DAY_MS
    clock = {"type": "clock.advanced", "id": "end", "source": "test", "time": rfc3339(at_ms)}
    records.append(PlacedRecord("events", 0, count, None, json.dumps(clock).encode(), at_ms))
    return records


def straight(records: list[PlacedRecord], rules: Rulebook, native: Native = "off") -> Run:
    run = Run(rules, native)
    run.apply(records)
    run.finish()
    return run


def with_reject_order_set_aside(outputs: Outputs) -> Outputs:
    """Rejects have no key: those of different subscribers may come in another order."""
    return {
        place: sorted(values) if place[0] == TOPICS.rejects else values
        for place, values in outputs.items()
        if values
    }


@pytest.mark.parametrize("native", NATIVE)
@budget(8)
@given(seed=st.integers(0, 2**32 - 1), rules=rulebooks.rulebooks())
def test_law_05_the_same_log_makes_the_same_bytes_whenever_timers_look(
    seed: int, rules: Rulebook, native: Native
) -> None:
    records = log_of(seed, 300)
    wanted = straight(records, rules)
    chance = random.Random(seed)
    run = Run(rules, native)
    place = 0
    while place < len(records):
        size = chance.randrange(1, 30)
        run.apply(records[place : place + size])
        place += size
        for _ in range(chance.randrange(3)):
            run.tick(limit=chance.choice((1, 2, EVERYTHING)))
        draw = chance.random()
        if draw < 0.4:
            run.commit()
        elif draw < 0.5:
            run.reload()
    run.finish()
    assert run.states == wanted.states
    assert with_reject_order_set_aside(run.outputs) == with_reject_order_set_aside(wanted.outputs)


@budget(8)
@given(seed=st.integers(0, 2**32 - 1))
def test_law_17_nobody_is_affected_by_others_or_by_garbage(seed: int) -> None:
    rules = rulebooks.make()
    clock_ms = 0
    records = []
    for record in log_of(seed, 300):
        # With arrivals made explicit, a record's neighbours do not lend it their clock.
        clock_ms = max(clock_ms, record.timestamp_ms)
        records.append(record._replace(timestamp_ms=clock_ms))
    together = straight(records, rules)
    for name in NAMES:
        key = name.encode()
        own = [
            record
            for record in records
            if (record.key == key and record.value and record.value.startswith(b'{"'))
            or record.key is None
        ]
        alone = straight(own, rules)
        assert alone.states.get(key) == together.states.get(key)
        for topic in (TOPICS.reminders, TOPICS.audit):
            assert alone.outputs[topic, key] == together.outputs[topic, key]


def test_law_17_an_unreadable_state_silences_nobody_else() -> None:
    rules = rulebooks.make()
    records = log_of(1, 300)
    wanted = straight(records, rules)
    run = Run(rules)
    broken = NAMES[0].encode()
    run.rows.load({broken: bytes(DUE_BYTES) + b"\xc1"})
    run.apply(records)
    run.finish()
    assert any(b'"state_unreadable"' in value for value in run.outputs[TOPICS.rejects, None])
    for name in NAMES[1:]:
        key = name.encode()
        assert run.states.get(key) == wanted.states.get(key)
        assert run.outputs[TOPICS.reminders, key] == wanted.outputs[TOPICS.reminders, key]


@pytest.mark.parametrize("native", NATIVE)
@budget(8)
@given(seed=st.integers(0, 2**32 - 1), rules=rulebooks.rulebooks())
def test_law_19_what_is_due_follows_from_the_states_alone(
    seed: int, rules: Rulebook, native: Native
) -> None:
    run = Run(rules, native)
    for record in log_of(seed, 150):
        run.apply([record])
        run.commit()
        for key, data in run.states.items():
            account = unpack(data[DUE_BYTES:])
            assert int.from_bytes(data[:DUE_BYTES], "big", signed=True) == account.next_due_ms
            # Early at most: usage may have made a look unnecessary.
            assert account.next_due_ms <= next_due_ms(account, key.decode(), rules)
        due = [
            key
            for key, data in run.states.items()
            if unpack(data[DUE_BYTES:]).next_due_ms <= min(run.clock_ms, NEVER_DUE - 1)
        ]
        rebuilt = run._new_rows()
        for key, data in run.states.items():
            rebuilt.load({key: data})
        rebuilt.loaded()
        assert sorted(rebuilt.pop_due(run.clock_ms, EVERYTHING)) == sorted(due)
        if due:
            assert run.rows.next_due_ms <= run.clock_ms
