"""A record stamped years ahead moves the clock of a replay: what is kept of it is bounded."""

from __future__ import annotations

from typing import Any

import pytest

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.core.instants import DAY_MS
from streamproc.engine.processor import Outbox
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.virtual import TOPICS, InputRecord

START_MS = 1_767_225_600_000
ROWS = 3
ACTIVATED = (
    b'{"type":"account.activated","id":"a","source":"s","subscriber":"%d",'
    b'"time":"2026-01-01T00:00:00Z","plan":"%s","time_zone":"Asia/Shanghai","billing_anchor_day":1}'
)


def ticks(native: Any) -> tuple[list[int], dict[bytes | None, list[Any]], dict[Any, Any]]:
    """The number of outputs of each tick, the outputs of each subscriber, the rows afterwards."""
    rules = default_rulebook()
    processor = QuotaProcessor(rules, TOPICS, "event", native)
    plan = next(iter(rules.plans)).encode()
    keys = [b"%d" % (8613800000000 + number) for number in range(ROWS)]
    records = [
        InputRecord("usage", 0, offset, key, ACTIVATED % (int(key), plan), START_MS)
        for offset, key in enumerate(keys)
    ]
    stamped = InputRecord("usage", 0, ROWS, b"x", b"{}", START_MS + 2 * 365 * DAY_MS)
    rows = processor.new_rows()
    clock_ms = processor.apply("usage", 0, [*records, stamped], rows, Outbox(), 0)
    rows.take_changes()
    counts: list[int] = []
    found: dict[bytes | None, list[Any]] = {}
    while rows.next_due_ms <= clock_ms:
        outbox = Outbox()
        processor.tick(rows, outbox, clock_ms, clock_ms, ROWS)
        rows.take_changes()
        counts.append(sum(len(one) for one in outbox.topics.values()))
        for topic, outputs in outbox.topics.items():
            for one in outputs:
                found.setdefault(one[0], []).append((topic, one))
    return counts, found, dict(rows.stored)


@pytest.mark.parametrize("native", ["off", "auto"])
def test_a_tick_goes_days_ahead_and_the_result_is_the_same(
    native: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sliced, found, rows = ticks(native)
    monkeypatch.setattr("streamproc.worker.quota_processor.SLICE_MS", 1_000 * DAY_MS)
    whole, expected, rows_expected = ticks(native)
    assert len(whole) == 1
    assert max(sliced) < 20 * ROWS
    assert sum(sliced) == sum(whole) > 500
    assert found.keys() == expected.keys()
    assert rows == rows_expected
    for key, outputs in found.items():
        by_topic = [sorted(map(repr, one)) for one in (outputs, expected[key])]
        assert by_topic[0] == by_topic[1]
