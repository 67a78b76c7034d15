"""How far off forecasts may be on the workload; ``perf/forecast.py`` measures it at length."""

from __future__ import annotations

from functools import cache

from perf.forecast import Cycle, cycles, report, rules_with
from streamproc.core.instants import DAY_MS, HOUR_MS
from streamproc.lab.workload import WorkloadSettings

SETTINGS = WorkloadSettings(seed=2, events=9_000, subscribers=50, days=62)
"""Three records a day."""


@cache
def found() -> list[Cycle]:
    return list(cycles(SETTINGS, rules_with(24)))


def test_no_forecast_is_told_on_the_first_day() -> None:
    told = [one.told_ms - one.began_ms for one in found() if one.told_ms is not None]
    assert len(told) > 20
    assert min(told) >= DAY_MS


def test_nothing_is_foretold_that_has_happened_or_is_beyond_the_cycle() -> None:
    for one in found():
        if one.told_ms is not None:
            assert one.told_ms < one.foretold_ms < one.ended_ms
            assert one.ran_out_ms is None or one.told_ms < one.ran_out_ms


def test_most_of_what_happens_is_foretold_and_how_far_off_is_bounded() -> None:
    error = report(found())
    assert error.right >= 0.85 * error.ran_out
    assert error.told - error.right <= 0.35 * error.told
    assert error.off_share[0] <= 0.35
    assert error.ahead_hours >= 5 * 24


def test_the_measure_sees_errors() -> None:
    """A forecast that is twice as far away is off by all of the time ahead."""
    began = 1_000 * DAY_MS
    some = [
        Cycle(
            "one", began, began + 30 * DAY_MS, True, began + at, began + 48 * HOUR_MS, began + off
        )
        for at, off in ((96 * HOUR_MS, 144 * HOUR_MS), (120 * HOUR_MS, 192 * HOUR_MS))
    ]
    false = Cycle("one", began, began + 30 * DAY_MS, True, None, began + DAY_MS, began + 2 * DAY_MS)
    missed = Cycle("one", began, began + 30 * DAY_MS, True, began + DAY_MS)
    error = report([*some, false, missed])
    assert (error.cycles, error.ran_out, error.told, error.right, error.too_soon) == (4, 3, 3, 2, 1)
    assert error.off_hours[0] == 60
    assert error.off_share[0] == 1
    assert error.first_told_hours == 24
