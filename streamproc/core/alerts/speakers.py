"""All speakers that use the gate, and the functions that make them speak.

To add a kind of messages, add a speaker to ``SPEAKERS``.
"""

from __future__ import annotations

from typing import Final

from streamproc.core.alerts import checks, gate, last_call, late_costs, remembered_thresholds
from streamproc.core.alerts.correction_rules import CORRECTED
from streamproc.core.alerts.held_notices import NOTICE
from streamproc.core.alerts.last_call import LastCall
from streamproc.core.alerts.message import Message
from streamproc.core.alerts.reductions import Costs, Standing, edges_of_costs, edges_of_reduction
from streamproc.core.alerts.remembered_thresholds import Reached
from streamproc.core.alerts.stops import BeforeCycle, edges_of_limits
from streamproc.core.alerts.timed_rules import TIMED
from streamproc.core.alerts.usage_rules import USAGE, edges_of_crossed, messages_of_edges
from streamproc.core.alerts.watch_rules import WATCH, Values, edges_of_expiry
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import UNRESTRICTED, leaves_no_trace
from streamproc.core.state.decisions import balance_before, balance_of, explained
from streamproc.core.state.effects import Effect
from streamproc.core.state.moment import Moment
from streamproc.core.usage.charging import Crossed

SPEAKERS: Final = {
    one.name: one
    for one in (
        USAGE,
        WATCH,
        TIMED,
        remembered_thresholds.RESOLVED,
        checks.CHECKS,
        NOTICE,
        CORRECTED,
    )
}


def submit(moment: Moment, messages: list[Message], wall_ms: int = 0) -> list[Effect]:
    """Pass messages of one instant through the gate; see :func:`gate.submit`."""
    return gate.submit(moment, messages, SPEAKERS, wall_ms)


def release(moment: Moment, wall_ms: int, newer: list[Message]) -> list[Effect]:
    """Send held messages that are due; see :func:`gate.release`."""
    return gate.release(moment, wall_ms, SPEAKERS, newer)


def look_again(moment: Moment) -> list[Effect]:
    """Calculate the delays of held messages again; see :func:`gate.look_again`."""
    return gate.look_again(moment, SPEAKERS)


def speak_of_costs(moment: Moment, wall_ms: int) -> list[Effect]:
    """Send held messages about costs when their cycle ends; see :mod:`last_call`."""
    return last_call.speak_of_costs(moment, wall_ms, SPEAKERS)


def last_calls(moment: Moment) -> list[LastCall]:
    """Held messages about costs, before an event that may cover further usage."""
    return last_call.last_calls(moment, SPEAKERS)


def speak_of_ended_costs(moment: Moment, calls: list[LastCall]) -> list[Effect]:
    """Send those of them that the event has made untrue; see :mod:`last_call`."""
    return last_call.speak_of_ended_costs(moment, calls)


def speak_of_late_costs(
    moment: Moment, before: late_costs.BeforePurchase, edges: list[Reached]
) -> list[Effect]:
    """Report late usage that costs although a bucket bought since covers the next byte; see
    :mod:`late_costs`."""
    return late_costs.speak_of_late_costs(moment, before, edges, WATCH)


def after_usage(
    moment: Moment,
    edges: list[Reached],
    before: Values,
    member: str = "",
    *,
    is_of_cycle: bool = True,
) -> list[Effect]:
    """Messages for thresholds that usage has reached, and for alarms that it has ended.

    ``before`` are the figures of watch rules before the usage, if any. Late usage of a closed cycle
    (not ``is_of_cycle``) is not one of the events that ``for_count`` counts.
    """
    out: list[Effect] = []
    over: list[Message] = []
    if moment.rules.tracked or moment.account.extra is not None:
        slowed = remembered_thresholds.end_slowed(moment, before)
        counted = remembered_thresholds.count_usage(moment) if is_of_cycle else []
        edges, out = remembered_thresholds.note(moment, edges, counted)
        over, resolved = remembered_thresholds.rejudge(moment, slowed)
        out += resolved
    superseded, messages = messages_of_edges(moment, edges, member)
    out += superseded
    if messages or over:
        out += submit(moment, [*over, *messages])
    return out


def telling_changes_nothing(rules: Rulebook) -> bool:
    """Whether messages about usage pass the gate at once and are not remembered by any account.

    This is about accounts without rarely used state (``Account.extra``).
    """
    return (
        rules.alerts is UNRESTRICTED
        and not rules.tracked
        and all(leaves_no_trace(rule.policy) for rule in rules.usage_rules)
    )


def after_plain_usage(
    moment: Moment, crossed: list[Crossed], used_bytes: int, overage_bytes: int
) -> list[Effect]:
    """Effects of plain usage, with balances. The account does not change.

    ``overage_bytes`` is the part of ``used_bytes`` that no bucket covered.
    """
    out = after_usage(moment, edges_of_crossed(crossed), [])
    after = balance_of(moment.account)
    before = balance_before(
        after,
        after.granted_bytes,
        after.used_bytes - (used_bytes - overage_bytes),
        after.overage_bytes - overage_bytes,
    )
    return explained(out, before, after)


def after_expiry(moment: Moment, before: Values, stopped: BeforeCycle) -> list[Effect]:
    """Messages after packs and top-ups have ended; ``before`` are the figures before."""
    edges = edges_of_expiry(moment.account, before, moment.rules)
    begun, still = stopped.edges_of_cycle(moment.account, edges, moment.rules)
    return _tell(moment, edges + begun, still=still)


def after_loss(
    moment: Moment, before: Standing, member: str = "", still: list[Reached] | None = None
) -> list[Effect]:
    """Messages after a change that leaves less; see ``reductions``.

    ``member`` is the member of a pool that it is about, if there is one. ``still`` are limits that
    the change has left in force; see ``stops``.
    """
    edges = edges_of_reduction(moment.account, before, moment.rules)
    return _tell(moment, edges, member, still)


def after_activation(moment: Moment) -> list[Effect]:
    """Messages about limits that are in force from the first instant; see ``stops``."""
    edges = edges_of_limits(moment.account, moment.rules)
    return _tell(moment, edges) if edges else []


def after_purchase(moment: Moment, still: list[Reached]) -> list[Effect]:
    """Messages about limits that a purchase has left in force; see ``stops``."""
    return _tell(moment, [], still=still) if still else []


def after_refund(moment: Moment, before: Costs) -> list[Effect]:
    """Messages after a refund, if data costs again that a cap had stopped; see ``reductions``."""
    return _tell(moment, edges_of_costs(moment.account, before, moment.rules))


def _tell(
    moment: Moment, edges: list[Reached], member: str = "", still: list[Reached] | None = None
) -> list[Effect]:
    """Messages for thresholds that something other than usage has reached. Those that are ``still``
    reached fire again, whatever their alarms remember."""
    if still:
        remembered_thresholds.note_still(moment, still)
    edges, out = remembered_thresholds.note(moment, edges, [])
    edges += still or []
    superseded, messages = messages_of_edges(moment, edges, member)
    out += superseded
    return [*out, *submit(moment, messages)] if messages else out


def after_change(moment: Moment) -> list[Effect]:
    """Messages about reasons that are over after a top-up, a refund, a plan change or a new
    cycle."""
    over, out = remembered_thresholds.rejudge(moment)
    return [*out, *submit(moment, over)] if over else out


def at_instant(moment: Moment, wall_ms: int) -> list[Effect]:
    """Messages of checks, and of rules whose validity begins, at an instant."""
    edges = checks.edges_of_created(moment.account, moment.now_ms, moment.rules)
    edges, out = remembered_thresholds.note(moment, edges, [])
    superseded, messages = messages_of_edges(moment, edges)
    found, missed = checks.due(moment, wall_ms)
    out += [*superseded, *missed]
    if messages or found:
        out += submit(moment, [*messages, *found], wall_ms)
    return out
