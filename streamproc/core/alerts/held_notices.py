"""Notices at the gate: what is stored of a held notice, whether it is still true, its words.

A mark's ``detail`` holds the facts of the notice that cannot change: the charged amount, the
service in question. Everything else can change until a held notice is sent, so it is looked up
then: the subscriber's services, their prices and next charges, plan, place, names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from streamproc.core.alerts.audience import of_own_number
from streamproc.core.alerts.audit_records import NOTICES
from streamproc.core.alerts.message import Message, Speaker
from streamproc.core.instants import DAY_MINUTES, NEVER_MS
from streamproc.core.rules.notices import Notice
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.scope import ORDINARY_RATING_GROUP
from streamproc.core.rules.sending import Spoken
from streamproc.core.schedule.calendar import local_minute
from streamproc.core.schedule.notice_times import before_charge_ms
from streamproc.core.state.account import PLAN_KINDS, Account, Subscription
from streamproc.core.state.effects import Effect
from streamproc.core.state.message_memory import Mark
from streamproc.core.state.moment import Moment
from streamproc.core.texts.composing import (
    locale_in,
    message,
    name_of,
    shown_keyword,
)
from streamproc.core.texts.naming import plan_name
from streamproc.core.texts.reminding import About, local_end
from streamproc.core.usage.home_data import home_data_of, shown
from streamproc.core.usage.plan_advice import better_plan
from streamproc.core.usage.tariffs import cap_minor, price_in_zone, tariff_of

_SEPARATOR: Final = "\n"
"""An id of the rules file cannot contain it."""


def message_of(
    moment: Moment, notice: Notice, about: str, facts: tuple[str, ...], number: int = 0
) -> Message:
    """A notice for the gate.

    It replaces a waiting notice about the same thing. ``about`` and ``number`` distinguish it from
    others of its kind in the cycle.
    """
    mark = Mark(moment.now_ms, bucket=about, arming=number, detail=_SEPARATOR.join(facts))
    return Message(NOTICE, notice, mark, moment.cause)


def subscription_of(account: Account, service: str) -> Subscription | None:
    """The subscriber's subscription of a service."""
    for one in account.extra.services if account.extra else ():
        if one.service == service:
            return one
    return None


class _Words:
    """The values for the placeholders of a notice."""

    def __init__(self, moment: Moment, notice: Notice) -> None:
        self.account = moment.account
        self.notice = notice
        self.now_ms = moment.now_ms
        self.rules = moment.rules

    def service(self, service: str) -> str:
        return name_of(
            self.rules.services.get(service), service, self.notice, self.account, self.rules
        )

    def welcome(self, facts: list[str]) -> dict[str, Any]:
        """What the plan grants; packs do not count, because one may have been bought before a held
        welcome."""
        of_plan = [one for one in self.account.buckets if one.kind in PLAN_KINDS]
        granted_bytes, _, _ = shown(home_data_of(of_plan, self.rules))
        extra = self.account.extra
        going_on = [one for one in (extra.services if extra else ()) if not one.ending]
        names = [self.service(one.service) for one in going_on]
        return {"services": names, "granted": granted_bytes}

    def question(self, facts: list[str]) -> dict[str, Any]:
        service, amount_minor, number, deadline_ms = facts
        return {
            "service": self.service(service),
            "price": int(amount_minor),
            "number": number,
            "deadline": local_end(int(deadline_ms), self.account),
            "yes": shown_keyword("confirm", self.account, self.rules),
            "no": shown_keyword("refuse", self.account, self.rules),
        }

    def before_charge(self, facts: list[str]) -> dict[str, Any]:
        subscription = subscription_of(self.account, facts[0])
        assert subscription is not None  # a notice without it is not true, so it is not sent
        zone = self.account.time_zone
        charge_day = local_minute(subscription.next_charge_ms, zone) // DAY_MINUTES
        return {
            "service": self.service(facts[0]),
            "price": subscription.price_minor,
            "charge_date": charge_day,
            # If the notice had to wait, fewer days are left than the rules file says.
            "days": charge_day - local_minute(self.now_ms, zone) // DAY_MINUTES,
        }

    def charge(self, facts: list[str]) -> dict[str, Any]:
        service, amount_minor, other_minor = facts
        other = int(other_minor)
        return {
            "service": self.service(service),
            "price": int(amount_minor),
            "refund": other,
            "charged": other,
        }

    def roaming(self, facts: list[str]) -> dict[str, Any]:
        zone = self.rules.zones[facts[0]]
        tariff = tariff_of(self.account, ORDINARY_RATING_GROUP, zone.id, self.rules)
        tier = price_in_zone(self.account, tariff, zone.id, self.rules)
        return {
            "zone": name_of(zone, zone.id, self.notice, self.account, self.rules),
            "price": tier.price_minor if tier else zone.price_minor,
            "unit": tier.unit_bytes if tier else zone.unit_bytes,
            "cap": cap_minor(self.account, tariff, self.rules),
        }

    def advice(self, facts: list[str]) -> dict[str, Any]:
        found = better_plan(self.account, self.notice, self.rules)
        assert found is not None  # a notice without it is not true, so it is not sent
        return {
            "better_plan": plan_name(
                found.plan, locale_in(self.notice, self.account, self.rules), self.rules
            ),
            "cost": found.cost_minor,
            "better_cost": found.better_cost_minor,
            "saving": found.saving_minor,
            "usage": found.used_bytes,
            "cycles": found.cycles,
        }


_VALUES: dict[str, Callable[[_Words, list[str]], dict[str, Any]]] = {
    "activation_welcome": _Words.welcome,
    "subscription_question": _Words.question,
    "charge_question": _Words.question,
    "before_charge": _Words.before_charge,
    "service_charged": _Words.charge,
    "charged_in_error": _Words.charge,
    "service_refunded": _Words.charge,
    "roaming_welcome": _Words.roaming,
    "plan_advice": _Words.advice,
}


def _find(rules: Rulebook, rule_id: str) -> Spoken | None:
    return next((one for one in rules.notices.values() if one.id == rule_id), None)


def _is_true(moment: Moment, rule: Spoken, mark: Mark) -> bool:
    """Whether a held notice is still true and still useful."""
    assert isinstance(rule, Notice)
    account, rules = moment.account, moment.rules
    extra = account.extra
    facts = mark.detail.split(_SEPARATOR)
    match rule.kind:
        case "subscription_question" | "charge_question":
            number, deadline_ms = int(facts[2]), int(facts[3])
            is_open = extra is not None and any(
                one.number == number and one.deadline_ms == deadline_ms for one in extra.questions
            )
            return is_open and moment.now_ms < deadline_ms
        case "before_charge":
            subscription = subscription_of(account, facts[0])
            return (
                subscription is not None
                and not subscription.ending
                and subscription.next_charge_ms > moment.now_ms
                # If billing has postponed the charge, the later day has a reminder of its own.
                and before_charge_ms(account, subscription, rule) == NEVER_MS
            )
        case "roaming_welcome":
            return extra is not None and extra.roaming_zone == facts[0] and facts[0] in rules.zones
        case "plan_advice":
            return better_plan(account, rule, rules) is not None
    return True


def _say(
    moment: Moment, rule: Spoken, mark: Mark, to: list[str], cycle_start_ms: int
) -> list[Effect]:
    assert isinstance(rule, Notice)
    occasion = f"{mark.bucket}@{mark.arming}" if mark.arming else mark.bucket
    facts = mark.detail.split(_SEPARATOR)
    values = _VALUES[rule.kind](_Words(moment, rule), facts)
    until_ms = _until_ms(moment.account, rule, facts)
    return [message(moment, About(rule, [], occasion, cycle_start_ms, until_ms=until_ms), values)]


def _until_ms(account: Account, rule: Notice, facts: list[str]) -> int:
    """When a question cannot be answered any more, or when the announced event has happened."""
    if rule.kind in ("subscription_question", "charge_question"):
        return int(facts[3])
    if rule.kind == "before_charge":
        subscription = subscription_of(account, facts[0])
        assert subscription is not None  # a notice without it is not true, so it is not sent
        return subscription.next_charge_ms
    return NEVER_MS


NOTICE = Speaker(NOTICES, _find, _is_true, _say, of_own_number, is_alone=True)
