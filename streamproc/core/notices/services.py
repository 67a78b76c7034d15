"""Value-added services: events from billing, and questions and notices to the subscriber."""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core.alerts.held_notices import message_of, subscription_of
from streamproc.core.alerts.speakers import submit
from streamproc.core.instants import LAST_MS, NEVER_MS, from_ms, to_ms
from streamproc.core.notices import confirmation
from streamproc.core.rules.notices import NoticeKind, Service
from streamproc.core.state.account import (
    ConfirmedCharge,
    Question,
    RareState,
    Subscription,
    drop_empty_rare_state,
    forget_choices_and_services,
    rare_state_of,
)
from streamproc.core.state.effects import (
    ConfirmationDecided,
    Effect,
    RefundRequested,
    rejected,
)
from streamproc.core.state.events import (
    Arrival,
    ServiceCharged,
    ServiceChargeRequested,
    ServiceEvent,
    ServiceRefunded,
    ServiceRequested,
    ServiceSubscribed,
    ServiceUnsubscribed,
)
from streamproc.core.state.moment import Moment
from streamproc.core.texts.composing import name_of, shown_keyword
from streamproc.core.texts.reminding import reminder_id
from streamproc.core.usage import dedupe

MAX_SERVICES = 50
"""Most services of one account: its record must fit into a Kafka message, its list into a few
texts."""
MAX_CONFIRMED = 50


class NoticeWork:
    """One event or due instant of one account, and the effects so far."""

    def __init__(self, moment: Moment, wall_ms: int = 0) -> None:
        self.moment = moment
        self.account, self.subscriber, self.rules, self.now_ms, self.cause = moment
        self.wall_ms = wall_ms
        """The time by the wall clock, as in :func:`gate.submit`."""
        self.out: list[Effect] = []

    def audit(self, decision: str, service: str, **figures: int) -> None:
        """Add an audit record whose ``rule`` is the service."""
        record = self.moment.audited(decision, service)
        record.figures.update(figures)
        self.out.append(record)

    def tell(self, kind: NoticeKind, about: str, *facts: str | int, number: int = 0) -> None:
        """Send a notice through the gate, if the rules have one of this kind."""
        found = self.rules.notices.get(kind)
        if found is None:
            return
        given = tuple(map(str, facts))
        message = message_of(self.moment, found, about, given, number)
        self.out.extend(submit(self.moment, [message], self.wall_ms))

    def name(self, service: str) -> str:
        """The name of a service as replies show it."""
        found, rules = self.rules.services.get(service), self.rules
        assert rules.commands is not None  # without commands there are no replies
        return name_of(found, service, rules.commands.replies["none"], self.account, rules)

    def keyword(self, action: str) -> str:
        return shown_keyword(action, self.account, self.rules)

    def decide(self, question: Question, outcome: confirmation.Outcome) -> None:
        """Report the outcome of a question that was closed."""
        self.settle(
            question.about,
            question.service,
            question.amount_minor,
            (question.request_id, question.request_source),
            question.asked_ms,
            outcome,
        )

    def settle(
        self,
        about: str,
        service: str,
        amount_minor: int,
        request: tuple[str, str],
        asked_ms: int,
        outcome: confirmation.Outcome,
    ) -> None:
        """Report the outcome of a request for confirmation to billing and in the audit."""
        if outcome == "confirmed" and about == confirmation.CHARGE:
            extra = rare_state_of(self.account)
            del extra.confirmed_charges[: -(MAX_CONFIRMED - 1)]
            extra.confirmed_charges.append(
                ConfirmedCharge(digest_of(*request), service, amount_minor)
            )
        self.audit(outcome, service, amount_minor=amount_minor)
        self.out.append(
            ConfirmationDecided(
                id=reminder_id(
                    self.rules.id_key, self.subscriber, "confirmation", 0, "\0".join(request)
                ),
                about=about,
                subscriber=self.subscriber,
                service=service,
                outcome=outcome,
                amount_minor=amount_minor,
                currency=self.rules.currency,
                request_id=request[0],
                request_source=request[1],
                asked_time=from_ms(asked_ms),
                decided_time=from_ms(self.now_ms),
                cause=self.cause,
            )
        )


def digest_of(request_id: str, source: str) -> str:
    """An eight-byte digest of a request for a charge, as hexadecimal text."""
    return dedupe.digest(source, request_id).hex()


def service_event(moment: Moment, event: ServiceEvent, arrival: Arrival) -> list[Effect]:
    """Apply an event of billing about a service."""
    service = moment.rules.services.get(event.service)
    if service is None:
        return [rejected("unknown_service", "no such service in the rules", event, arrival)]
    told = NoticeWork(moment)
    reject: Effect | None = None
    if isinstance(event, ServiceRequested):
        reject = _ask(told, service, confirmation.SUBSCRIPTION, service.price_minor, event, arrival)
    elif isinstance(event, ServiceChargeRequested):
        reject = _charge_requested(told, service, event, arrival)
    elif isinstance(event, ServiceSubscribed):
        reject = _subscribed(told, service, event, arrival)
    elif isinstance(event, ServiceUnsubscribed):
        _unsubscribed(told, event)
    elif isinstance(event, ServiceCharged):
        _charged(told, service, event)
    else:
        _refunded(told, event)
    drop_empty_rare_state(moment.account)
    return [reject] if reject is not None else told.out


def end_contract(moment: Moment) -> list[Effect]:
    """The account closes: open questions are refused, services and choices are removed."""
    account = moment.account
    if account.extra is None:
        return []
    told = NoticeWork(moment._replace(now_ms=max(moment.now_ms, account.clock_ms)))
    for question in confirmation.over(account.extra, None):
        told.decide(question, "refused")
    forget_choices_and_services(account.extra)
    drop_empty_rare_state(account)
    return told.out


def time_out(told: NoticeWork) -> None:
    """Decide the questions whose deadline has come."""
    if told.account.extra is None:
        return
    for question in confirmation.timed_out(told.account.extra, told.now_ms):
        told.decide(question, "timed_out")
    drop_empty_rare_state(told.account)


def _ask(
    told: NoticeWork,
    service: Service,
    about: str,
    amount_minor: int,
    event: ServiceRequested | ServiceChargeRequested,
    arrival: Arrival,
) -> Effect | None:
    """Ask the subscriber. Returns a reject if too many questions are open."""
    question = confirmation.ask(
        rare_state_of(told.account),
        about,
        service.id,
        amount_minor,
        (event.id, event.source),
        arrival.received_ms,
        told.now_ms + service.answer_ms,
    )
    if question is None:
        detail = f"already {confirmation.MAX_QUESTIONS} questions wait for an answer"
        return rejected("account_full", detail, event, arrival)
    told.audit("asked", service.id, amount_minor=amount_minor, number=question.number)
    told.tell(
        "subscription_question" if about == confirmation.SUBSCRIPTION else "charge_question",
        digest_of(event.id, event.source),
        service.id,
        amount_minor,
        question.number,
        question.deadline_ms,
    )
    return None


def _charge_requested(
    told: NoticeWork, service: Service, event: ServiceChargeRequested, arrival: Arrival
) -> Effect | None:
    """Ask about a charge, unless the subscription is enough. A service that ends is refused at
    once."""
    subscription = subscription_of(told.account, service.id)
    if subscription is not None and (subscription.ending or not service.confirm_charge):
        told.settle(
            confirmation.CHARGE,
            service.id,
            event.amount_minor,
            (event.id, event.source),
            told.now_ms,
            "refused" if subscription.ending else "confirmed",
        )
        return None
    return _ask(told, service, confirmation.CHARGE, event.amount_minor, event, arrival)


def _subscribed(
    told: NoticeWork, service: Service, event: ServiceSubscribed, arrival: Arrival
) -> Effect | None:
    extra = rare_state_of(told.account)
    price_minor = service.price_minor if event.price_minor is UNSET else event.price_minor
    next_ms = _next_charge_ms(event)
    known = subscription_of(told.account, service.id)
    if known is not None:
        known.price_minor, known.next_charge_ms, known.ending = price_minor, next_ms, False
    elif len(extra.services) >= MAX_SERVICES:
        detail = f"the account holds {MAX_SERVICES} services already"
        return rejected("account_full", detail, event, arrival)
    else:
        extra.services.append(Subscription(service.id, price_minor, next_ms))
    told.audit("service_subscribed", service.id, price_minor=price_minor)
    return None


def _unsubscribed(told: NoticeWork, event: ServiceUnsubscribed) -> None:
    extra = rare_state_of(told.account)
    extra.services = [one for one in extra.services if one.service != event.service]
    for question in confirmation.over(extra, event.service, confirmation.CHARGE):
        told.decide(question, "refused")
    told.audit("service_unsubscribed", event.service)


def _charged(told: NoticeWork, service: Service, event: ServiceCharged) -> None:
    """Send a notice of the charge. A charge without confirmation must be paid back."""
    extra = rare_state_of(told.account)
    subscription = subscription_of(told.account, service.id)
    if subscription is not None and event.next_charge_time is not UNSET:
        subscription.next_charge_ms = _next_charge_ms(event)
    occasion = digest_of(event.id, event.source)
    confirmed = _confirmed(extra, event)
    if confirmed is not None:
        extra.confirmed_charges.remove(confirmed)
    is_standing = subscription is not None and not subscription.ending
    if confirmed is not None or (is_standing and not service.confirm_charge):
        told.audit("service_charged", service.id, amount_minor=event.amount_minor)
        told.tell("service_charged", occasion, service.id, event.amount_minor, 0)
        return
    refund_minor = event.amount_minor * service.wrong_charge_refund_percent // 100
    told.audit(
        "charged_in_error", service.id, amount_minor=event.amount_minor, refund_minor=refund_minor
    )
    if refund_minor:
        told.out.append(
            RefundRequested(
                id=reminder_id(told.rules.id_key, told.subscriber, "refund", 0, occasion),
                subscriber=told.subscriber,
                service=service.id,
                charged_minor=event.amount_minor,
                amount_minor=refund_minor,
                currency=told.rules.currency,
                time=from_ms(told.now_ms),
                cause=told.cause,
            )
        )
    told.tell("charged_in_error", occasion, service.id, event.amount_minor, refund_minor)


def _next_charge_ms(event: ServiceSubscribed | ServiceCharged) -> int:
    """The instant of the next charge; NEVER_MS if there is none after the event."""
    if event.next_charge_time is UNSET:
        return NEVER_MS
    next_ms = to_ms(event.next_charge_time)
    return next_ms if to_ms(event.time) < next_ms < LAST_MS else NEVER_MS


def _confirmed(extra: RareState, event: ServiceCharged) -> ConfirmedCharge | None:
    """The confirmation that allows this charge: same request and service, and at least this
    amount."""
    if event.request_id is UNSET:
        return None
    request = digest_of(event.request_id, event.source)
    for one in extra.confirmed_charges:
        if one.request == request and one.service == event.service:
            return one if event.amount_minor <= one.amount_minor else None
    return None


def _refunded(told: NoticeWork, event: ServiceRefunded) -> None:
    told.audit("service_refunded", event.service, amount_minor=event.amount_minor)
    charged_minor = event.amount_minor if event.charged_minor is UNSET else event.charged_minor
    told.tell(
        "service_refunded",
        digest_of(event.id, event.source),
        event.service,
        event.amount_minor,
        charged_minor,
    )
