"""Rules of ops/ in real promtool: each alert fires by its fault, at the right tier, and resolves.

Time runs in promtool: five minutes of health, five of the fault, then health again. The alert must
fire within two minutes, and no other one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import ops
from tests.support.debian_parts import debian_program

STEP_SECONDS = 30
BEFORE, FAULT, AFTER = 10, 10, 36
"""Samples of health, of the fault, and of health again."""
FEW, MANY = 50, 5_000
"""Numbers of subscribers that are orange, and red."""

Series = dict[str, str]
Fired = set[tuple[str, str]]
"""Names and tiers of alerts."""


def worker(name: str) -> str:
    """The labels of a worker. Each fault has one of its own, so that faults can be combined."""
    return f'instance="{name}",job="streamproc-worker"'


def dispatcher(name: str) -> str:
    """The labels of a gateway of a dispatcher, for one fault."""
    return f'instance="{name}",job="streamproc-dispatcher",gateway="{name}"'


def gauge(name: str, labels: str, faulty: float, healthy: float = 0) -> Series:
    """A series that has another value during the fault."""
    return {
        "series": f"{name}{{{labels}}}",
        "values": f"{healthy}+0x{BEFORE - 1} {faulty}+0x{FAULT - 1} {healthy}+0x{AFTER}",
    }


def counter(name: str, labels: str, per_step: float, healthy: float = 0) -> Series:
    """A series that grows by so much with each sample of the fault, else by ``healthy``."""
    first = healthy * (BEFORE - 1)
    last = first + per_step * FAULT
    values = (
        f"0+{healthy}x{BEFORE - 1} {first + per_step}+{per_step}x{FAULT - 1} "
        f"{last + healthy}+{healthy}x{AFTER}"
    )
    return {"series": f"{name}{{{labels}}}", "values": values}


def rows(name: str, count: float) -> Series:
    """Subscribers in the partition of a worker."""
    labels = f'{worker(name)},partition="0"'
    return gauge("streamproc_worker_subscribers_rows", labels, count, healthy=count)


def times(late: float, timed: float) -> list[Series]:
    """Reminders that are late in the fault, by kind, among a hundred in time in each step."""
    found = []
    for name, bound, count in (
        ("arrival_to_reminder", "10.0", late),
        ("timed_lateness", "60.0", timed),
    ):
        full, labels = f"streamproc_worker_{name}_seconds", worker("times")
        found.append(counter(f"{full}_bucket", f'{labels},le="{bound}"', 100, healthy=100))
        found.append(counter(f"{full}_count", labels, 100 + count, healthy=100))
    return found


def events(name: str, rejected: float = 0, forwarded: float = 0) -> list[Series]:
    """Input records by outcome, among a hundred that are applied in each step."""
    metric, labels = "streamproc_worker_events_total", worker(name)
    return [
        counter(metric, f'{labels},outcome="applied"', 100, healthy=100),
        counter(metric, f'{labels},outcome="rejected"', rejected),
        counter(metric, f'{labels},outcome="forwarded"', forwarded),
    ]


def gateway(
    name: str, waiting: float, oldest: float = 0, up: float = 1, is_open: float = 0
) -> list[Series]:
    """A gateway, and what waits for it during the fault."""
    labels = dispatcher(name)
    lane = f'{labels},lane="urgent"'
    return [
        gauge("streamproc_dispatch_connected_state", labels, up, healthy=1),
        gauge("streamproc_dispatch_breaker_state", f'{labels},state="open"', is_open),
        gauge("streamproc_dispatch_waiting_messages", lane, waiting),
        gauge("streamproc_dispatch_oldest_waiting_seconds", lane, oldest),
    ]


def slow_submits(name: str, per_step: float) -> list[Series]:
    """Submits that take five to ten seconds."""
    metric, labels = "streamproc_dispatch_submit_duration_seconds_bucket", dispatcher(name)
    return [
        counter(metric, f'{labels},le="5.0"', 0),
        counter(metric, f'{labels},le="10.0"', per_step),
        counter(metric, f'{labels},le="+Inf"', per_step),
        counter("streamproc_dispatch_submits_total", f'{labels},answer="accepted"', per_step),
    ]


def clock(name: str, ahead_seconds: float) -> Series:
    """The clock of a worker, which runs ahead during the fault."""
    begins, ends = BEFORE * STEP_SECONDS, (BEFORE + FAULT) * STEP_SECONDS
    step = STEP_SECONDS
    return {
        "series": f"streamproc_worker_clock_seconds{{{worker(name)}}}",
        "values": f"0+{step}x{BEFORE - 1} {begins + ahead_seconds}+{step}x{FAULT - 1} "
        f"{ends}+{step}x{AFTER}",
    }


def by_number() -> dict[str, Callable[[str, float], list[Series]]]:
    """By alert: makes the series of a fault that reaches a given number of subscribers in two
    minutes."""

    def of_worker(**faulty: float) -> Callable[[str, float], list[Series]]:
        """Gauges of one worker, which concern all its subscribers."""
        return lambda name, n: [
            rows(name, n),
            *(
                gauge(
                    f"streamproc_worker_{metric}",
                    f'{worker(name)},partition="0"' if metric in BY_PARTITION else worker(name),
                    value,
                )
                for metric, value in faulty.items()
            ),
        ]

    def counted(metric: str, label: str = "", of: str = "worker") -> Any:
        """A counter that grows by some of the number with each step."""
        labels = worker if of == "worker" else dispatcher
        end = f",{label}" if label else ""
        return lambda name, n: [counter(f"streamproc_{metric}", f"{labels(name)}{end}", n / 5)]

    def storm(name: str, n: float) -> list[Series]:
        labels = f'{worker(name)},class="mandatory"'
        return [
            gauge("streamproc_worker_storm_waiting_rows", labels, n),
            gauge("streamproc_worker_storm_oldest_seconds", labels, 400),
        ]

    def away(name: str, n: float) -> list[Series]:
        running = f'{worker(name)},state="running"'
        return [
            rows(name, n),
            gauge("streamproc_worker_input_partitions", worker(name), 2, healthy=2),
            gauge("streamproc_worker_partitions", running, 2 if n == 1 else 1, healthy=2),
        ]

    def memory(name: str, n: float) -> list[Series]:
        limit = "streamproc_worker_memory_limit_bytes"
        return [
            rows(name, n),
            gauge("process_resident_memory_bytes", worker(name), 9e8, healthy=1e8),
            gauge(limit, worker(name), 1e9, healthy=1e9),
        ]

    def wrong(name: str, n: float) -> list[Series]:
        refused = "streamproc_worker_rejects_total"
        return [
            counter(refused, f'{worker(name)},reason="wrong_partition"', n / 10),
            *events(name, forwarded=n / 10),
        ]

    def failing(name: str, n: float) -> list[Series]:
        return [
            rows(name, n),
            counter("streamproc_worker_transactions_failed_total", worker(name), 4),
        ]

    receipts = "dispatch_receipts_total"
    return {
        "RemindersMissed": counted("worker_decisions_total", 'decision="missed"'),
        "PartitionsAway": away,
        "InputBehind": of_worker(lag_seconds=90),
        "DueWorkBehind": of_worker(due_behind_seconds=90),
        "StormPastItsWindow": storm,
        "RejectsShare": lambda name, n: events(name, rejected=n / 5),
        "WrongPartition": wrong,
        "WorkSetAside": counted("worker_work_set_aside_total"),
        "BrokerSilent": of_worker(broker_silent_seconds=40),
        "TransactionsFailing": failing,
        "MemoryNear": memory,
        "RulesRefused": of_worker(rules_refused_state=1),
        "DataRevealed": lambda name, n: [
            gauge("streamproc_worker_revealed_subscribers", f'{worker(name)},command="explain"', n)
        ],
        "CanaryFailed": lambda name, n: [
            gauge(
                "streamproc_canary_broken_partitions",
                f'instance="{name}",job="streamproc-canary",way="usage",stage="readable"',
                # Of so many rows as the partitions of the other faults have on average.
                2 if n >= FEW else 0,
            )
        ],
        "ClockWrong": lambda name, n: [rows(name, n), clock(name, ahead_seconds=3_600)],
        "GatewayDown": lambda name, n: gateway(name, n, up=0),
        "GatewaySlow": lambda name, n: slow_submits(name, n / 5),
        "MessagesWaiting": lambda name, n: gateway(name, n, oldest=90),
        "DispatchStalled": lambda name, n: [
            *gateway(name, n),
            gauge("streamproc_dispatch_stalled_state", dispatcher(name), 1),
        ],
        "DeadLetters": counted("dispatch_dead_letters_total", 'reason="permanent"', "dispatcher"),
        "MessagesExpired": counted(receipts, 'status="expired"', "dispatcher"),
        "MessagesUncertain": counted(receipts, 'status="uncertain"', "dispatcher"),
    }


BY_PARTITION = frozenset({"lag_seconds", "due_behind_seconds"})


def up(job: str, *states: float) -> list[Series]:
    """Processes of a job, with their state during the fault."""
    return [
        gauge("up", f'job="streamproc-{job}",instance="{number}"', state, healthy=1)
        for number, state in enumerate(states)
    ]


def by_state() -> dict[str, tuple[list[Series], Fired]]:
    """Faults that have no number of subscribers, and others of one kind."""
    tool = 'instance="t",job="streamproc-tool",tool="send"'
    down, burns = ("ProcessDown", "orange"), {("PromiseBurns", "orange"), ("PromiseBurns", "red")}
    return {
        "one of two workers is down": (up("worker", 1, 0), {down}),
        "no dispatcher is up, a gateway's breaker is open, few rejects": (
            [
                *up("worker", 1),
                *up("dispatcher", 0, 0),
                *gateway("main", FEW, is_open=1),
                *gateway("other", 0),
                *events("w", rejected=0.5),
            ],
            {down, ("ProcessDown", "red"), ("GatewayDown", "orange")},
        ),
        "all gateways are down, a tool hangs, files fail": (
            [
                *up("tool", 0),
                *gateway("main", 0, up=0),
                *gateway("other", 0, up=0),
                gauge("streamproc_tool_standstill_seconds", tool, 90),
                counter("streamproc_tool_files_total", f'{tool},verdict="failed"', 1),
            ],
            {
                down,
                ("AllGatewaysDown", "red"),
                ("ToolStandsStill", "orange"),
                ("FilesFail", "orange"),
            },
        ),
        "a few of many reminders are late": (times(5, 0), {("RemindersLate", "orange")}),
        "many reminders of usage are late": (
            times(1_000, 0),
            burns | {("RemindersLate", "orange"), ("RemindersLate", "red")},
        ),
        "many timed messages are late": (
            times(0, 1_000),
            burns | {("RemindersLate", "orange"), ("RemindersLate", "red")},
        ),
        "nothing": (
            [*events("w"), *times(0, 0), rows("w", MANY), *gateway("main", 0), *up("worker", 1)],
            set(),
        ),
    }


def cases() -> dict[str, tuple[list[Series], Fired]]:
    """By name: series, and what must fire within two minutes of the fault.

    In each case half of the faults concern some subscribers, and the others a single one. Any two
    faults are apart in one of the cases, so an alert that fires by another's fault is found.
    """
    found = by_state()
    faults = list(by_number().items())

    def add(name: str, numbers: list[float]) -> None:
        series: list[Series] = []
        fired: Fired = set()
        for (alert, fault), n in zip(faults, numbers, strict=True):
            series += fault(alert, n)
            if n >= FEW:
                fired.add((alert, "orange"))
            if n >= MANY:
                fired.add((alert, "red"))
        found[name] = series, fired

    for bit in range(len(faults).bit_length()):
        add(
            f"few, by bit {bit}", [FEW if number >> bit & 1 else 1 for number in range(len(faults))]
        )
    add("many", [MANY] * len(faults))
    return found


def groups() -> list[str]:
    """Names of the groups; what others are made of comes first."""
    files = [ops.RULES / f"{name}.yml" for name in ("tiers", "recording", "alerts")]
    return [
        group["name"]
        for file in files
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    ]


def looked(seconds: int, fired: Fired) -> dict[str, Any]:
    """What must fire at an instant."""
    samples = [
        {"labels": f'{{alertname="{alert}", tier="{tier}"}}', "value": 1}
        for alert, tier in sorted(fired)
    ]
    # With the labels of the aggregation alone, whatever the gateway or instance.
    expr = 'group by (alertname, tier) (ALERTS{alertstate="firing"})'
    return {"expr": expr, "eval_time": f"{seconds}s", "exp_samples": samples}


def run_rules(content: dict[str, Any], directory: Path) -> None:
    """Let promtool judge."""
    file = directory / "tests.yml"
    files = [str(one) for one in sorted(ops.RULES.glob("*.yml"))]
    whole = {"rule_files": files, "group_eval_order": groups(), **content}
    file.write_text(yaml.safe_dump(whole), encoding="utf-8")
    command = [str(debian_program("promtool")), "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_by_its_fault_within_two_minutes_and_resolves(tmp_path: Path) -> None:
    begins = BEFORE * STEP_SECONDS
    tests = []
    for name, (series, fired) in cases().items():
        ends = (BEFORE + FAULT + AFTER - 1) * STEP_SECONDS
        # A share of 30 days that is used up stays so for a while: half an hour, by the rules.
        still = {one for one in fired if one == ("PromiseBurns", "orange")}
        looks = [
            looked(begins - STEP_SECONDS, set()),
            looked(begins + 120, fired),
            looked(ends, still),
        ]
        tests.append(
            {
                "name": name,
                "interval": f"{STEP_SECONDS}s",
                "input_series": series,
                "promql_expr_test": looks,
            }
        )
    run_rules({"evaluation_interval": f"{STEP_SECONDS}s", "tests": tests}, tmp_path)


def test_each_alert_has_a_case() -> None:
    fired = {one for _, found in cases().values() for one in found}
    declared = {(alert, tier) for alert, tiers in ops.alerts().items() for tier in tiers}
    assert declared - fired == {("RulesDiffer", "orange")}, "it fires after ten minutes: see below"
    assert fired <= declared


def test_rules_that_differ_for_ten_minutes_are_an_alert(tmp_path: Path) -> None:
    series = [
        {
            "series": f'streamproc_worker_build_info{{instance="{rules}",rules="{rules}"}}',
            "values": values,
        }
        for rules, values in (("1", "1+0x80"), ("2", "_x4 1+0x32 _x40"))
    ]
    looks = [
        looked(10 * 60, set()),
        looked(14 * 60, {("RulesDiffer", "orange")}),
        looked(30 * 60, set()),
    ]
    one = {"interval": "30s", "input_series": series, "promql_expr_test": looks}
    run_rules({"evaluation_interval": "30s", "tests": [one]}, tmp_path)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("promtool", ("check", "config", "ops/prometheus/prometheus.yml")),
        ("amtool", ("check-config", "ops/alertmanager/alertmanager.yml")),
    ],
)
def test_a_configuration_is_valid(program: str, words: tuple[str, ...]) -> None:
    command = [str(debian_program(program)), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ops.ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
