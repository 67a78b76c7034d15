"""The compiled plain case over whole workloads."""

from __future__ import annotations

from functools import cache

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.contracts.rules_file.texts import packaged_content
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.instants import DAY_MS, from_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.workload import WorkloadSettings, generate
from streamproc.lab.workload_quota import quota_month
from tests.support.everything import all_for_everybody_text, everything
from tests.support.rules import edited
from tests.unit.test_native import RULES, Log, compared, left_to_core, needs_native

TEXT = packaged_content("default.yaml").rules.decode()
VARIANTS = {
    "as packaged": (),
    "about some buckets": (("category: balance", "category: balance\n    buckets: [video]"),),
    "of absolute use": (
        ("kind: remaining_bytes", "kind: used_bytes"),
        ("[100_000_000, 10_000_000]", "[100_000_000, 10_000_000, 900_000_000]"),
    ),
    "a rule with a memory": (("category: balance", "category: balance\n    for_count: 2"),),
    "no groups": (("    group: balance ", "    # "), ("    group: balance\n", "")),
    "a cool-down": (("category: balance", "category: balance\n    cool_down_seconds: 18000"),),
    "quiet hours": (("plans:", 'alerts: {quiet_hours: {start: "08:00", end: "20:00"}}\nplans:'),),
    "a cap": (("plans:", "alerts: {caps: [{messages: 1, window_hours: 24}]}\nplans:"),),
}


@needs_native
@pytest.mark.parametrize("name", VARIANTS)
def test_a_whole_workload_is_equal_byte_for_byte(name: str) -> None:
    rules = load_rulebook(edited(TEXT, *VARIANTS[name]), "r.yaml")
    settings = WorkloadSettings(seed=5, events=6_000, subscribers=120)
    log = [Log(*record, offset=number) for number, record in enumerate(generate(settings, RULES))]
    run = compared(log, list(range(777, len(log), 777)), rules)
    assert run.outbox.topics[WorkerTopics().reminders]


WATCHED = {
    "spend": "{id: more, kind: spend_amount, thresholds: [1, 500]",
    "a share of a cap": "{id: more, kind: spend_percent, thresholds: [10, 80], cap_minor: 5000",
    "the begin of overage": "{id: more, kind: overage_started",
    "steps of usage": "{id: more, kind: every_bytes, step_bytes: 900_000_000, of: usage",
    "steps of overage": "{id: more, kind: every_bytes, step_bytes: 90_000_000, of: overage",
    "velocity": "{id: more, kind: velocity, thresholds: [300_000_000], window_seconds: 86_400",
    "velocity of two in a row": "{id: more, kind: velocity, thresholds: [300_000_000], "
    "window_seconds: 86_400, for_count: 2",
    "velocity of minutes": "{id: more, kind: velocity, thresholds: [150_000_000], "
    "window_seconds: 600",
    "velocity with hysteresis": "{id: more, kind: velocity, thresholds: [200_000_000, 300_000_000]"
    ", window_seconds: 36_000, hysteresis: 150_000_000",
    "the unusual": "{id: more, kind: anomaly, thresholds: [60, 110], cycles: 1",
    "the unusual beyond a least": "{id: more, kind: anomaly, thresholds: [30], cycles: 2, "
    "min_bytes: 700_000_000",
    "nothing being left": "{id: more, kind: zero_balance",
    "silence": '{id: more, kind: inactivity, days: 5, at: "11:00"',
    "usage with hysteresis": "{id: more, kind: usage_percent, thresholds: [10, 30], hysteresis: 5",
    "usage until a day": "{id: more, kind: usage_percent, thresholds: [3, 10], hysteresis: 1, "
    "valid_until: 2026-01-15T00:00:00Z",
    "what is left, with hysteresis": "{id: more, kind: remaining_percent, thresholds: [20, 90], "
    "hysteresis: 5",
    "bytes that are left, with hysteresis": "{id: more, kind: remaining_bytes, "
    "thresholds: [900_000_000], hysteresis: 1_000_000, valid_until: 2026-01-20T00:00:00Z",
    "what is over": "{id: more, kind: resolved, of: [low-balance]",
}


SUBSCRIBERS = 14


def _with_rule(begin: str, *edits: tuple[str, str], text: str = ".") -> Rulebook:
    """The packaged rules, edited, with one more, of which all is given but category and text."""
    rule = f"  - {begin}, category: balance, texts: {{en: '{text}'}}}}\n"
    return load_rulebook(edited(TEXT, *edits, ("\nrules:\n", f"\nrules:\n{rule}")), "r.yaml")


@cache
def _months() -> list[Log]:
    """Months of usage, a silence, and one use of each after it."""
    settings = WorkloadSettings(
        seed=6, events=5_000, subscribers=SUBSCRIBERS, days=100, late_share=0.05, account_share=0.01
    )
    log = [Log(*record, offset=number) for number, record in enumerate(generate(settings, RULES))]
    later_ms = log[-1].timestamp + 18 * DAY_MS  # on a Tuesday: no summary before the next silence
    clock = b'{"type":"clock.advanced","id":"end","source":"test","time":"2026-04-30T00:00:00Z"}'
    log.append(Log(None, clock, later_ms, len(log)))
    for number, key in enumerate(sorted({one.key for one in log if one.key})):
        time = from_ms(later_ms).strftime("%Y-%m-%dT%H:%M:%SZ")
        value = (
            f'{{"type":"usage.recorded","id":"last-{number}","source":"test","time":"{time}",'
            f'"subscriber":"{key.decode()}","total_bytes":1000}}'
        )
        log.append(Log(key, value.encode(), later_ms, len(log)))
    return log


def _cuts(log: list[Log]) -> list[int]:
    """All that is due after the silence is done before the last uses."""
    silent = len(log) - SUBSCRIBERS
    return [*range(97, silent, 97), silent]


@needs_native
@pytest.mark.parametrize("about", WATCHED)
def test_usage_under_a_rule_about_something_is_as_in_the_core(about: str) -> None:
    # Without the usual rules' word at the very end, which would leave that to the core anyway.
    edits = (("[50, 80, 90, 100]", "[50, 80]"), ("[100_000_000, 10_000_000]", "[499_000_000]"))
    rules = _with_rule(WATCHED[about], *edits)
    log = _months()
    run = compared(log, _cuts(log), rules)
    told = [value for _, value in run.outbox.topics[WorkerTopics().reminders] if value is not None]
    assert any(b'"rule":"more"' in one for one in told), "it never spoke: nothing was compared"
    assert left_to_core(log, rules) / len(log) < 0.5


@needs_native
def test_periods_of_summaries_leave_no_usage_to_the_core() -> None:
    daily = '{id: more, kind: usage_summary, every: day, at: "08:00"'
    rules = _with_rule(daily, text="{period_used}")
    log = _months()
    compared(log, _cuts(log), rules)
    assert left_to_core(log, rules) == left_to_core(log, _with_rule(daily))


BASIC = "    overage_price_minor: 10\n"
SPECIAL = {
    "a policy": (
        "overage_price_minor: 10",
        "policies: [{id: slow, when: fair_use, after_bytes: 111_000_000, state: barred}]",
    ),
    "a tariff": (
        "overage_price_minor: 10",
        "tariffs: [{id: video, rating_groups: [20], overage_price_minor: 1}]",
    ),
    "an allowance without end": (
        BASIC,
        f"      - {{id: films, unlimited: true, rating_groups: [20], priority: 1}}\n{BASIC}",
    ),
    "an allowance of some hours": (
        BASIC,
        '      - {id: late, granted_bytes: 9_000_000_000, hours: ["23:00-06:30"], priority: 1}\n'
        + BASIC,
    ),
}


@needs_native
@pytest.mark.parametrize("what", SPECIAL)
def test_plans_with_something_special_are_as_in_the_core_and_others_stay_plain(what: str) -> None:
    rules = load_rulebook(edited(TEXT, SPECIAL[what]), "r.yaml")
    log = _months()
    compared(log, _cuts(log), rules)
    assert 0.2 < left_to_core(log, rules) / len(log) < 0.8


@needs_native
def test_what_an_earlier_plan_of_the_cycle_covered_is_the_cycles_usage() -> None:
    """Plans change in the middle of cycles: buckets that have ended since count, too."""
    settings = WorkloadSettings(seed=8, events=4_000, subscribers=20, account_share=0.05)
    rules = _with_rule("{id: more, kind: every_bytes, step_bytes: 50_000_000, of: usage")
    records = quota_month(settings, RULES)
    log = [Log(*record, offset=number) for number, record in enumerate(records)]
    compared(log, list(range(777, len(log), 777)), rules)


@needs_native
def test_usage_under_rules_of_every_kind_is_as_in_the_core_and_most_does_not_need_it() -> None:
    rules = load_rulebook(all_for_everybody_text(TEXT), "r.yaml")
    log = _months()
    compared(log, _cuts(log), rules)
    assert left_to_core(log, rules) / len(log) < 0.5


@needs_native
def test_every_feature_of_quota_beside_plain_accounts_is_as_in_the_core() -> None:
    settings = WorkloadSettings(
        6, 5_000, 30, days=70, late_share=0.1, account_share=0.01, close_share=0.1
    )
    records = quota_month(settings, everything())
    log = [Log(*record, offset=number) for number, record in enumerate(records)]
    compared(log, list(range(777, len(log), 777)), everything())
    assert left_to_core(log, everything()) / len(log) < 0.98
