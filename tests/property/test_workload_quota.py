"""The month of quota: the worker's processor against the naive oracle, and what all it meets."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib import resources

import msgspec
import pytest

from streamproc.contracts.rules_file.load import default_rulebook, load_rulebook
from streamproc.core.instants import DAY_MS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle import PlacedRecord, differences, expect
from streamproc.lab.workload import WorkloadRecord, WorkloadSettings
from streamproc.lab.workload_quota import quota_month
from streamproc.worker.settings import Native
from tests.contract.contract import decode, validator
from tests.property.test_laws_log import NATIVE
from tests.property.test_workload import PARTITIONS, outcome
from tests.support.expectation import Result
from tests.support.expectation import expect as run
from tests.support.oracle import assert_agrees

SETTINGS = WorkloadSettings(seed=20, events=6_000, subscribers=60, late_share=0.2)
TOPIC = "events"


@cache
def quota_rules() -> Rulebook:
    file = resources.files("streamproc.contracts") / "rules" / "quota.yaml"
    return load_rulebook(file.read_bytes(), "quota.yaml")


@cache
def month() -> tuple[list[WorkloadRecord], Result]:
    records = list(quota_month(SETTINGS, quota_rules()))
    placed = [(0, offset, one) for offset, one in enumerate(records)]
    final_ms = records[-1].timestamp_ms + 4 * DAY_MS
    return records, run(placed, TOPIC, quota_rules(), final_clock_ms=final_ms)


def test_the_month_is_as_the_oracle_has_it() -> None:
    records, result = month()
    log = [PlacedRecord(TOPIC, 0, offset, *one) for offset, one in enumerate(records)]
    expected = expect(log, quota_rules(), until_ms=records[-1][2] + 4 * DAY_MS)
    assert_agrees(result, expected, quota_rules())


def test_the_month_meets_every_feature() -> None:
    _, result = month()
    told = [msgspec.json.decode(value) for value in result.policy]
    assert {(one["reason"], one["state"]) for one in told} >= {
        *(("fair_use", "throttled"), ("nothing_left", "barred"), ("cost_cap", "barred")),
        *(("cost_cap", "throttled"), ("member_cap", "throttled"), ("cost_cap", "restored")),
    }
    decisions = Counter(msgspec.json.decode(value)["decision"] for value in result.audit)
    assert decisions.keys() >= {
        *("refunded", "rolled_over", "cost_cap_lifted", "cost_cap_restored", "member_joined"),
        *("member_left", "unknown_member", "late_usage", "plan_changed", "duplicate"),
    }
    reminders = [msgspec.json.decode(value) for value in result.reminders]
    assert {one["kind"] for one in reminders} >= {"usage_percent", "usage_corrected"}
    assert any("recipient" in one for one in reminders)
    kinds = {bucket["kind"] for one in reminders for bucket in one["buckets"]}
    assert kinds >= {"allowance", "pack", "topup", "rollover", "unlimited", "member"}
    texts = [one["text"] for one in reminders]
    assert any("unlimited" in text for text in texts)


def test_changes_of_policy_fit_their_schema() -> None:
    _, result = month()
    check = validator("policy.changed.v1")
    assert result.policy.total() > 50
    for value, count in result.policy.items():
        assert count == 1
        check.validate(msgspec.json.decode(value))
        assert msgspec.json.encode(decode("policy.changed.v1", value)) == value


def test_the_same_seed_makes_the_same_bytes() -> None:
    settings = WorkloadSettings(seed=3, events=800, subscribers=20)
    assert list(quota_month(settings, quota_rules())) == list(quota_month(settings, quota_rules()))


@pytest.mark.parametrize("native", NATIVE)
def test_pools_and_refunds_under_plain_plans_are_as_the_oracle_has_them(native: Native) -> None:
    """Accounts with extra state beside plain ones: the compiled part leaves those alone."""
    rules = default_rulebook()
    settings = WorkloadSettings(seed=12, events=2_500, subscribers=40)
    records = [
        PlacedRecord(TOPIC, sum(one.key or b"") % PARTITIONS, offset, *one)
        for offset, one in enumerate(quota_month(settings, rules))
    ]
    found, expected = outcome(records, rules, native), expect(records, rules)
    assert any(one.members for one in expected.accounts.values())
    assert not differences(found, expected), "\n".join(differences(found, expected))
