"""What delays a message and until when, and what the account must remember for that."""

from __future__ import annotations

from bisect import insort
from typing import NamedTuple

from streamproc.core.alerts.quiet import quiet_until_ms
from streamproc.core.rules.rulebook import Rulebook, TimedRule
from streamproc.core.rules.sending import QuietHours, Spoken
from streamproc.core.schedule.calendar import known_zone
from streamproc.core.schedule.nights import hours_together, own_quiet_hours
from streamproc.core.state.account import Account, RareState, drop_empty_rare_state, rare_state_of
from streamproc.core.state.message_memory import RecipientMemory


class Delay(NamedTuple):
    """The reason for a delay, and its end."""

    why: str
    until_ms: int


def earliest(
    account: Account,
    to: str,
    rule: Spoken,
    since_ms: int,
    at_ms: int,
    rules: Rulebook,
    cool_ms: int = 0,
) -> Delay:
    """The earliest instant, from ``at_ms`` on, for a message to a recipient, and the reason for the
    delay.

    ``since_ms`` is when the message first had a reason. ``cool_ms`` is the end of a cool-down that
    the account does not know yet.
    """
    policy = rule.policy
    delay = Delay("", at_ms)
    if policy.coalesce_ms and since_ms + policy.coalesce_ms > delay.until_ms:
        delay = Delay("coalescing", since_ms + policy.coalesce_ms)
    told = _told(account, to)
    if told is not None:
        cool_ms = max(cool_ms, told.cooling.get(rule.id, 0))
    if cool_ms > delay.until_ms:
        delay = Delay("cool_down", cool_ms)
    if told is not None and not rule.mandatory:
        sent = told.sent_ms
        for cap in rules.alerts.caps:
            # The message at this place from the end must have left the window before another
            # one is allowed.
            if len(sent) >= cap.messages and (
                (free_ms := sent[-cap.messages] + cap.window_ms) > delay.until_ms
            ):
                delay = Delay("capped", free_ms)
    hours = _hours_without(account, rule, rules)
    if hours:
        end_ms = quiet_until_ms(hours, delay.until_ms, known_zone(account.time_zone))
        if end_ms > delay.until_ms:
            delay = Delay("quiet_hours", end_ms)
    return delay


def _hours_without(account: Account, rule: Spoken, rules: Rulebook) -> tuple[QuietHours, ...]:
    """The hours in which a rule's messages are held: the subscriber's own quiet hours, else those
    of the rules file, and the rule's own hours."""
    chosen: QuietHours | None = None
    if rule.policy.in_quiet_hours == "hold":
        has_own = account.extra is not None and bool(account.extra.quiet_minutes)
        chosen = own_quiet_hours(account) if has_own else rules.alerts.quiet_hours
    return hours_together(chosen, rule.not_between if isinstance(rule, TimedRule) else None)


def _told(account: Account, to: str) -> RareState | RecipientMemory | None:
    """The memory of messages to a recipient; an empty text is the account's own number."""
    extra = account.extra
    return extra if extra is None or not to else extra.members_told.get(to)


def _told_of(account: Account, to: str) -> RareState | RecipientMemory:
    """The same, to be changed; created if there is none."""
    extra = rare_state_of(account)
    return extra.members_told.setdefault(to, RecipientMemory()) if to else extra


def note_sent(account: Account, to: str, at_ms: int, rules: Rulebook) -> None:
    """Remember a message for the caps. Mandatory messages count too."""
    kept = max((cap.messages for cap in rules.alerts.caps), default=0)
    if kept:
        sent = _told_of(account, to).sent_ms
        insort(sent, at_ms)
        del sent[:-kept]


def note_cooling(account: Account, to: str, rule: Spoken, at_ms: int) -> None:
    """Remember until when a rule may not send to a recipient."""
    if rule.policy.cool_down_ms:
        _told_of(account, to).cooling[rule.id] = at_ms + rule.policy.cool_down_ms


def tidy(account: Account, at_ms: int, rules: Rulebook) -> None:
    """Forget sent messages that no cap and no cool-down counts any more."""
    extra = account.extra
    if extra is None:
        return
    window_ms = max((cap.window_ms for cap in rules.alerts.caps), default=0)
    _forget_old(extra, at_ms, window_ms)
    for told in extra.members_told.values():
        _forget_old(told, at_ms, window_ms)
    if extra.members_told:
        extra.members_told = {
            to: one for to, one in extra.members_told.items() if one.sent_ms or one.cooling
        }
    drop_empty_rare_state(account)


def _forget_old(told: RareState | RecipientMemory, at_ms: int, window_ms: int) -> None:
    if told.sent_ms:
        told.sent_ms = [one for one in told.sent_ms if one > at_ms - window_ms]
    if told.cooling:
        told.cooling = {rule: end_ms for rule, end_ms in told.cooling.items() if end_ms > at_ms}
