"""Figures for the log and for ``streamproc receipts``."""

from __future__ import annotations

import random

import pytest

from streamproc.dispatch.statistics import ReceiptTally, Times
from tests.support.scheduler import Table, reminder


def test_quantiles_are_within_a_sixteenth() -> None:
    chance = random.Random(3)
    values = sorted(int(chance.expovariate(1 / 4_000)) for _ in range(5_000))
    times = Times()
    for value in values:
        times.add(value)
    for share in (0.5, 0.95, 0.99, 1.0):
        true = values[min(int(share * len(values)), len(values) - 1)]
        assert true <= times.quantile_ms(share) * 1.01
        assert times.quantile_ms(share) <= true * (1 + 1 / 16) + 1

    assert Times().quantile_ms(0.5) == 0


@pytest.mark.parametrize("value", [0, 1, 15, 16, 17, 31, 32, 33, 1_000, 86_400_000])
def test_a_single_time_is_its_own_quantile(value: int) -> None:
    times = Times()
    times.add(value)

    assert value <= times.quantile_ms(0.5) <= value + value // 16


def test_a_tally_tells_counts_and_times_by_status() -> None:
    table = Table()
    table.put(reminder(1, "861380001"), reminder(2, "861380002"))
    table.now_ms += 300
    table.run()
    tally = ReceiptTally()
    tally.add(table.receipts)

    assert tally.line()["accepted"] == 2
    assert 300 <= tally.line()["event_to_accepted_p99_ms"] <= 320
    header, row = tally.table()
    assert header[:3] == ("status", "count", "event p50")
    assert row[:2] == ("accepted", "2")
    assert tally.by_gateway == {("main", "accepted"): 2}
