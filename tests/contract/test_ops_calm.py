"""Rules of ops/ in real promtool: in normal operation no alert fires at any time.

What happens every day: a fresh start, a night without traffic, a rolling restart, a system without
dispatchers, and a few messages of which one is late.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_ops_rules import run_rules

STEP_SECONDS, LONG_STEP_SECONDS = 30, 120
"""Between two samples; of cases that last hours."""
Series = dict[str, str]
WORKERS = ("w1", "w2")
HOUR = 3600 // STEP_SECONDS


def series(name: str, labels: str, values: str) -> Series:
    return {"series": f"{name}{{{labels}}}", "values": values}


def worker(
    name: str,
    rows: str,
    events: str,
    *,
    rejected: str = "0x{n}",
    running: str = "2x{n}",
    lag: str = "0x{n}",
    up: str = "1x{n}",
    n: int,
) -> list[Series]:
    """All that a worker shows of itself. Values are promtool's; ``{n}`` is the number of steps."""
    where = f'instance="{name}",job="streamproc-worker"'
    first = f'{where},partition="{WORKERS.index(name)}"'
    found = [
        series("up", where, up),
        series("streamproc_worker_subscribers_rows", first, rows),
        series("streamproc_worker_partitions", f'{where},state="running"', running),
        series("streamproc_worker_input_partitions", where, running.replace("2", "4")),
        series("streamproc_worker_lag_seconds", first, lag),
        series("streamproc_worker_due_behind_seconds", first, "0x{n}"),
        series("streamproc_worker_broker_silent_seconds", where, "0x{n}"),
        series("streamproc_worker_rules_refused_state", where, "0x{n}"),
        series("streamproc_worker_build_info", f'{where},rules="7",version="1"', "1x{n}"),
        series("streamproc_worker_transactions_failed_total", where, "0x{n}"),
        series("streamproc_worker_work_set_aside_total", where, "0x{n}"),
        series("streamproc_worker_memory_limit_bytes", where, "1000000000x{n}"),
        series("process_resident_memory_bytes", where, "300000000x{n}"),
        series("streamproc_worker_clock_seconds", where, "0+{step}x{n}"),
        series("streamproc_worker_events_total", f'{where},outcome="applied"', events),
        series("streamproc_worker_events_total", f'{where},outcome="rejected"', rejected),
        series("streamproc_worker_events_total", f'{where},outcome="forwarded"', "0x{n}"),
        series("streamproc_worker_rejects_total", f'{where},reason="wrong_partition"', "0x{n}"),
        series("streamproc_worker_decisions_total", f'{where},decision="missed"', "0x{n}"),
    ]
    if name == "w1":
        found += [
            series("streamproc_worker_revealed_subscribers", f'{where},command="{one}"', "0x{n}")
            for one in ("explain", "record")
        ]
    return filled(found, n)


def reminders(usage: str, usage_late: str, n: int) -> list[Series]:
    """Reminders of usage that were written, and those of them that were late."""
    where = 'instance="w1",job="streamproc-worker"'
    found = []
    for name, bound in (("arrival_to_reminder", "10.0"), ("timed_lateness", "60.0")):
        full = f"streamproc_worker_{name}_seconds"
        is_usage = name == "arrival_to_reminder"
        found.append(series(f"{full}_count", where, usage if is_usage else "0x{n}"))
        in_time = usage_late if is_usage else "0x{n}"
        found.append(series(f"{full}_bucket", f'{where},le="{bound}"', in_time))
    return filled(found, n)


def dispatcher(submits: str, n: int, up: str = "1x{n}") -> list[Series]:
    """A dispatcher with a gateway that works."""
    where = 'instance="d1",job="streamproc-dispatcher"'
    gateway = f'{where},gateway="main"'
    found = [
        series("up", where, up),
        series("streamproc_dispatch_connected_state", gateway, "1x{n}"),
        series("streamproc_dispatch_breaker_state", f'{gateway},state="open"', "0x{n}"),
        series("streamproc_dispatch_waiting_messages", f'{gateway},lane="urgent"', "0x{n}"),
        series("streamproc_dispatch_oldest_waiting_seconds", f'{gateway},lane="urgent"', "0x{n}"),
        series("streamproc_dispatch_stalled_state", where, "0x{n}"),
        series("streamproc_dispatch_dead_letters_total", f'{where},reason="permanent"', "0x{n}"),
        series("streamproc_dispatch_submits_total", f'{gateway},answer="accepted"', submits),
        *(
            series(
                "streamproc_dispatch_submit_duration_seconds_bucket",
                f'{gateway},le="{bound}"',
                submits,
            )
            for bound in ("0.1", "5.0", "10.0", "+Inf")
        ),
    ]
    return filled(found, n)


def filled(found: list[Series], n: int) -> list[Series]:
    step = STEP_SECONDS if n == HOUR else LONG_STEP_SECONDS
    return [
        {"series": one["series"], "values": one["values"].format(n=n, step=step)} for one in found
    ]


def both(n: int, **values: Any) -> list[Series]:
    """Two workers with the same values."""
    return [one for name in WORKERS for one in worker(name, n=n, **values)]


def cases() -> dict[str, tuple[int, list[Series]]]:
    """By name: the number of steps, and the series."""
    hour, long_hour = HOUR, 3600 // LONG_STEP_SECONDS
    busy = f"0+400x{long_hour}"
    busy += f" {400 * long_hour}x{2 * long_hour} {400 * long_hour}+400x{long_hour}"
    n = 4 * long_hour + 2
    # A worker that restarts shows nothing for a step, and its counters begin again.
    restart = "1x38 0 1x{n}"
    return {
        "idle": (hour, [*both(hour, rows="0x{n}", events="0x{n}"), *dispatcher("0x{n}", hour)]),
        "a fresh start": (
            hour,
            [
                *both(
                    hour,
                    # Nothing at first; then partitions open, and rows and counts begin.
                    rows=f"_x3 0+5000x{hour}",
                    events=f"_x3 40+700x{hour}",
                    rejected=f"_x3 7x{hour}",
                    running=f"_x3 0 0 2x{hour}",
                    lag=f"_x3 50 30 0x{hour}",
                ),
                *dispatcher(f"_x5 3+100x{hour}", hour),
            ],
        ),
        "a night without traffic": (
            n,
            [
                *both(n, rows="100000x{n}", events=busy),
                *reminders(busy, busy, n),
                *dispatcher(busy, n),
            ],
        ),
        "one late message in a quiet night": (
            n,
            [
                *both(n, rows="100000x{n}", events=f"0x{long_hour} 1x{n}"),
                *reminders(f"0x{long_hour} 1x{n}", f"0x{long_hour} 0x{n}", n),
                *dispatcher(f"0x{long_hour} 1x{n}", n),
            ],
        ),
        "usage that trickles in": (
            n,
            # The record before it is hours old when it is read; it is applied at once.
            [*both(n, rows="100000x{n}", events="0+1x{n}", lag=f"0x{long_hour} 9000 0x{n}")],
        ),
        "a rolling restart": (
            hour,
            [
                *worker(
                    "w1",
                    rows=f"100000x38 _x2 100000x{hour}",
                    events=f"0+500x38 _x2 0+500x{hour}",
                    running=f"2x38 _x1 2 2x{hour}",
                    up=restart,
                    n=hour,
                ),
                *worker(
                    "w2",
                    rows="100000x{n}",
                    events=f"0+500x{hour}",
                    running=f"2x38 4x4 2x{hour}",
                    n=hour,
                ),
                *dispatcher(f"0+100x44 _x1 0+100x{hour}", hour, up=f"1x44 0 1x{hour}"),
            ],
        ),
        "no dispatcher and no canary": (
            hour,
            [*both(hour, rows="100000x{n}", events="0+500x{n}")],
        ),
    }


@pytest.mark.parametrize("name", sorted(cases()))
def test_no_alert_fires_in_normal_operation(name: str, tmp_path: Path) -> None:
    steps, found = cases()[name]
    step = STEP_SECONDS if steps == HOUR else LONG_STEP_SECONDS
    looks = [
        {
            # With the labels of the aggregation alone, whatever the gateway or instance.
            "expr": 'group by (alertname, tier) (ALERTS{alertstate="firing"})',
            "eval_time": f"{at}s",
            "exp_samples": [],
        }
        for at in range(0, steps * step, 2 * step)
    ]
    one = {"interval": f"{step}s", "input_series": found, "promql_expr_test": looks}
    run_rules({"evaluation_interval": f"{step}s", "tests": [one]}, tmp_path)
