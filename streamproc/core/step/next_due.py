"""When something falls due for an account, derived from its state and the rulebook only.

There is no stored schedule: the next due instant is the earliest occurrence after the account's
clock, so a timer can neither be forgotten nor fire twice (law 19).
"""

from __future__ import annotations

from typing import NamedTuple

from streamproc.core.alerts.checks import next_check_ms
from streamproc.core.alerts.gate import next_release_ms
from streamproc.core.instants import NEVER_MS, to_ms
from streamproc.core.rules.rulebook import Rulebook, TimedRule
from streamproc.core.schedule.calendar import known_zone
from streamproc.core.schedule.choices import timed_rules_due
from streamproc.core.schedule.notice_times import advice_ms
from streamproc.core.schedule.notice_times import soonest_ms as notices_due_ms
from streamproc.core.schedule.occurrences import next_of, soonest_ms
from streamproc.core.schedule.timed_reminder import Due
from streamproc.core.state.account import ACTIVE, HELD, Account, Held
from streamproc.core.state.events import AccountActivated


def next_due_ms(account: Account, subscriber: str, rules: Rulebook) -> int:
    """The next instant at which the account has work; NEVER_MS if none."""
    if account.status == HELD:
        return min(let_go_ms(held, rules) for held in account.held)
    waiting_ms = min((to_ms(held.event.time) for held in account.held), default=NEVER_MS)
    if account.status != ACTIVE:
        return min(forgotten_ms(account, rules), waiting_ms)
    soonest = min(account.cycle_end_ms, notices_due_ms(account, rules), waiting_ms)
    if account.extra is not None:
        soonest = min(soonest, next_release_ms(account))
    if rules.has_checks:
        soonest = min(soonest, next_check_ms(account, rules))
    for bucket in account.buckets:
        soonest = min(soonest, bucket.expires_ms)
    if rules.timed_rules:
        tz, clock_ms = known_zone(account.time_zone), account.clock_ms
        for rule in timed_rules_due(account, rules):
            at_ms = soonest_ms(rule, account, subscriber, clock_ms, soonest, tz)
            if at_ms < soonest:
                soonest = at_ms
    return soonest


def forgotten_ms(account: Account, rules: Rulebook) -> int:
    """Until when a closed account is kept: after that no duplicate of its events can arrive."""
    return account.closed_ms + rules.limits.longest_remembered_ms


def let_go_ms(held: Held, rules: Rulebook) -> int:
    """When an event of an unknown subscriber stops waiting. An activation waits until its own
    time."""
    if isinstance(held.event, AccountActivated):
        return to_ms(held.event.time)
    return held.arrival.received_ms + rules.limits.hold_unknown_ms


def reminders_due(account: Account, subscriber: str, at_ms: int, rules: Rulebook) -> list[Due]:
    """The timed reminders of exactly this instant, in rulebook order.

    Each is the next occurrence of its rule, separately for each bucket if the rule is about
    buckets.
    """
    if not rules.timed_rules:
        return []
    tz, clock_ms = known_zone(account.time_zone), account.clock_ms
    found: list[Due] = []
    for rule in timed_rules_due(account, rules):
        if soonest_ms(rule, account, subscriber, clock_ms, at_ms + 1, tz) <= at_ms:
            series = next_of(rule, account, subscriber, clock_ms, tz)
            found += [due for due in series if due.at_ms == at_ms]
    return found


class Turn(NamedTuple):
    """The place of an instant's messages in a storm."""

    urgency: int
    """Smaller numbers first: held usage reminders, then mandatory messages, then by priority."""
    deadline_ms: int
    """After this instant they are not sent, only audited."""


HELD_ALERT = -1
MANDATORY = 0


def turn_of(account: Account, subscriber: str, rules: Rulebook) -> Turn | None:
    """The turn of an account's next due instant; None if no message is due then."""
    at_ms = account.next_due_ms
    if account.status != ACTIVE:
        return None
    turns = [
        Turn(
            MANDATORY if due.rule.mandatory else 1 + due.rule.priority,
            at_ms + min(due.rule.misfire_grace_ms, due.rule.ttl_ms - 1),
        )
        for due in reminders_due(account, subscriber, at_ms, rules)
    ]
    for waiting in account.extra.waiting if account.extra is not None else ():
        if waiting.until_ms <= at_ms:
            rule = rules.rules_by_id.get(waiting.rule)
            urgency = HELD_ALERT
            if isinstance(rule, TimedRule):
                urgency = MANDATORY if rule.mandatory else 1 + rule.priority
            turns.append(Turn(urgency, NEVER_MS))
    if notices_due_ms(account, rules) <= at_ms:
        advice = rules.notices.get("plan_advice")
        is_advice = advice is not None and advice_ms(account, advice) <= at_ms
        turns.append(Turn(1 + advice.priority if advice and is_advice else MANDATORY, NEVER_MS))
    return min(turns, default=None)


__all__ = ["Due", "Turn", "next_due_ms", "reminders_due", "turn_of"]
