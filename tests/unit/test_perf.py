"""What the benchmarks judge by: a benchmark that cannot see a wrong result proves nothing."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from perf.compare_peers import PEERS
from perf.compare_report import Report
from perf.compare_run import Run
from perf.compare_task import (
    LARGEST_EVENT_BYTES,
    START_MS,
    THRESHOLDS,
    Fired,
    difference,
    fired_by,
    instant,
    morning_offset_hours,
    usage,
)
from perf.country import cluster
from perf.guard import judge
from perf.latency import percentile
from perf.stages import stage_of
from streamproc.contracts.records.codec import decode_event
from streamproc.core.state.events import UsageRecorded

DAY_SECONDS = 86_400


def test_usage_is_of_the_contract_and_tells_what_must_come_out() -> None:
    fired: Fired = Counter()
    used: Counter[str] = Counter()
    crossed: Fired = Counter()
    for key, value, at_ms in usage(3000, 100, fired):
        event = decode_event(value, key.encode(), ())
        assert isinstance(event, UsageRecorded)
        assert event.time.timestamp() * 1000 == pytest.approx(at_ms)
        before = used[key]
        used[key] += event.used_bytes
        crossed.update((key, one) for one in THRESHOLDS if before < one <= used[key])
    assert fired == crossed
    assert fired.total() > 100


def test_no_event_can_cross_two_thresholds() -> None:
    gaps = [high - low for low, high in pairwise(THRESHOLDS)]
    assert min(gaps) > LARGEST_EVENT_BYTES


def test_difference_sees_missing_doubled_and_foreign_reminders() -> None:
    expected: Fired = Counter({("a", 5): 1, ("b", 5): 1})
    assert difference(expected, expected) == ""
    assert "1 missing, 0 doubled" in difference(Counter({("a", 5): 1}), expected)
    assert "0 missing, 1 doubled" in difference(expected + Counter({("a", 5): 1}), expected)
    assert "1 missing, 1 doubled" in difference(Counter({("a", 5): 1, ("b", 8): 1}), expected)


def test_reminders_of_both_forms_are_understood() -> None:
    values = [
        b'{"subscriber":"a","threshold":8000000,"used_bytes":9}',
        b'{"subscriber":"b","threshold":{"unit":"percent","value":80}}',
    ]
    assert fired_by(values) == Counter({("a", 8_000_000): 1, ("b", 8_000_000): 1})


def test_instants_are_utc_with_milliseconds() -> None:
    assert instant(START_MS + 7) == "2026-01-05T08:00:00.007Z"


@pytest.mark.parametrize("hour", range(24))
def test_the_chosen_zone_exists_and_has_its_morning(hour: int) -> None:
    offset = morning_offset_hours(hour * 3600 + 3599)
    assert -12 <= offset <= 14
    assert (hour + offset) % 24 == 11


def test_percentiles_are_values_that_occurred() -> None:
    values = list(range(1, 1001))
    assert percentile(values, 50) == 500
    assert percentile(values, 99.9) == 999
    assert percentile([7], 99) == 7
    assert percentile([], 99) == 0


def test_guard_fails_below_its_tolerance_only() -> None:
    baseline = {"ratios": {"full": 0.2}, "tolerance": 0.25}
    assert judge({"full": 0.151}, {"full": [0.151]}, baseline) == 0
    assert judge({"full": 0.149}, {"full": [0.149]}, baseline) == 1


def test_ratios_compare_runs_of_the_same_round() -> None:
    ours = [Run(1, seconds, cpu, 100, 1) for seconds, cpu in ((1.0, 1.0), (2.0, 1.0))]
    other = [Run(1, seconds, cpu, 100, 1) for seconds, cpu in ((2.0, 4.0), (8.0, 3.0))]
    report = Report("m", 100, 10, {"bare": ours, "quix": other}, {"faust": "no Python"})
    (ratio,) = report.ratios()
    assert ratio.wall == (2.0, 4.0)
    assert ratio.cpu == (4.0, 3.0)
    table = report.markdown()
    assert "3.00 (2.00-4.00)" in table
    assert f"{PEERS['faust'].name} | not built here: no Python" in table


def test_cluster_grows_with_cost_and_memory() -> None:
    small = cluster(5.0, 300.0)
    assert cluster(10.0, 300.0).cores == pytest.approx(2 * small.cores, abs=1)
    assert cluster(5.0, 600.0).machines_by_memory == pytest.approx(
        2 * small.machines_by_memory, abs=1
    )
    assert small.machines == max(small.machines_by_cores, small.machines_by_memory)


def test_samples_go_to_the_innermost_stage_that_is_known() -> None:
    outer = "main (app.py:1)"
    fetch = "getall (x/aiokafka/consumer/fetcher.py:130)"
    assert stage_of([outer, fetch, "decompress (cramjam.py:1)"]) == "fetch"
    assert stage_of(
        [outer, "remind (streamproc/core/texts/reminding.py:9)", "x (core/instants.py:1)"]
    ) == ("make reminders")
    assert stage_of([outer]) == "other"
