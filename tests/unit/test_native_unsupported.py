"""What the compiled part does not know of rules makes usage under them the core's."""

from __future__ import annotations

from datetime import time
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

import pytest
from msgspec import defstruct
from msgspec.structs import fields

from streamproc.contracts.rules_file.load import load_rules
from streamproc.contracts.rules_file.packs import pack_names, pack_path
from streamproc.core.rules.account_rules import NO_ALERT_RULES, AlertRules, WatchRule
from streamproc.core.rules.plan_terms import PolicyCounter, Rollover, Tariff, Tier
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import UNRESTRICTED, AlertPolicy, Cap, Policy, QuietHours
from streamproc.lab.workload import WorkloadSettings, generate
from streamproc.worker.native_bridge import unsupported as declared
from streamproc.worker.native_bridge.loading import plain_usage
from streamproc.worker.native_bridge.unsupported import unsupported
from tests.support.kinds import FullMoon, brought_along
from tests.unit.test_native import RULES, Log, Run, left_to_core, needs_native


def with_rules(watch: WatchRule | None = None, **others: Any) -> Rulebook:
    """The default rules, with another watch rule or other parts."""
    given: dict[str, Any] = {
        "plans": tuple(RULES.plans.values()),
        "packs": tuple(RULES.packs.values()),
        "usage_rules": RULES.usage_rules,
        "timed_rules": RULES.timed_rules,
        "limits": RULES.limits,
        "default_locale": RULES.default_locale,
        "currency": RULES.currency,
        "alerts": UNRESTRICTED,
        "alert_rules": AlertRules((watch,)) if watch else NO_ALERT_RULES,
        **others,
    }
    return Rulebook(**given)


def invented(kind: str = "every_bytes") -> WatchRule:
    """A watch rule, perhaps of a kind that streamproc does not have."""
    return WatchRule(
        id="new",
        kind=kind,
        thresholds=(10,),
        texts={"en": "x"},
        category="c",
        mandatory=False,
        priority=1,
        ttl_ms=1,
    )


def extended(part: Any, **more: Any) -> Any:
    """The same of a struct with more fields, all 0 by default."""
    name = type(part).__name__
    fields = [(field, int, 0) for field in more]
    struct = defstruct(name, fields, bases=(type(part),), frozen=True, kw_only=True)
    return struct(**{one: getattr(part, one) for one in part.__struct_fields__}, **more)


def test_a_kind_that_is_not_known_leaves_all_usage_to_the_core() -> None:
    assert unsupported(with_rules(invented())) == []
    with brought_along(FullMoon()):
        rules = with_rules(invented("full_moon"))
        assert unsupported(rules) == ["kind full_moon"]
        assert plain_usage(rules, event_clock=True) is None


def test_a_field_that_is_not_known_counts_where_it_is_not_at_its_default() -> None:
    limits = RULES.limits
    assert unsupported(with_rules(limits=extended(limits, least_bytes=0))) == []
    assert unsupported(with_rules(limits=extended(limits, least_bytes=7))) == ["Limits.least_bytes"]


@pytest.mark.parametrize("part", ["plan", "allowance", "scope", "pack", "rule", "policy", "watch"])
def test_fields_are_looked_for_in_all_that_usage_meets(part: str) -> None:
    plan, pack = next(iter(RULES.plans.values())), next(iter(RULES.packs.values()))
    first, rule = plan.allowances[0], RULES.usage_rules[0]
    given: dict[str, Any] = {
        "plan": {"plans": (extended(plan, new=1),)},
        "allowance": {"plans": (replaced(plan, allowances=(extended(first, new=1),)),)},
        "scope": {"packs": (replaced(pack, scope=extended(pack.scope, new=1)),)},
        "pack": {"packs": (extended(pack, new=1),)},
        "rule": {"usage_rules": (extended(rule, new=1),)},
        "policy": {"usage_rules": (replaced(rule, policy=extended(rule.policy, new=1)),)},
        "watch": {"watch": extended(invented(), new=1)},
    }[part]
    (found,) = unsupported(with_rules(**given))
    assert found.endswith(".new")


NEW_IN_ITS_PARTS: list[tuple[str, Any]] = [
    ("Rollover.new", Rollover(5)),
    ("Tier.new", Tier(0, 1, 1000)),
    ("Tariff.new", Tariff("t", (Tier(0, 1, 1000),))),
    ("PolicyCounter.new", PolicyCounter("p", "cost_cap", "barred")),
    ("QuietHours.new", QuietHours(time(22), time(7))),
    ("Cap.new", Cap(1, 1000)),
]


@pytest.mark.parametrize(("says", "part"), NEW_IN_ITS_PARTS, ids=lambda one: str(one)[:12])
def test_fields_are_looked_for_in_what_is_in_them(says: str, part: Any) -> None:
    plan, new = next(iter(RULES.plans.values())), extended(part, new=1)
    rolled = replaced(plan.allowances[0], rollover=new)
    given: dict[str, dict[str, Any]] = {
        "Rollover": {"plans": (replaced(plan, allowances=(rolled,)),)},
        "Tier": {"plans": (replaced(plan, overage_tiers=(new,)),)},
        "Tariff": {"plans": (replaced(plan, tariffs=(new,)),)},
        "PolicyCounter": {"plans": (replaced(plan, policies=(new,)),)},
        "QuietHours": {"alerts": AlertPolicy(new)},
        "Cap": {"alerts": AlertPolicy(caps=(new,))},
    }

    assert unsupported(with_rules(**given[says.partition(".")[0]])) == [says]


NEW_VALUES: list[tuple[str, dict[str, Any]]] = [
    ("severity", {"severity": "fatal"}),
    ("audience", {"audience": "nobody"}),
    ("in_quiet_hours", {"in_quiet_hours": "whisper"}),
]


@pytest.mark.parametrize(("name", "given"), NEW_VALUES)
def test_a_value_that_nobody_looked_at_leaves_usage_to_the_core(
    name: str, given: dict[str, Any]
) -> None:
    rule = RULES.usage_rules[0]
    rules = with_rules(usage_rules=(replaced(rule, policy=Policy(**given)),))

    assert unsupported(rules) == [f"Policy.{name} {given[name]}"]
    assert plain_usage(rules, event_clock=True) is None


def test_a_kind_of_buckets_that_nobody_looked_at_leaves_usage_to_the_core() -> None:
    rule = replaced(RULES.usage_rules[0], bucket_kinds=frozenset(("allowance", "gift")))

    assert unsupported(with_rules(usage_rules=(rule,))) == ["UsageRule.bucket_kinds gift"]


def test_all_fields_with_certain_values_are_listed() -> None:
    certain = {
        (kind, one.name): get_args(one.type)
        for kind in declared.FIELDS
        for one in fields(kind)
        if get_origin(one.type) is Literal and one.name != "kind"
    }

    assert certain.keys() <= declared.VALUES.keys()


def test_the_packaged_rules_have_nothing_that_is_not_known() -> None:
    assert {name: unsupported(load_rules(pack_path(name))) for name in pack_names()} == {
        name: [] for name in pack_names()
    }


class Extended(Rulebook):
    """Rules with a part that nobody knows."""

    def __init__(self, *parts: Any, loyalty: int = 0, hidden: int = 0, **others: Any) -> None:
        super().__init__(*parts, **others)
        self.loyalty = loyalty


def test_a_part_of_the_rules_that_is_not_known_counts_where_it_is_not_at_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(declared, "PARTS", declared.PARTS | {"parts", "others"})
    parts = (tuple(RULES.plans.values()), (), (), (), RULES.limits, "en", "EUR")
    assert unsupported(Extended(*parts)) == ["Rulebook.hidden"]
    assert unsupported(Extended(*parts, loyalty=1)) == ["Rulebook.hidden", "Rulebook.loyalty"]


def replaced(part: Any, **given: Any) -> Any:
    return type(part)(**{name: getattr(part, name) for name in part.__struct_fields__} | given)


@needs_native
def test_usage_under_rules_that_are_not_known_is_all_the_core_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = WorkloadSettings(seed=5, events=800, subscribers=20)
    log = [Log(*record, offset=number) for number, record in enumerate(generate(settings, RULES))]
    assert left_to_core(log) < len(log) // 2
    monkeypatch.setattr(declared, "KINDS", declared.KINDS - {"usage_percent"})
    assert left_to_core(log) == len(log)
    compiled, pure = Run("on"), Run("off")
    for start, end in pairwise([*range(0, len(log), 200), len(log)]):
        for run in (compiled, pure):
            run.apply(log[start:end])
            run.commit()
    assert compiled.rows.stored == pure.rows.stored
    assert compiled.outbox.topics == pure.outbox.topics
