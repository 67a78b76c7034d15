"""A moment: one account at one instant, and the reason why it is processed.

Almost every function of the core needs these five values, so they are passed as one. A moment is
made where an event is applied or due work is done (``core/step``). The account in it changes in
place.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import UNSET, UnsetType

from streamproc.core.instants import from_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Audited, Cause, audited, cause_of
from streamproc.core.state.events import Arrival, SubscriberEvent


class Moment(NamedTuple):
    """An account at an instant."""

    account: Account
    subscriber: str
    """The subscriber of the account: the key of its records."""
    rules: Rulebook
    """The rules in force."""
    now_ms: int
    """The present of the account. Figures are calculated for this instant, and records carry it."""
    cause: Cause
    """The input record or due instant that led here. Every effect names it."""

    def because(self, cause: Cause) -> Moment:
        """The same moment with another cause: a held message has the cause of its own event."""
        return self._replace(cause=cause)

    def audited(
        self,
        decision: str,
        rule: str | UnsetType = UNSET,
        bucket: str | UnsetType = UNSET,
        threshold: int | UnsetType = UNSET,
        category: str | UnsetType = UNSET,
        member: str | UnsetType = UNSET,
        **figures: int,
    ) -> Audited:
        """An audit record of this moment. The names of ``figures`` contain their unit."""
        return audited(
            decision,
            self.subscriber,
            self.now_ms,
            self.cause,
            rule,
            bucket,
            threshold,
            category,
            member,
            **figures,
        )


def moment_of_event(
    account: Account, event: SubscriberEvent, arrival: Arrival, rules: Rulebook
) -> Moment:
    """The moment in which an event is applied; ``arrival`` has the present of the account."""
    return Moment(account, event.subscriber, rules, arrival.received_ms, cause_of(event, arrival))


def moment_of_time(account: Account, subscriber: str, rules: Rulebook, now_ms: int) -> Moment:
    """The moment of a timer, without an input record."""
    return Moment(account, subscriber, rules, now_ms, Cause(due_time=from_ms(now_ms)))
