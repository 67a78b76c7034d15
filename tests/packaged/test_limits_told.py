"""Nobody is barred or slowed down without a message: random lives under the packaged files.

What must be told is read from the records for the policy system, not from the rules' own figures.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from streamproc.contracts.rules_file.load import load_rulebook, packaged_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import Audited, Effect, PolicyChanged, Reminder
from streamproc.core.state.events import CostCapLifted, CostCapRestored, UsageRefunded
from tests.support.line import GB, Line, day, reminders
from tests.support.timeline import lives

FILES = ["quota.yaml", *(f"packs/{one}.yaml" for one in ("australia", "canada", "eu-roaming"))]
LIVES = 12
EVENTS = 40
MB = 1_000_000


def life(rules: Rulebook, seed: str) -> Iterator[tuple[set[str], list[Effect]]]:
    """Random events: the limits in force before each, and its effects."""
    chance = random.Random(seed)
    line, plans, packs = Line(rules), list(rules.plans), list(rules.packs)
    tariffs = [one.id for plan in rules.plans.values() for one in plan.all_tariffs]
    zones = ["home", "home", *(list(rules.zones) or ["eu", "asia"])]
    effects = line.activate(plan=chance.choice(plans))
    yield set(), effects
    limits = {one.counter for one in _changes(effects)}
    at = 0.3
    for _ in range(EVENTS):
        at += chance.choice((0.001, 0.02, 0.3, 0.9, 3))
        late, zone = chance.choice((0, 0, 0, 1, 4)), chance.choice(zones)
        then = {"at": max(at - late, 0.1), "arrives": at}
        amount = chance.choice((MB, 200 * MB, GB, 5 * GB, 20 * GB))
        cap: dict[str, Any] = {"at": at, "tariff": chance.choice(tariffs)}
        match chance.choice("uuuuuppttccclrrf"):
            case "u":
                group = chance.choice((0, 0, 20))
                effects = line.use(amount, **then, roaming_zone=zone, rating_group=group)
            case "p":
                effects = line.top_up(at=at, pack=chance.choice(packs))
            case "t":
                effects = line.top_up(at=at, granted_bytes=min(amount, GB))
            case "c":
                when = chance.choice(("now", "now", "next_cycle"))
                effects = line.change_plan(chance.choice(plans), at=at, effective=when)
            case "l":
                until = chance.choice(("cycle_end", "revoked"))
                effects = line.send(CostCapLifted, **cap, until=until)
            case "r":
                effects = line.send(CostCapRestored, **cap)
            case _:
                effects = line.send(
                    UsageRefunded, **then, refunded_bytes=min(amount, GB), roaming_zone=zone
                )
        yield limits, effects
        for one in _changes(effects):
            (limits.discard if one.state == "restored" else limits.add)(one.counter)


def _changes(effects: list[Effect]) -> list[PolicyChanged]:
    return [one for one in effects if isinstance(one, PolicyChanged)]


def tellers(rules: Rulebook, counter: str) -> dict[str, set[str]]:
    """By rule that tells a policy: all policies that it tells."""
    found = {one.id: set(one.policies) for one in rules.watch_rules if counter in one.policies}
    when = next(one for plan in rules.plans.values() for one in plan.policies if one.id == counter)
    for one in rules.watch_rules:
        is_of_cap = one.kind == "spend_percent" and 100 in one.thresholds and not one.cap_minor
        if when.when == "cost_cap" and is_of_cap and (one.tariff or "") == when.tariff:
            found[one.id] = {counter}
    return found


@pytest.mark.parametrize("file", FILES)
def test_a_policy_that_begins_to_bar_or_throttle_is_told_at_that_instant(file: str) -> None:
    rules = packaged_rulebook(file)
    causes, silent = 0, []
    for number in range(LIVES):
        for before, effects in life(rules, f"{file} {number}"):
            told = {(one.rule, one.as_of) for one in effects if isinstance(one, Reminder)}
            for one in _changes(effects):
                if one.state == "restored":
                    continue
                causes += 1
                tell = tellers(rules, one.counter)
                is_known = any(before & names for names in tell.values())
                if not is_known and not any((name, one.time) in told for name in tell):
                    silent.append((number, one.counter, one.time))
    assert causes > LIVES
    assert silent == []


def test_a_scoped_pack_is_left_and_data_stop_by_a_change_of_plan() -> None:
    """quota.yaml: its prepaid plan has no allowance that a rule could name."""
    line = Line(packaged_rulebook("quota.yaml"))
    line.activate(plan="metered-2gb")
    line.top_up(pack="night-5gb", at=1.0)
    effects = line.change_plan("prepaid", at=1.5)
    (message,) = [one for one in effects if isinstance(one, Reminder)]
    assert message.text.startswith("Data has stopped: you have no general data left (")
    (message,) = _after(line, line.top_up(granted_bytes=GB, at=2.5), at=2.6)
    assert message.text.startswith("Data works again (")


def test_a_contract_that_begins_without_data_is_told_at_once() -> None:
    line = Line(packaged_rulebook("quota.yaml"))
    (message,) = [one for one in line.activate(plan="prepaid") if isinstance(one, Reminder)]
    assert message.text.startswith("Data has stopped: you have no general data left (")
    (message,) = _after(line, line.top_up(granted_bytes=GB, at=2.5), at=2.6)
    assert message.text.startswith("Data works again (")


def test_quota_yaml_a_new_cycle_that_opens_data_at_midnight_is_told_in_the_morning() -> None:
    line = Line(packaged_rulebook("quota.yaml"))
    line.activate(plan="family-30gb")
    line.use(41 * GB, at=1.0)
    changes = [one for one in line.reach(day(31.3)) if isinstance(one, PolicyChanged)]
    assert [one.state for one in changes] == ["restored"]
    (message,) = reminders(line.reach(day(31.4)))
    assert message.text.startswith("Data works again (Feb 1, 08:00)")


OWN_LIMITS = """
version: 1
currency: EUR
default_locale: en
plans:
  - id: free
    allowances: []
    policies: [{id: slow, when: nothing_left, state: throttled, throttle_kbps: 64}]
  - id: strict
    allowances: [{id: data, granted_bytes: 1000, roaming_zones: [home]}]
    overage_price_minor: 1
    tariffs: [{id: abroad, roaming_zones: [eu], overage_price_minor: 5, cost_cap_minor: 0}]
    policies: [{id: stop-abroad, when: cost_cap, tariff: abroad, state: barred}]
rules:
"""
TOLD_BY_POLICY = """
  - {id: told, kind: access_limited, policies: [slow, stop-abroad], category: x, texts: {en: Less}}
  - {id: over, kind: resolved, of: [told], category: x, texts: {en: More}}
"""
TOLD_BY_SPEND = """
  - {id: told, kind: spend_percent, thresholds: [80, 100], tariff: abroad, category: x,
     texts: {en: Less}}
"""


@pytest.mark.parametrize(
    ("plan", "told_by"),
    [("free", TOLD_BY_POLICY), ("strict", TOLD_BY_POLICY), ("strict", TOLD_BY_SPEND)],
)
def test_a_limit_that_a_plan_begins_with_is_told_once(plan: str, told_by: str) -> None:
    line = Line(load_rulebook(OWN_LIMITS + told_by, "rules.yaml"))
    for at in (0.0, 3.0):  # a second contract is told for itself
        effects = line.activate(plan=plan, at=at)
        assert [one.state for one in _changes(effects)] in (["throttled"], ["barred"])
        assert [one.text for one in effects if isinstance(one, Reminder)] == ["Less"]
        assert reminders(line.use(10, at=at + 1)) == []
        line.close(at=at + 2)


def test_the_cost_cap_of_quota_yaml_is_told_when_usage_reaches_it() -> None:
    line = Line(packaged_rulebook("quota.yaml"))
    line.activate(plan="family-30gb")
    (message,) = [one for one in line.use(41 * GB, at=1.0) if isinstance(one, Reminder)]
    assert message.text.startswith("Data has stopped: charges beyond your plan have reached €20.00")


@pytest.mark.parametrize("file", FILES)
def test_who_buys_data_or_a_plan_while_a_limit_stays_is_told_again(file: str) -> None:
    rules = packaged_rulebook(file)
    every = [one for plan in rules.plans.values() for one in plan.policies]
    of_members = {one.id for one in every if one.when == "member_cap"}
    purchases, silent = 0, []
    for number in range(LIVES * 3):
        for before, effects in life(rules, f"{file} {number}"):
            audit = [one for one in effects if isinstance(one, Audited)]
            done = [one for one in audit if _is_for_everything(one)]
            stays = before - {one.counter for one in _changes(effects)}
            if not done or not stays:
                continue
            told = {(one.rule, one.as_of) for one in effects if isinstance(one, Reminder)}
            for counter in stays - of_members:
                purchases += 1
                if not any((name, done[-1].time) in told for name in tellers(rules, counter)):
                    silent.append((number, counter, done[-1].time))
    assert purchases
    assert silent == []


def _is_for_everything(one: Audited) -> bool:
    """Whether it is a purchase of data for all usage: a plan, or a top-up that is no pack."""
    name = str(one.figures.get("bucket", ""))
    return one.decision == "plan_changed" or (
        one.decision == "topped_up" and name.startswith("topup")
    )


def test_a_purchase_that_a_cost_cap_makes_useless_is_told_with_the_cause() -> None:
    line = Line(packaged_rulebook("quota.yaml"))
    line.activate(plan="family-30gb")
    line.use(41 * GB, at=1.0)
    for at in (2.0, 3.0):
        (message,) = reminders(line.top_up(granted_bytes=GB, at=at))
        assert message.text.startswith(
            "Data has stopped: charges beyond your plan have reached €20"
        )
    (message,) = _after(line, line.send(CostCapLifted, at=3.5, tariff="", until="cycle_end"), 3.6)
    assert message.text.startswith("Data works again (")
    texts = [one.text for one in reminders(line.top_up(granted_bytes=GB, at=3.7))]
    assert texts == []


def test_a_larger_plan_that_stays_stopped_is_told_and_one_for_the_next_cycle_is_not() -> None:
    line = Line(load_rulebook(TWO_CAPS, "rules.yaml"))
    line.activate(plan="small")
    assert [one.text for one in reminders(line.use(300, at=1.0))] == ["Stopped"]
    assert reminders(line.change_plan("large", at=2.0, effective="next_cycle")) == []
    assert reminders(line.change_plan("unknown", at=2.1)) == []
    assert [one.text for one in reminders(line.change_plan("large", at=2.2))] == ["Stopped"]
    assert reminders(line.top_up(pack="travel", at=2.3)) == []  # data abroad is not stopped


TWO_CAPS = """
version: 1
currency: EUR
default_locale: en
plans:
  - id: small
    allowances: [{id: data, granted_bytes: 100, roaming_zones: [home]}]
    overage_price_minor: 1
    overage_unit_bytes: 1
    tariffs: [{id: own, roaming_zones: [home], overage_price_minor: 1, overage_unit_bytes: 1,
               cost_cap_minor: 20}]
    policies: [{id: stop, when: cost_cap, tariff: own, state: barred}]
  - id: large
    allowances: [{id: data, granted_bytes: 900, roaming_zones: [home]}]
    overage_price_minor: 1
    overage_unit_bytes: 1
    tariffs: [{id: own, roaming_zones: [home], overage_price_minor: 1, overage_unit_bytes: 1,
               cost_cap_minor: 20}]
    policies: [{id: stop, when: cost_cap, tariff: own, state: barred}]
packs:
  - {id: travel, granted_bytes: 500, validity_hours: 24, roaming_zones: [eu]}
rules:
  - {id: stopped, kind: access_limited, policies: [stop], tariff: own, category: x,
     texts: {en: Stopped}}
"""


def _after(line: Line, effects: list[Effect], at: float) -> list[Reminder]:
    return [one for one in (*effects, *line.reach(day(at))) if isinstance(one, Reminder)]


def test_canada_one_event_that_passes_plan_and_limit_is_one_message() -> None:
    lives(
        "canada",
        """
2026-01-01 00:00  activate shared-10gb America/Toronto fr-CA
2026-01-05 09:00  use 15 GB
                  (merged plan-used-up 0)
                  overage-limit: Données au Canada suspendues : les frais de dépassement ont atteint
                    50,00 $ pour ce cycle. Pour continuer à 0,05 $ par Mo, le titulaire du compte
                    doit accepter de payer plus.
                  policy overage-stop barred
2026-01-06 21:30  top-up 1 GB
                  overage-limit: Données au Canada suspendues : les frais de dépassement ont atteint
                    50,00 $ pour ce cycle. Pour continuer à 0,05 $ par Mo, le titulaire du compte
                    doit accepter de payer plus.
2026-02-01 10:00  wait
     02-01 00:00  (resolved overage-limit 100)
     02-01 00:00  (quiet_hours data-again 100)
     02-01 00:00  policy overage-stop restored
     02-01 08:00  data-again: Les données au Canada fonctionnent de nouveau (1 févr., 08 h 00).
""",
    )


@pytest.mark.parametrize("told_by", [TOLD_BY_POLICY, TOLD_BY_SPEND])
@pytest.mark.parametrize("first", ["wide", "strict"])
def test_a_plan_of_the_next_cycle_that_begins_with_a_limit_is_told_then(
    first: str, told_by: str
) -> None:
    wide = "  - {id: wide, allowances: [{id: much, granted_bytes: 9000}]}\n"
    other = OWN_LIMITS[OWN_LIMITS.index("  - id: strict") : OWN_LIMITS.index("rules:")]
    other = other.replace("id: strict", "id: stricter")
    begin, end = OWN_LIMITS.split("rules:")
    line = Line(load_rulebook(begin + wide + other + "rules:" + end + told_by, "rules.yaml"))
    line.activate(plan=first)
    assert reminders(line.change_plan("stricter", at=3.0, effective="next_cycle")) == []
    (message,) = reminders(line.reach(day(40)))
    assert (message.text, message.as_of) == ("Less", message.cycle_start)
    assert reminders(line.reach(day(80))) == []  # the plan goes on as it was


@pytest.mark.parametrize("told_by", [TOLD_BY_POLICY, TOLD_BY_SPEND])
def test_a_cap_of_0_that_applies_again_after_the_cycle_of_its_consent_is_told(told_by: str) -> None:
    line = Line(load_rulebook(OWN_LIMITS + told_by, "rules.yaml"))
    assert [one.text for one in reminders(line.activate(plan="strict"))] == ["Less"]
    line.send(CostCapLifted, at=3.0, tariff="abroad", until="cycle_end")
    effects = line.reach(day(40))
    assert [one.state for one in _changes(effects)] == ["barred"]
    assert [one.text for one in reminders(effects)] == ["Less"]


MORE_URGENT = """
  - {id: stopped, kind: access_limited, policies: [end, capped], category: x, group: g,
     texts: {en: Stopped}}
  - {id: other, category: x, group: g, severity: critical, texts: {en: Other}, %s}
"""
EMPTY_OR_CAPPED = """
version: 1
currency: EUR
default_locale: en
plans:
  - id: hard
    allowances: [{id: data, granted_bytes: 1000}]
    policies: [{id: end, when: nothing_left, state: barred}]
  - id: cap
    allowances: [{id: much, granted_bytes: 1000}]
    overage_price_minor: 1
    overage_unit_bytes: 1
    cost_cap_minor: 50
    policies: [{id: capped, when: cost_cap, state: barred}]
rules:
"""


@pytest.mark.parametrize(
    ("plan", "other", "texts"),
    [
        ("hard", "kind: zero_balance", ["Other", "Stopped"]),
        ("cap", "kind: spend_amount, thresholds: [50]", ["Other", "Stopped"]),
        ("cap", "kind: spend_percent, thresholds: [90]", ["Other", "Stopped"]),
        ("cap", "kind: spend_percent, thresholds: [90, 100]", ["Other"]),  # it is about the cap
        ("cap", "kind: access_limited, policies: [capped]", ["Other"]),
    ],
)
def test_that_data_has_stopped_is_not_lost_in_a_message_that_does_not_say_so(
    plan: str, other: str, texts: list[str]
) -> None:
    line = Line(load_rulebook(EMPTY_OR_CAPPED + MORE_URGENT % other, "rules.yaml"))
    line.activate(plan=plan)
    assert [one.text for one in reminders(line.use(2000, at=1.0))] == texts


def test_quota_yaml_the_first_byte_that_costs_is_told_with_its_price() -> None:
    line = Line(packaged_rulebook("quota.yaml"))
    line.activate(plan="metered-2gb")
    (message,) = reminders(line.use(2 * GB + 100 * MB, at=1.5))
    assert message.text.endswith("More of it costs €0.03 per MB.")
    (message,) = reminders(line.use(MB, at=1.6, roaming_zone="eu"))
    assert message.text.startswith("Data abroad now costs €0.25 per MB (")


def test_quota_yaml_a_plan_without_a_price_is_told_once_that_data_has_stopped() -> None:
    line = Line(packaged_rulebook("quota.yaml"))
    line.activate(plan="prepaid")
    line.top_up(granted_bytes=GB, at=1.5)
    line.reach(day(1.6))
    (message,) = reminders(line.use(2 * GB, at=1.7))
    assert message.text.startswith("Data has stopped: ")
