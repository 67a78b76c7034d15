"""The alarms that workers decide and the alerts of ops/ have the same names, words and numbers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from streamproc.alarms import table
from streamproc.alarms.table import ALARMS, ORANGE_SUBSCRIBERS, RED_SUBSCRIBERS, Alarm
from tests.support import ops

PACKAGE = ops.ROOT / "streamproc"
PROMETHEUS_ALONE = {
    "BrokerSilent": "nobody can decide in Kafka while the broker does not answer",
    "PromiseBurns": "it needs hours and days of figures",
    "RulesDiffer": "every worker has its own rules file, and one that is refused is RulesRefused",
    "CanaryFailed": "the canary tells no shares",
    "ToolStandsStill": "tools tell no shares",
    "FilesFail": "tools tell no shares",
}
WINDOW_IN_METRIC = {"DataRevealed"}
"""A worker counts these from a topic; ``tests/unit/test_alarms.py`` has the window."""
BEYOND: dict[str, set[float]] = {
    "RemindersLate": {table.USAGE_PROMISE_SECONDS, table.TIMED_PROMISE_SECONDS},
    "InputBehind": {table.BEHIND_SECONDS},
    "DueWorkBehind": {table.BEHIND_SECONDS},
    "StormPastItsWindow": {table.STORM_BEHIND_SECONDS},
    "TransactionsFailing": {table.FAILED_TRANSACTIONS},
    "MemoryNear": {table.MEMORY_SHARE},
    "RulesRefused": {1},
    "ClockWrong": {table.CLOCK_SECONDS},
    "GatewayDown": {1},
    "GatewaySlow": {table.SLOW_SUBMIT_SECONDS},
    "MessagesWaiting": {table.WAITING_SECONDS},
    "DispatchStalled": {1},
}
"""What a figure is compared with, beside the number of subscribers."""


def records() -> dict[str, str]:
    return {one["record"]: one["expr"] for one in ops.rules() if "record" in one}


def alerts(name: str) -> list[dict[str, Any]]:
    return [one for one in ops.rules() if one.get("alert") == name]


def figure(name: str) -> str:
    """What Prometheus calculates for an alert, with the rules that it uses."""
    words = str(alerts(name)[0]["expr"])
    for _ in range(3):
        words = re.sub(
            r"streamproc:(?!tier_)[\w:]+", lambda found: f"({records()[found[0]]})", words
        )
    return words


def test_every_alert_is_an_alarm_or_says_why_not() -> None:
    assert set(ops.alerts()) == set(ALARMS) | set(PROMETHEUS_ALONE)


@pytest.mark.parametrize("alarm", ALARMS.values(), ids=lambda one: one.name)
def test_an_alarm_lasts_as_long_as_its_alert(alarm: Alarm) -> None:
    for rule in alerts(alarm.name):
        assert rule.get("for", "0s") == f"{alarm.hold_seconds}s"


@pytest.mark.parametrize(
    "alarm", [one for one in ALARMS.values() if one.tier is None], ids=lambda one: one.name
)
def test_an_alarm_says_what_its_alert_says(alarm: Alarm) -> None:
    value, gateway = "{{ $value | humanize }}", "{{ $labels.gateway }}"
    words = alarm.summary.replace("{concerned}", value).replace("{gateway}", gateway)

    assert {rule["annotations"]["summary"] for rule in alerts(alarm.name)} == {words}
    assert {rule["labels"]["tier"] for rule in alerts(alarm.name)} == {"orange", "red"}


@pytest.mark.parametrize(
    "alarm", [one for one in ALARMS.values() if one.tier is None], ids=lambda one: one.name
)
def test_an_alarm_has_the_numbers_of_its_alert(alarm: Alarm) -> None:
    words = figure(alarm.name)
    bounds = re.findall(r'(?:>|==|le=") ?([0-9.]+)', words)
    found = {float(one) for one in bounds} - {0.0}
    if alarm.name == "RejectsShare":
        assert found == {table.REJECTS_SHARE}
    else:
        assert found == {float(one) for one in BEYOND.get(alarm.name, set())}
    windows = set(re.findall(r"(?<!over_time\()\b(?:increase|rate)\([^\[]*\[(\d+)m\]", words))
    if alarm.name in WINDOW_IN_METRIC:
        assert not windows
    elif alarm.window_seconds:
        assert windows == {str(alarm.window_seconds // 60)}


@pytest.mark.parametrize("name", ALARMS)
def test_something_raises_an_alarm(name: str) -> None:
    """A share of a worker or a dispatcher has it, or the sum of all of them shows it."""
    names = {table.REVEALED: "REVEALED"}
    places = ("worker/alarm_share.py", "dispatch/alarm_share.py", "alarms/fleet.py")
    code = "".join((PACKAGE / place).read_text(encoding="utf-8") for place in places)

    assert f'"{name}"' in code or names.get(name, name + "?") in code


def test_the_tiers_are_those_of_ops() -> None:
    tiers = {name: expr for name, expr in records().items() if ":tier_" in name}

    assert tiers == {
        "streamproc:tier_orange:subscribers": f"vector({ORANGE_SUBSCRIBERS})",
        "streamproc:tier_red:subscribers": f"vector({RED_SUBSCRIBERS})",
    }
