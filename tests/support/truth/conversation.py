"""What the figures of notices and replies must be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import permutations
from typing import Any

from babel.dates import format_time

from streamproc.core.rules.commands import Commands
from streamproc.lab.oracle.buckets import end_of, remaining
from streamproc.lab.oracle.conversation import _price
from streamproc.lab.oracle.days import cycle_around
from tests.support.truth.account import PLAN_KINDS, UNLIMITED, Snapshot
from tests.support.truth.figures import EVERYWHERE, Facts, Sums, Value, _local, last_day, named
from tests.support.truth.shown import (
    ENDLESS,
    has_sign,
    is_amount,
    is_bytes,
    is_clock,
    is_names,
    local_clock,
    locale_of,
    plain,
)

Says = Callable[[str, str], bool]
"""Whether a shown text, in a locale, is right."""

EVENTS = {
    "service_charged": "service.charged",
    "charged_in_error": "service.charged",
    "service_refunded": "service.refunded",
}
"""The events that notices repeat."""


def given_by(facts: Facts, events: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Every set of values from which a notice or a reply can be made."""
    state, kind = facts.state, facts.rule.kind
    if kind in ("subscription_question", "charge_question"):
        about = kind.removesuffix("_question")
        for one in state.questions:
            if one["about"] == about and one["deadline"] > facts.as_of_ms:
                yield {
                    "service": service_names(facts, one["service"]),
                    "price": one["amount"],
                    "number": one["number"],
                    "deadline": _local(facts, one["deadline"]),
                }
    elif kind == "before_charge":
        for name, one in state.services.items():
            if not one["ending"] and one["next"] is not None:
                clock, now = _local(facts, one["next"]), _local(facts, facts.as_of_ms)
                if (clock.date() - now.date()).days > facts.rule.days:
                    continue  # too early for a notice of that charge
                yield {
                    "service": service_names(facts, name),
                    "price": one["price"],
                    "charge_date": clock.date(),
                    "days": (clock.date() - now.date()).days,
                }
    elif kind in EVENTS:
        for event in events:
            if event["type"] == EVENTS[kind]:
                yield _charge(facts, event)
    elif kind == "roaming_welcome":
        zone = facts.rules.zones.get(state.place)
        if zone is not None:
            yield {
                "zone": named(zone.names, facts.locales, facts.rules) or [zone.id],
                **dict(zip(("price", "unit"), _price_abroad(state, zone), strict=True)),
                "cap": _cap_abroad(state),
            }
    elif kind == "plan_advice":
        yield from _advice(facts)
    elif kind == "activation_welcome":
        going_on = [name for name, one in state.services.items() if not one["ending"]]
        of_plan = [one for one in state.home if one["kind"] in PLAN_KINDS]
        yield {
            "services": [service_names(facts, one) for one in going_on],
            "granted": Sums.of(of_plan).granted,
        }
    else:
        yield {}


def service_names(facts: Facts, name: str) -> list[str]:
    service = facts.rules.services.get(name)
    given = service.names if service else {}
    return named(given, facts.locales, facts.rules) or [name]


def plan_names(facts: Facts, plan: str) -> list[str]:
    given = getattr(facts.rules.plans.get(plan), "names", None) or {}
    return named(given, facts.locales, facts.rules) or [plan]


def _charge(facts: Facts, event: dict[str, Any]) -> dict[str, Any]:
    service = facts.rules.services.get(event["service"])
    share = service.wrong_charge_refund_percent if service else 0
    return {
        "service": service_names(facts, event["service"]),
        "price": event["amount_minor"],
        "refund": event["amount_minor"] * share // 100,
        "charged": event.get("charged_minor", event["amount_minor"]),
    }


def _price_abroad(state: Snapshot, zone: Any) -> tuple[int, int]:
    """That of the plan's tariff for ordinary usage in the zone, if the tariff names the zone."""
    plan = state.rules.plans.get(state.plan)
    for one in plan.all_tariffs if plan else ():
        zones = one.scope.roaming_zones
        if one.scope.rating_groups is None and (zones is None or zone.id in zones):
            price = state.next_price(one.id) if zones else None
            return price or (zone.price_minor, zone.unit_bytes)
    return zone.price_minor, zone.unit_bytes


def _cap_abroad(state: Snapshot) -> int | None:
    plan = state.rules.plans.get(state.plan)
    for one in plan.all_tariffs if plan else ():
        zones = one.scope.roaming_zones
        if one.scope.rating_groups is None and (zones is None or state.place in zones):
            return state.cap_minor.get(one.id)
    return None


def _advice(facts: Facts) -> Iterator[dict[str, Any]]:
    state, notice = facts.state, facts.rule
    contract = state.contract
    whole = [
        one["used"] + one["overage"]
        for one in state.history
        if one["start"] < one["end"]
        and cycle_around(one["start"], contract.anchor_day, state.zone)
        == (one["start"], one["end"])
    ]
    used = whole[-notice.cycles :]
    present = facts.rules.plans.get(state.plan)
    if len(used) < notice.cycles or present is None:
        return
    cost = sum(_price(present, one, True) for one in used)
    for plan in facts.rules.plans.values():
        better = sum(_price(plan, one, False) for one in used)
        if plan.id != state.plan and better < cost:
            yield {
                "better_plan": plan_names(facts, plan.id),
                "cost": cost,
                "better_cost": better,
                "saving": cost - better,
                "usage": sum(used),
                "cycles": notice.cycles,
            }


def commands_of(facts: Facts) -> Commands:
    """The commands of subscribers; only texts of rules files with commands need them."""
    assert facts.rules.commands is not None, facts.message
    return facts.rules.commands


NOTICE: dict[str, Callable[[Facts], Value]] = {
    **EVERYWHERE,
    "plan": lambda facts: plan_names(facts, facts.state.plan),
    "as_of": lambda facts: _local(facts, facts.as_of_ms),
    "cycle_end": lambda facts: _local(facts, facts.state.end_ms),
    "last_day": lambda facts: last_day(facts, facts.state.end_ms),
    "yes": lambda facts: list(commands_of(facts).keywords["confirm"]),
    "no": lambda facts: list(commands_of(facts).keywords["refuse"]),
    "remaining": lambda facts: facts.sums.remaining,
    "used": lambda facts: facts.sums.used,
    "granted": lambda facts: facts.sums.granted,
    "percent": lambda facts: facts.sums.percent,
    "overage": lambda facts: facts.state.overage_bytes,
    "cost": lambda facts: sum(facts.state.spent_minor.values()),
    "unsubscribe": lambda facts: list(commands_of(facts).keywords["unsubscribe"]),
}
"""Placeholders of notices and replies, in addition to the values of an event."""


# Lists that the product composes.


def says_buckets(facts: Facts, text: str, tag: str) -> bool:
    """Whether a list names every live bucket with its bytes left and its end."""
    shown, at = plain(text), 0
    live = facts.listed
    for bucket in live:
        left = ENDLESS if bucket["kind"] == UNLIMITED else remaining(bucket)
        places = [(shown.find(one, at), one) for one in facts.names_of(bucket)]
        found = [one for one in places if one[0] >= 0]
        if not found:
            return False
        # "Basic" is a name in one language, and "Basic data" in another.
        start, name = min(found, key=lambda one: (one[0], -len(one[1])))
        at = start + len(name)
        rest = shown[at:]
        figure = _prefix(rest.lstrip(" :：\u3000"), left)
        if figure is None:
            return False
        if end_of(bucket) != facts.state.end_ms and end_of(bucket) != float("inf"):
            clock = local_clock(end_of(bucket), facts.state.zone)
            assert clock is not None
            item = rest[: _next_item(rest)]
            hours = plain(format_time(clock, "short", locale=locale_of(tag)))
            has_time = f"{clock:%H:%M}" in item or hours in item
            if not (str(clock.day) in item and has_time) and not _named_day(item, clock):
                return False
    return bool(live) or not re.search(r"\d", shown)


def _named_day(item: str, clock: Any) -> bool:
    """An end at midnight can be shown as the day before it."""
    last = clock - timedelta(minutes=1)
    return f"{clock:%H:%M}" == "00:00" and str(last.day) in item


def _next_item(rest: str) -> int:
    cuts = [rest.find(one) for one in ("; ", "；", "؛")]
    return min([one for one in cuts if one >= 0] or [len(rest)])


def _prefix(rest: str, value: float) -> str | None:
    """The shortest beginning of a text that shows this many bytes, in whole words."""
    for end in range(len(rest), 0, -1):
        if end < len(rest) and rest[end].isalpha() and rest[end - 1].isalpha():
            continue
        if is_bytes(rest[:end], value):
            return rest[:end]
    return None


def says_services(facts: Facts, text: str, tag: str) -> bool:
    """Whether the numbered list has every service with its price, and no other.

    Services that were just unsubscribed have no price.
    """
    if facts.rule.id == "unsubscribed":
        ending = [name for name, one in facts.state.services.items() if one["ending"]]
        return any(
            is_names(text, [service_names(facts, name)[number] for name in some], "", tag)
            for count in range(1, len(ending) + 1)
            for some in permutations(ending, count)
            for number in range(min(len(service_names(facts, name)) for name in some))
        )
    going_on = [
        (number, name)
        for number, name in enumerate(facts.state.listed, 1)
        if name in facts.state.services and not facts.state.services[name]["ending"]
    ]
    return _says_items(
        facts,
        plain(text),
        [(number, name, facts.state.services[name]["price"]) for number, name in going_on],
    )


def says_questions(facts: Facts, text: str, tag: str) -> bool:
    items = [(one["number"], one["service"], one["amount"]) for one in facts.state.questions]
    return _says_items(facts, plain(text), items)


def _says_items(facts: Facts, shown: str, items: list[tuple[int, str, int]]) -> bool:
    at = 0
    for number, name, minor in items:
        names = service_names(facts, name)
        found = next(
            (
                match
                for one in names
                if (match := re.compile(rf"{number}\W+{re.escape(one)}").search(shown, at))
            ),
            None,
        )
        if found is None:
            return False
        at = found.end()
        rest = shown[at : at + _next_item(shown[at:])]
        # An Arabic or Chinese list can have other separators; then the first amount counts.
        amount = re.search(r"\d(?:[\d.,' ’]*\d)?", rest)
        currency = facts.rules.currency
        if amount is None or not is_amount(amount[0], minor, currency):
            return False
        if not has_sign(rest, currency):
            return False
    return bool(items) or not re.search(r"\d", shown)


IS_EMPTY: dict[str, Callable[[Facts], bool]] = {
    "buckets": lambda facts: not facts.state.live,
    "services": lambda facts: (
        not any(
            name in facts.state.services and not facts.state.services[name]["ending"]
            for name in facts.state.listed
        )
    ),
    "questions": lambda facts: not facts.state.questions,
}
"""Whether the list is empty."""


def says_thresholds(facts: Facts, text: str, tag: str) -> bool:
    """Whether these are the percentages of usage reminders: the subscriber's own, and those of
    mandatory rules, without rules of an opted-out category."""
    own = facts.state.own_percents
    wanted: set[int] = set()
    for one in facts.rules.usage_rules:
        if one.kind == "usage_percent" and _comes(facts, one):
            wanted |= {*one.thresholds, *own} if one.mandatory else {*(own or one.thresholds)}
    return [int(one) for one in re.findall(r"\d+", text)] == sorted(wanted)


def says_schedule(facts: Facts, text: str, tag: str) -> bool:
    """Whether these are the times of day of summaries, if there are any."""
    state, wanted, has_chosen = facts.state, set(), False
    every = state.chosen.get("every")
    for one in facts.rules.timed_rules:
        is_meant = one.plans is None or state.plan in one.plans
        if one.segments is not None and not one.segments & state.contract.segments:
            is_meant = False
        if one.kind != "usage_summary" or not is_meant:
            continue
        at = f"{one.at:%H:%M}"
        if not one.mandatory:
            if every == "off" or has_chosen or (every is None and one.only_chosen):
                continue
            has_chosen = every is not None
            at = state.chosen.get("at", at)
        if _comes(facts, one):
            wanted.add(at)
    return set(re.findall(r"\d\d:\d\d", text)) == wanted and bool(text)


def says_categories(facts: Facts, text: str, tag: str) -> bool:
    """Whether only opted-out categories are named, and at least one."""
    left = [one for one in facts.rules.categories if one in facts.state.opted_out]
    words = [(word, one) for one in facts.rules.categories for word in category_names(facts, one)]
    rest, named_here = plain(text), set()
    for word, one in sorted(words, key=lambda pair: -len(pair[0])):
        if word in rest:  # a name can be part of a longer one
            named_here.add(one)
            rest = rest.replace(word, "")
    return bool(named_here) and named_here <= set(left)


def says_start(facts: Facts, text: str, tag: str) -> bool:
    """Whether the SMS in the text means: opt in to an opted-out category; or to all."""
    shown = plain(text)
    words = [one for one in commands_of(facts).keywords["start"] if shown.startswith(one)]
    if facts.rule.id == "stopped_all":
        return shown in words
    rests = [shown.removeprefix(one).strip() for one in words]
    left = [one for one in facts.rules.categories if one in facts.state.opted_out]
    return any(rest in category_names(facts, one) for one in left for rest in rests)


def says_commands(facts: Facts, text: str, tag: str) -> bool:
    """Whether help shows no keyword of a choice that no rule uses."""
    lacks = []
    if not any(one.kind == "usage_percent" for one in facts.rules.usage_rules):
        lacks.append("thresholds")
    if not any(one.kind == "usage_summary" for one in facts.rules.timed_rules):
        lacks.append("schedule")
    if not facts.rules.services:
        lacks.append("unsubscribe")
    said = set(re.findall(r"[^\W_]+|\d+", plain(text)))
    return not any(one in said for name in lacks for one in commands_of(facts).keywords[name])


def category_names(facts: Facts, category: str) -> list[str]:
    commands = commands_of(facts)
    return [
        category,
        *commands.categories.get(category, ()),
        *commands.category_names.get(category, {}).values(),
    ]


def _comes(facts: Facts, rule: Any) -> bool:
    is_in_force = facts.as_of_ms < rule.policy.valid_until_ms
    return is_in_force and (rule.mandatory or rule.category not in facts.state.opted_out)


def says_quiet_hours(facts: Facts, text: str, tag: str) -> bool:
    """Whether these are the quiet hours in force; an old text can say that they are the rules'."""
    own = facts.state.own_hours
    hours = facts.rules.alerts.quiet_hours
    if own is not None:
        start, end = own
    elif hours is not None:
        start, end = hours.start, hours.end
    else:
        start = end = None
    clocks = re.findall(r"\d\d:\d\d", text)
    if start == end:
        return not clocks
    return clocks == [f"{start:%H:%M}", f"{end:%H:%M}"]


def says_time(text: str, clock: Any, tag: str) -> bool:
    return is_clock(text, clock, "", "", tag)
