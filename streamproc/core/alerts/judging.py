"""Whether messages that waited are still true and still wanted."""

from __future__ import annotations

from typing import Final

from streamproc.core.alerts.audit_records import cause_of_release, of_waiting, refused
from streamproc.core.alerts.message import Candidate, recipients_left
from streamproc.core.rules.sending import PLAIN, Spoken
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Effect
from streamproc.core.state.message_memory import Mark, Waiting
from streamproc.core.state.moment import Moment

MOST_LOWER: Final = 20
"""Superseded marks that are kept for one message: a rule of many steps can pass more in one
night."""


def is_wanted(moment: Moment, rule: Spoken, mark: Mark, out: list[Effect]) -> bool:
    """Whether neither an opt-out nor the rule's validity stops a message. If one does, it is
    audited."""
    policy = rule.policy
    if is_opted_out(moment.account, rule):
        out.append(refused(moment, "opted_out", rule, mark))
        return False
    if policy is not PLAIN and not policy.valid_from_ms <= moment.now_ms < policy.valid_until_ms:
        out.append(refused(moment, "out_of_validity", rule, mark))
        return False
    return True


def is_opted_out(account: Account, rule: Spoken) -> bool:
    return rule.category in account.opted_out and not rule.mandatory


def judge(moment: Moment, entry: Candidate, out: list[Effect]) -> Candidate | None:
    """A held message with the highest of its marks that is still true.

    None if no mark is true, or if the message is not wanted any more. Then it is removed and
    audited.
    """
    speaker, rule, waiting, _ = entry
    account = moment.account
    moment = moment.because(cause_of_release(waiting, moment.now_ms))
    mark = waiting.mark
    marks = [mark]
    if speaker.order is not None and waiting.lower:
        order = speaker.order
        marks = sorted((mark, *waiting.lower), key=lambda one: order(rule, one), reverse=True)
    true = next((one for one in marks if speaker.is_true(moment, rule, one)), None)
    if true is not mark and not speaker.is_true(moment, rule, mark):
        out.append(of_waiting(moment, "no_longer_true", waiting, recipients_left(entry, moment)))
    if true is not None:
        waiting.lower = marks[marks.index(true) + 1 :]
        waiting.marks = [true]
        if is_wanted(moment, rule, true, out):
            return entry
    forget(account, waiting)
    return None


def lower_marks(marks: list[Mark], threshold: int) -> list[Mark]:
    """The superseded marks to keep, oldest first, below this threshold: the last one of each
    threshold."""
    last = {one.threshold: one for one in marks if one.threshold != threshold}
    kept = sorted(last.values(), key=lambda one: one.at_ms)
    return kept if len(kept) <= MOST_LOWER else [kept[0], *kept[1 - MOST_LOWER :]]


def forget(account: Account, waiting: Waiting) -> None:
    """Remove a message from those that wait."""
    if account.extra is not None:
        account.extra.waiting = [one for one in account.extra.waiting if one is not waiting]
