"""Lets time pass for an account: does everything that falls due, in order of its instants."""

from __future__ import annotations

from streamproc.core.alerts import gate, speakers
from streamproc.core.alerts.checks import forget_forecasts
from streamproc.core.alerts.message import Message
from streamproc.core.alerts.misfire import message_of_late
from streamproc.core.alerts.stops import BeforeCycle
from streamproc.core.life import lifecycle
from streamproc.core.life.ends import forget_ended
from streamproc.core.notices.timing import do_due, forget_cycle
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.core.state.decisions import balance_of, explained
from streamproc.core.state.effects import Effect
from streamproc.core.state.moment import moment_of_time
from streamproc.core.step.next_due import next_due_ms, reminders_due
from streamproc.core.usage.boundaries import note_end
from streamproc.core.usage.figures import values_of
from streamproc.core.usage.policies import policy_changes


def do_instant(
    account: Account, subscriber: str, due_ms: int, wall_ms: int, rules: Rulebook
) -> list[Effect]:
    """Do all work that falls due for an active account at one instant.

    ``wall_ms`` is later than ``due_ms`` if time passed while no worker ran.
    """
    out: list[Effect] = []
    before = balance_of(account)
    # A pack that arrived late can end before its arrival. The consequences of its end
    # are dated now.
    now_ms = max(due_ms, account.clock_ms)
    moment = moment_of_time(account, subscriber, rules, due_ms)
    as_of_now = moment
    if now_ms != due_ms:
        as_of_now = moment_of_time(account, subscriber, rules, now_ms)
    # A reminder due at this instant describes the state before the cycle or pack ends.
    told: list[Effect] = []
    messages, untold = _timed_due(account, subscriber, due_ms, wall_ms, rules)
    if account.extra is not None:
        latest_ms = max(now_ms, wall_ms)
        told.extend(speakers.release(as_of_now, latest_ms, messages))
    told.extend(untold)
    if messages:
        told.extend(speakers.submit(moment, messages, wall_ms))
    told.extend(do_due(moment, wall_ms))
    if rules.has_checks:
        told.extend(speakers.at_instant(moment, wall_ms))
    if due_ms >= account.cycle_end_ms and account.extra is not None:
        told.extend(speakers.speak_of_costs(as_of_now, wall_ms))
    out.extend(explained(told, before, before))
    # Only an end can change these figures.
    is_end = due_ms >= min((account.cycle_end_ms, *(one.expires_ms for one in account.buckets)))
    figures = values_of(account, rules) if is_end and rules.watch_rules else []
    stopped = BeforeCycle(account, due_ms, rules)
    ended = lifecycle.expire_buckets(account, subscriber, due_ms, rules)
    if ended:
        note_end(account, now_ms)
        forget_ended(account)
    if due_ms >= account.cycle_end_ms:
        ended += lifecycle.roll_cycle(account, subscriber, rules)
        forget_forecasts(account)
        forget_cycle(account, rules)
    if ended and figures:  # after the new cycle's grants, because these can cover such usage again
        ended += speakers.after_expiry(as_of_now, figures, stopped)
    if account.extra is not None:
        ended += speakers.after_change(as_of_now)
    if ended:
        out.extend(explained(ended, before, balance_of(account)))
    if account.extra is not None or account.plan in rules.policies:
        out.extend(policy_changes(as_of_now))
    # A validity can end before the present (a late top-up). The clock never runs backwards, because
    # reminders would be sent twice.
    account.clock_ms = max(account.clock_ms, due_ms)
    account.next_due_ms = next_due_ms(account, subscriber, rules)
    return out


def adopt_rules(account: Account, subscriber: str, now_ms: int, rules: Rulebook) -> None:
    """Schedule an account again after a change of rules, in force since ``now_ms``.

    Work that only the new rules would have caused before that instant is not done. Work that was
    due under the old rules and is not done yet is done.
    """
    account.clock_ms = max(account.clock_ms, min(now_ms, account.next_due_ms - 1))
    moment = moment_of_time(account, subscriber, rules, now_ms)
    gate.wait_by_new_rules(moment, speakers.SPEAKERS)
    reschedule(account, subscriber, rules)


def reschedule(account: Account, subscriber: str, rules: Rulebook) -> None:
    """Calculate again when the account has work, by these rules."""
    account.next_due_ms = next_due_ms(account, subscriber, rules)
    account.rules_id = rules.fingerprint


def _timed_due(
    account: Account, subscriber: str, due_ms: int, wall_ms: int, rules: Rulebook
) -> tuple[list[Message], list[Effect]]:
    """The timed reminders of an instant, and the reasons why others of it are not sent.

    The instant may be past by the wall clock.
    """
    messages: list[Message] = []
    untold: list[Effect] = []
    for due in reminders_due(account, subscriber, due_ms, rules):
        found = message_of_late(account, subscriber, due, wall_ms)
        if isinstance(found, Message):
            messages.append(found)
        else:
            untold.append(found)
    return messages, untold
