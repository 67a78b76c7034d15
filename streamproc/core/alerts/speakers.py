"""The gate with all who speak through it, and what makes them speak.

A new kind of messages is added to ``SPEAKERS``.
"""

from __future__ import annotations

from typing import Final

from streamproc.core.alerts import alarms, checks, gate
from streamproc.core.alerts.alarms import Edge
from streamproc.core.alerts.correction_rules import CORRECTED
from streamproc.core.alerts.losses import Standing, edges_of_loss
from streamproc.core.alerts.message import Message
from streamproc.core.alerts.notices import NOTICE
from streamproc.core.alerts.timed_rules import TIMED
from streamproc.core.alerts.usage_rules import USAGE, edges_of_crossed, messages_of_edges
from streamproc.core.alerts.watch_rules import WATCH, Values, edges_of_expiry
from streamproc.core.instants import from_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import UNRESTRICTED, leaves_no_trace
from streamproc.core.state.account import Account
from streamproc.core.state.decisions import balance_before, balance_of, explained
from streamproc.core.state.effects import Cause, Effect
from streamproc.core.usage.charging import Crossed

SPEAKERS: Final = {
    one.name: one
    for one in (USAGE, WATCH, TIMED, alarms.RESOLVED, checks.CHECKS, NOTICE, CORRECTED)
}


def submit(
    account: Account,
    subscriber: str,
    messages: list[Message],
    at_ms: int,
    rules: Rulebook,
    wall_ms: int = 0,
) -> list[Effect]:
    """Let messages of one instant through the gate; see :func:`gate.submit`."""
    return gate.submit(account, subscriber, messages, at_ms, rules, SPEAKERS, wall_ms)


def release(
    account: Account,
    subscriber: str,
    at_ms: int,
    wall_ms: int,
    rules: Rulebook,
    newer: list[Message],
) -> list[Effect]:
    """Send what was held until an instant; see :func:`gate.release`."""
    return gate.release(account, subscriber, at_ms, wall_ms, rules, SPEAKERS, newer)


def look_again(
    account: Account, subscriber: str, at_ms: int, cause: Cause, rules: Rulebook
) -> list[Effect]:
    """What is held waits for something else now; see :func:`gate.look_again`."""
    return gate.look_again(account, subscriber, at_ms, cause, rules, SPEAKERS)


def after_usage(
    account: Account,
    subscriber: str,
    edges: list[Edge],
    before: Values,
    as_of_ms: int,
    cause: Cause,
    rules: Rulebook,
    member: str = "",
    *,
    is_of_cycle: bool = True,
) -> list[Effect]:
    """What thresholds that usage reached give reason to say, and alarms that it has ended.

    ``before`` are the figures of watch rules before the usage, if any. Late usage of a closed cycle
    (not ``is_of_cycle``) is none of the events that ``for_count`` counts.
    """
    out: list[Effect] = []
    over: list[Message] = []
    if rules.tracked or account.extra is not None:
        slowed = alarms.end_slowed(account, before, as_of_ms, rules)
        counted = alarms.count_usage(account, as_of_ms, rules) if is_of_cycle else []
        edges, out = alarms.note(account, subscriber, edges, counted, as_of_ms, cause, rules)
        over, resolved = alarms.rejudge(account, subscriber, as_of_ms, cause, rules, slowed)
        out += resolved
    superseded, messages = messages_of_edges(account, subscriber, edges, as_of_ms, cause, member)
    out += superseded
    if messages or over:
        out += submit(account, subscriber, [*over, *messages], as_of_ms, rules)
    return out


def telling_changes_nothing(rules: Rulebook) -> bool:
    """Whether messages about usage pass the gate at once and leave no trace in any account.

    That is of accounts without rarely used state (``Account.extra``).
    """
    return (
        rules.alerts is UNRESTRICTED
        and not rules.tracked
        and all(leaves_no_trace(rule.policy) for rule in rules.usage_rules)
    )


def after_plain_usage(
    account: Account,
    subscriber: str,
    crossed: list[Crossed],
    used_bytes: int,
    overage_bytes: int,
    as_of_ms: int,
    cause: Cause,
    rules: Rulebook,
) -> list[Effect]:
    """What usage of the plain case gives reason to say, explained; the account stays as it is.

    ``overage_bytes`` are those of ``used_bytes`` that no bucket covered.
    """
    edges = edges_of_crossed(crossed)
    out = after_usage(account, subscriber, edges, [], as_of_ms, cause, rules)
    after = balance_of(account)
    before = balance_before(
        after,
        after.granted_bytes,
        after.used_bytes - (used_bytes - overage_bytes),
        after.overage_bytes - overage_bytes,
    )
    return explained(out, before, after)


def after_expiry(
    account: Account, subscriber: str, before: Values, at_ms: int, rules: Rulebook
) -> list[Effect]:
    """What the end of packs and top-ups gives reason to say; ``before`` are the figures before."""
    cause = Cause(due_time=from_ms(at_ms))
    edges = edges_of_expiry(account, before, rules)
    return _tell(account, subscriber, edges, at_ms, cause, rules)


def after_loss(
    account: Account,
    subscriber: str,
    before: Standing,
    at_ms: int,
    cause: Cause,
    rules: Rulebook,
    member: str = "",
) -> list[Effect]:
    """What a change gives reason to say that leaves less than there was; see ``losses``.

    ``member`` is who of a pool it is about, if anybody in particular.
    """
    edges = edges_of_loss(account, before, rules)
    return _tell(account, subscriber, edges, at_ms, cause, rules, member)


def _tell(
    account: Account,
    subscriber: str,
    edges: list[Edge],
    at_ms: int,
    cause: Cause,
    rules: Rulebook,
    member: str = "",
) -> list[Effect]:
    """What thresholds give reason to say that something else than usage has reached."""
    edges, out = alarms.note(account, subscriber, edges, [], at_ms, cause, rules)
    superseded, messages = messages_of_edges(account, subscriber, edges, at_ms, cause, member)
    out += superseded
    return [*out, *submit(account, subscriber, messages, at_ms, rules)] if messages else out


def after_change(
    account: Account, subscriber: str, at_ms: int, cause: Cause, rules: Rulebook
) -> list[Effect]:
    """What is over by a top-up, a refund, another plan or a new cycle."""
    over, out = alarms.rejudge(account, subscriber, at_ms, cause, rules)
    return [*out, *submit(account, subscriber, over, at_ms, rules)] if over else out


def at_instant(
    account: Account, subscriber: str, at_ms: int, wall_ms: int, rules: Rulebook
) -> list[Effect]:
    """What checks and rules that begin to be valid give reason to say at an instant."""
    cause = Cause(due_time=from_ms(at_ms))
    edges = checks.edges_of_created(account, at_ms, rules)
    edges, out = alarms.note(account, subscriber, edges, [], at_ms, cause, rules)
    superseded, messages = messages_of_edges(account, subscriber, edges, at_ms, cause)
    found, missed = checks.due(account, subscriber, at_ms, wall_ms, rules)
    out += [*superseded, *missed]
    if messages or found:
        out += submit(account, subscriber, [*messages, *found], at_ms, rules, wall_ms)
    return out
