"""Every feature at once: the workload under all rules of the showcase and all plans of quota.

What the generator never meets is not tested by anything that runs on it.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import msgspec
import pytest
import yaml

from streamproc.contracts.rules_file.load import load_rulebook, packaged_rulebook
from streamproc.contracts.rules_file.packs import pack_names
from streamproc.core.instants import DAY_MS
from streamproc.core.rules.kinds import BUILT_IN
from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle import PlacedRecord, expect
from streamproc.lab.workload import WorkloadRecord, WorkloadSettings
from streamproc.lab.workload_quota import quota_month
from tests.support.everything import everything_text
from tests.support.expectation import Result
from tests.support.expectation import expect as run
from tests.support.oracle import assert_agrees

SETTINGS = WorkloadSettings(
    6, 5_000, 30, days=70, late_share=0.1, account_share=0.01, close_share=0.1
)
"""Long enough for an anomaly, which needs cycles before it; no closed account is forgotten yet."""
TOPIC = "events"


@cache
def rules() -> Rulebook:
    """Everything, with accounts that are kept longer than the log lasts after they are closed."""
    file = yaml.safe_load(everything_text())
    file.setdefault("limits", {})["max_age_days"] = 75
    return load_rulebook(yaml.safe_dump(file), "everything.yaml")


@cache
def months() -> tuple[list[WorkloadRecord], Result]:
    records = list(quota_month(SETTINGS, rules()))
    placed = [(0, offset, one) for offset, one in enumerate(records)]
    return records, run(placed, TOPIC, rules(), final_clock_ms=_end_ms(records))


def _end_ms(records: list[WorkloadRecord]) -> int:
    return records[-1].timestamp_ms + 4 * DAY_MS


def _values(counter: Counter[bytes]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(value) for value in counter]


def test_everything_at_once_is_as_the_oracle_has_it() -> None:
    records, result = months()
    log = [PlacedRecord(TOPIC, 0, offset, *one) for offset, one in enumerate(records)]
    expected = expect(log, rules(), until_ms=_end_ms(records))
    assert_agrees(result, expected, rules())


def test_every_kind_of_rule_and_every_rule_speaks() -> None:
    _, result = months()
    told = Counter((one["kind"], one["rule"]) for one in _values(result.reminders))
    assert {kind for kind, _ in told} == {one.name for one in BUILT_IN}
    assert {rule for _, rule in told} == set(rules().rules_by_id)


def test_everything_happens_that_can_happen_to_a_message() -> None:
    _, result = months()
    decisions = {one["decision"] for one in _values(result.audit)}
    assert decisions >= {
        *("fired", "superseded", "quiet_hours", "capped", "cool_down", "coalescing", "merged"),
        *("hysteresis", "resolved", "no_longer_true", "opted_out", "out_of_validity"),
    }
    buckets = {bucket["kind"] for one in _values(result.reminders) for bucket in one["buckets"]}
    assert buckets == {
        *("allowance", "pack", "topup", "rollover", "unlimited", "member", "closed_cycle"),
    }
    assert {one["severity"] for one in _values(result.reminders)} == {"info", "warning", "critical"}


def test_every_policy_is_told_and_restored() -> None:
    _, result = months()
    told = {(one["counter"], one["state"]) for one in _values(result.policy)}
    policies = [one for some in rules().policies.values() for one in some]
    assert told == {(one.id, state) for one in policies for state in (one.state, "restored")}
    assert {one.when for one in policies} == {
        *("fair_use", "nothing_left", "cost_cap", "member_cap"),
    }


def _refunds() -> list[dict[str, Any]]:
    records, _ = months()
    events = [
        msgspec.json.decode(one.value)
        for one in records
        if one.value and b"usage.refunded" in one.value
    ]
    return [one for one in events if one["type"] == "usage.refunded"]


@pytest.mark.parametrize(
    ("what", "count"),
    [("of an event", 30), ("of some bytes", 10), ("of a member", 5), ("without notice", 1)],
)
def test_refunds_of_every_kind_are_asked_for(what: str, count: int) -> None:
    is_one = {
        "of an event": lambda one: "of_id" in one,
        "of some bytes": lambda one: "of_id" not in one,
        "of a member": lambda one: "member" in one,
        "without notice": lambda one: one.get("notify") is False,
    }[what]
    assert sum(map(is_one, _refunds())) >= count


def test_refunds_give_back_of_everything() -> None:
    """Of overage and of buckets, of cycles that are closed, more than was used, twice."""
    _, result = months()
    audits = _values(result.audit)
    figures = [one["figures"] for one in audits if one["decision"] == "refunded"]
    assert any(one["overage_bytes"] for one in figures)
    assert any(one["refunded_bytes"] > one["overage_bytes"] for one in figures)
    assert any(one["beyond_usage_bytes"] for one in figures)
    assert any(one["decision"] == "duplicate" for one in audits)
    reasons = {one["reason"] for one in _values(result.rejects)}
    assert reasons >= {"not_counted", "cycle_forgotten"}


def test_whatever_quota_has_is_met() -> None:
    _, result = months()
    audits = _values(result.audit)
    assert {one["decision"] for one in audits} >= {
        *("rolled_over", "cost_cap_lifted", "cost_cap_restored", "member_joined", "member_left"),
        *("unknown_member", "late_usage", "plan_changed", "plan_change_scheduled", "cycle_closed"),
        *("bucket_expired", "topped_up", "duplicate", "closed"),
    }
    records, _ = months()
    kinds = [b'"prorated":true', b'"until":"revoked"', b'"role":"owner"', b'"cap_bytes":']
    assert all(any(kind in (one.value or b"") for one in records) for kind in kinds)
    recipients = {one["rule"] for one in _values(result.reminders) if "recipient" in one}
    assert recipients >= {"own-share", "corrected"}


@pytest.mark.parametrize("pack", pack_names())
def test_a_months_usage_under_a_pack_of_rules_is_as_the_oracle_has_it(pack: str) -> None:
    rules = packaged_rulebook(f"packs/{pack}.yaml")
    settings = WorkloadSettings(10, 2_000, 20, days=45, late_share=0.1, account_share=0.05)
    records = list(quota_month(settings, rules))
    placed = [(0, offset, one) for offset, one in enumerate(records)]
    log = [PlacedRecord(TOPIC, 0, offset, *one) for offset, one in enumerate(records)]
    expected = expect(log, rules, until_ms=_end_ms(records))
    result = run(placed, TOPIC, rules, final_clock_ms=_end_ms(records))
    assert_agrees(result, expected, rules)
    # In groups one event may jump over all that a rule has to say by itself.
    merged = {one["rule"] for one in _values(result.audit) if one["decision"] == "merged"}
    told = {key.rule for key in expected.reminders}
    assert told | merged >= set(rules.rules_by_id)
    assert len(told) >= len(rules.rules_by_id) - 1
