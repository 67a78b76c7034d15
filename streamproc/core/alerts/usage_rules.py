"""Messages of usage rules: thresholds of buckets that usage has reached."""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core.alerts.audience import of_member
from streamproc.core.alerts.message import Message, Speaker, arming_of, rule_of
from streamproc.core.alerts.remembered_thresholds import Reached, bucket_of, is_reached
from streamproc.core.alerts.watch_rules import WATCH
from streamproc.core.rules.kinds import BUCKET_KINDS
from streamproc.core.rules.rulebook import UsageRule
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.account import Account, Bucket
from streamproc.core.state.effects import Effect
from streamproc.core.state.message_memory import Mark
from streamproc.core.state.moment import Moment
from streamproc.core.texts.reminding import About, remind, threshold_of
from streamproc.core.usage.charging import Crossed
from streamproc.core.usage.own_thresholds import thresholds_of
from streamproc.core.usage.pools import member_of_cap


def _bucket(account: Account, mark: Mark) -> Bucket | None:
    """The bucket of a mark, unless its id belongs to another bucket by now (of the next cycle)."""
    bucket = bucket_of(account, mark.bucket)
    return bucket if bucket is not None and bucket.granted_ms <= mark.at_ms else None


def _is_true(moment: Moment, rule: Spoken, mark: Mark) -> bool:
    """Whether the threshold is still reached: a top-up can have moved it, the bucket can have
    ended."""
    assert isinstance(rule, UsageRule)
    account, rules = moment.account, moment.rules
    bucket = _bucket(account, mark)
    if bucket is None or mark.threshold not in thresholds_of(account, rule, rules):
        return False
    return is_reached(account, rule, bucket, mark.threshold, rules)


def _say(
    moment: Moment, rule: Spoken, mark: Mark, to: list[str], cycle_start_ms: int
) -> list[Effect]:
    assert isinstance(rule, UsageRule)
    bucket = _bucket(moment.account, mark)
    assert bucket is not None, "the gate asks for what is true only"
    occasion = f"{mark.bucket}/{mark.threshold}/{mark.arming}"
    threshold = threshold_of(rule, mark.threshold)
    return remind(moment, About(rule, [bucket], occasion, cycle_start_ms, bucket, threshold), to)


def _order(rule: Spoken, mark: Mark) -> int:
    """Sort key: a higher value means more bytes used, or fewer left."""
    return BUCKET_KINDS[rule.kind].urgency(mark.threshold)


USAGE = Speaker("usage", rule_of(UsageRule), _is_true, _say, of_member, _order)


def edges_of_crossed(crossed: list[Crossed]) -> list[Reached]:
    """The thresholds that usage reached, for each bucket ascending."""
    return [
        Reached(crossing.rule, one.bucket, crossing.value, crossing.used_bytes)
        for one in crossed
        for crossing in one.crossings
    ]


def messages_of_edges(
    moment: Moment, edges: list[Reached], member: str = ""
) -> tuple[list[Effect], list[Message]]:
    """One message per rule and bucket, for its highest threshold; the others are superseded.

    ``member`` is the member of a pool that crossed them, if there is one.
    """
    if len(edges) == 1:  # the usual case, written out for speed
        return [], [_message(moment, edges[0], (), member)]
    out: list[Effect] = []
    tops: dict[tuple[str, str], Reached] = {}
    lower: dict[tuple[str, str], list[Mark]] = {}
    for edge in edges:
        place = (edge.rule.id, edge.bucket_id)
        other = tops.get(place)
        if other is None:
            tops[place] = edge
            continue
        below, tops[place] = (other, edge) if edge.order >= other.order else (edge, other)
        lower.setdefault(place, []).append(_mark(below, moment, member))
        out.append(_superseded(moment, below, member))
    return out, [
        _message(moment, edge, tuple(lower.get(place, ())), member) for place, edge in tops.items()
    ]


def _superseded(moment: Moment, edge: Reached, member: str) -> Effect:
    bucket = edge.bucket
    record = moment.audited(
        "superseded",
        rule=edge.rule.id,
        bucket=bucket.id if bucket else UNSET,
        threshold=edge.threshold,
        member=member_of_cap(edge.bucket_id) or (member if bucket else "") or UNSET,
    )
    if bucket:
        record.figures["used_bytes"] = bucket.used_bytes
    return record


def _mark(edge: Reached, moment: Moment, member: str) -> Mark:
    bucket = edge.bucket
    if bucket is None:
        return Mark(moment.now_ms, "", edge.threshold, arming_of(moment), member)
    return Mark(moment.now_ms, bucket.id, edge.threshold, bucket.arming, member)


def _message(moment: Moment, edge: Reached, lower: tuple[Mark, ...], member: str) -> Message:
    rule = edge.rule
    speaker = USAGE if isinstance(rule, UsageRule) else WATCH
    return Message(speaker, rule, _mark(edge, moment, member), moment.cause, lower)
