"""A line with services, zones, notices and commands in its rules, fed by hand."""

from __future__ import annotations

from functools import cache
from typing import Any

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import (
    ConfirmationDecided,
    Effect,
    RefundRequested,
    Reminder,
    UnsubscriptionRequested,
)
from streamproc.core.state.events import (
    AccountActivated,
    LocationUpdated,
    ServiceCharged,
    ServiceChargeRequested,
    ServiceRefunded,
    ServiceRequested,
    ServiceSubscribed,
    ServiceUnsubscribed,
    SmsReceived,
)
from tests.support.line import SUBSCRIBER, Line, day
from tests.support.rules import edited

RULES = """\
version: 1
currency: CNY
default_locale: en
plans:
  - id: small
    price_minor: 1000
    overage_price_minor: 10
    allowances:
      - {id: data, granted_bytes: 1_000_000_000}
  - id: middle
    price_minor: 3000
    overage_price_minor: 10
    allowances:
      - {id: data, granted_bytes: 1_000_000_000}
      - {id: films, granted_bytes: 9_000_000_000, rating_groups: [20]}
  - id: large
    price_minor: 5000
    overage_price_minor: 5
    allowances:
      - {id: much, granted_bytes: 10_000_000_000}
packs:
  - {id: extra, granted_bytes: 500_000_000, validity_hours: 24}
rules:
  - id: low
    kind: usage_percent
    thresholds: [80, 100]
    category: balance
    texts: {en: "{percent}% used"}
  - id: weekly
    kind: usage_summary
    at: "09:00"
    category: summary
    texts: {en: "{remaining} left"}
services:
  - {id: video, names: {en: Video VIP, zh-CN: 视频会员}, price_minor: 1500}
  - {id: music, names: {en: Music}, price_minor: 800, confirm_charge: false}
  - {id: news, price_minor: 300, answer_seconds: 3600, wrong_charge_refund_percent: 100}
roaming_zones:
  - {id: eu, names: {en: Europe, zh-CN: 欧洲}, price_minor: 300}
  - {id: asia, price_minor: 500, unit_bytes: 10_000_000}
notices:
  - id: welcome
    kind: activation_welcome
    category: service
    texts: {en: "Welcome to {plan} with {granted}; services: {services}.", zh-CN: "欢迎使用{plan}"}
  - id: ask-subscription
    kind: subscription_question
    category: service
    mandatory: true
    texts: {en: "{service} {price}: reply {yes} {number} or {no} {number} until {deadline}."}
  - id: ask-charge
    kind: charge_question
    category: service
    mandatory: true
    texts: {en: "Charge {price} for {service}? {yes} {number} or {no} {number} until {deadline}."}
  - id: charge-soon
    kind: before_charge
    category: service
    days_before: 2
    at: "10:00"
    texts: {en: "{service} will be charged {price} on {charge_date}."}
  - id: charged
    kind: service_charged
    category: service
    texts: {en: "{service} was charged {price}."}
  - id: wrong
    kind: charged_in_error
    category: service
    mandatory: true
    texts: {en: "{service} was charged {price} in error; you get {refund} back."}
  - id: refunded
    kind: service_refunded
    category: service
    texts: {en: "{price} back for {service}, of which {charged} had been charged in error."}
  - id: roaming
    kind: roaming_welcome
    category: roaming
    ttl_seconds: 3600
    texts: {en: "Welcome to {zone}: data cost {price} per {unit}."}
  - id: advice
    kind: plan_advice
    category: advice
    days_after: 1
    at: "10:00"
    saving_minor: 500
    texts:
      en: "{better_plan} had saved {saving} in {cycles} cycles ({usage}), {better_cost} for {cost}."
commands:
  max_replies: 20
  categories:
    balance: [用量, ALERTS]
    summary: [周报, WEEKLY NEWS]
"""


@cache
def talking_rules(*changes: tuple[str, str]) -> Rulebook:
    """The rules above, with each change's first occurrence replaced."""
    return load_rulebook(edited(RULES, *changes), "r.yaml")


class Talking(Line):
    """Days count from the start of January. An SMS arrives when it is sent."""

    def __init__(self, rules: Rulebook | None = None) -> None:
        super().__init__(rules or talking_rules())

    def begin(self, plan: str = "small", at: float = 0.0, **fields: Any) -> list[Effect]:
        place = {"time_zone": "UTC", "billing_anchor_day": 1, **fields}
        event = AccountActivated(self._id(), "crm", SUBSCRIBER, day(at), plan, **place)
        return self.feed(event)

    def text(self, text: str, at: float, sent: float | None = None) -> list[Effect]:
        when = day(at if sent is None else sent)
        return self.feed(SmsReceived(self._id(), "smsc", SUBSCRIBER, when, text), day(at))

    def request(self, service: str, at: float) -> str:
        event = ServiceRequested(self._id(), "vas", SUBSCRIBER, day(at), service)
        self.feed(event)
        return event.id

    def subscribe(self, service: str, at: float, **fields: Any) -> list[Effect]:
        return self.feed(
            ServiceSubscribed(self._id(), "vas", SUBSCRIBER, day(at), service, **fields)
        )

    def unsubscribe(self, service: str, at: float) -> list[Effect]:
        return self.feed(ServiceUnsubscribed(self._id(), "vas", SUBSCRIBER, day(at), service))

    def request_charge(self, service: str, amount_minor: int, at: float) -> str:
        event = ServiceChargeRequested(
            self._id(), "billing", SUBSCRIBER, day(at), service, amount_minor
        )
        self.feed(event)
        return event.id

    def charge(self, service: str, amount_minor: int, at: float, **fields: Any) -> list[Effect]:
        event = ServiceCharged(
            self._id(), "billing", SUBSCRIBER, day(at), service, amount_minor, **fields
        )
        return self.feed(event)

    def refund(self, service: str, amount_minor: int, at: float, **fields: Any) -> list[Effect]:
        event = ServiceRefunded(
            self._id(), "billing", SUBSCRIBER, day(at), service, amount_minor, **fields
        )
        return self.feed(event)

    def locate(self, zone: str, at: float, arrives: float | None = None) -> list[Effect]:
        event = LocationUpdated(self._id(), "hlr", SUBSCRIBER, day(at), zone)
        return self.feed(event, None if arrives is None else day(arrives))


def texts(effects: list[Effect]) -> list[str]:
    """The texts of messages, in order."""
    return [one.text for one in effects if isinstance(one, Reminder)]


def replies(effects: list[Effect]) -> list[str]:
    """The names of the replies."""
    return [one.rule for one in effects if isinstance(one, Reminder) and _is_reply(one)]


def _is_reply(one: Reminder) -> bool:
    return one.kind == "command_reply"


def outcomes(effects: list[Effect]) -> list[tuple[str, str, str]]:
    """What, which service, outcome."""
    return [
        (one.about, one.service, one.outcome)
        for one in effects
        if isinstance(one, ConfirmationDecided)
    ]


def ended(effects: list[Effect]) -> list[str]:
    """Services whose end is ordered."""
    return [one.service for one in effects if isinstance(one, UnsubscriptionRequested)]


def refunds(effects: list[Effect]) -> list[tuple[str, int]]:
    """Services and amounts that must be paid back."""
    return [(one.service, one.amount_minor) for one in effects if isinstance(one, RefundRequested)]
