"""A moment: one account at one instant, and why it is looked at.

Almost everything in the core is about one: it is passed instead of its five parts. It is made where
an event is applied or an instant is done (``core/step``). The account in it changes in place.
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
    """Whose account it is: the key of its records."""
    rules: Rulebook
    """Those in force."""
    now_ms: int
    """The present of the account: figures are of this instant, and records bear it."""
    cause: Cause
    """The input record or the due instant that led here; every effect names it."""

    def because(self, cause: Cause) -> Moment:
        """The same for another reason: a held message bears that of its own event."""
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
        """An audit record of this moment; ``figures`` carry their unit in their name."""
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
    """The moment in which an event is applied; ``arrival`` bears the account's present."""
    return Moment(account, event.subscriber, rules, arrival.received_ms, cause_of(event, arrival))


def moment_of_time(account: Account, subscriber: str, rules: Rulebook, now_ms: int) -> Moment:
    """A moment that time has brought, and no record."""
    return Moment(account, subscriber, rules, now_ms, Cause(due_time=from_ms(now_ms)))
