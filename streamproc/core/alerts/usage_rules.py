"""What usage rules say: thresholds of buckets that usage has reached."""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core.alerts.alarms import Edge, bucket_of, is_reached
from streamproc.core.alerts.audience import of_member
from streamproc.core.alerts.message import Message, Speaker, rule_of
from streamproc.core.alerts.watch_rules import WATCH
from streamproc.core.rules.rulebook import Rulebook, UsageRule
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.account import Account, Bucket
from streamproc.core.state.effects import Cause, Effect, audited
from streamproc.core.state.gate import Mark
from streamproc.core.texts.reminding import remind, threshold_of
from streamproc.core.usage.charging import Crossed
from streamproc.core.usage.own_thresholds import thresholds_of
from streamproc.core.usage.pools import member_of_cap


def _bucket(account: Account, mark: Mark) -> Bucket | None:
    """The bucket of a mark, unless another one has its name by now (the next cycle's)."""
    bucket = bucket_of(account, mark.bucket)
    return bucket if bucket is not None and bucket.granted_ms <= mark.at_ms else None


def _is_true(account: Account, rule: Spoken, mark: Mark, at_ms: int, rules: Rulebook) -> bool:
    """Still used up to the threshold: a top-up may have lifted it, the bucket may have ended."""
    assert isinstance(rule, UsageRule)
    bucket = _bucket(account, mark)
    if bucket is None or mark.threshold not in thresholds_of(account, rule, rules):
        return False
    return is_reached(account, rule, bucket, mark.threshold, rules)


def _say(
    account: Account,
    subscriber: str,
    rule: Spoken,
    mark: Mark,
    to: list[str],
    cycle_start_ms: int,
    as_of_ms: int,
    cause: Cause,
    rules: Rulebook,
) -> list[Effect]:
    assert isinstance(rule, UsageRule)
    bucket = _bucket(account, mark)
    assert bucket is not None, "the gate asks for what is true only"
    return remind(
        account,
        subscriber,
        rule,
        [bucket],
        bucket,
        threshold_of(rule, mark.threshold),
        f"{mark.bucket}/{mark.threshold}/{mark.arming}",
        cycle_start_ms,
        as_of_ms,
        cause,
        rules,
        to,
    )


def _order(rule: Spoken, mark: Mark) -> int:
    """Most used, or least left."""
    is_of_used = rule.kind in ("usage_percent", "used_bytes")
    return mark.threshold if is_of_used else -mark.threshold


USAGE = Speaker("usage", rule_of(UsageRule), _is_true, _say, of_member, _order)


def edges_of_crossed(crossed: list[Crossed]) -> list[Edge]:
    """The thresholds that usage reached, bucket by bucket, ascending."""
    return [
        Edge(crossing.rule, one.bucket, crossing.value, crossing.used_bytes)
        for one in crossed
        for crossing in one.crossings
    ]


def messages_of_edges(
    account: Account,
    subscriber: str,
    edges: list[Edge],
    as_of_ms: int,
    cause: Cause,
    member: str = "",
) -> tuple[list[Effect], list[Message]]:
    """One message per rule and bucket, of its highest threshold; the others are superseded.

    ``member`` is who of a pool crossed them, if anybody in particular.
    """
    if len(edges) == 1:  # the usual case, in short
        return [], [_message(edges[0], (), as_of_ms, cause, member)]
    out: list[Effect] = []
    tops: dict[tuple[str, str], Edge] = {}
    lower: dict[tuple[str, str], list[Mark]] = {}
    for edge in edges:
        place = (edge.rule.id, edge.bucket_id)
        other = tops.get(place)
        if other is None:
            tops[place] = edge
            continue
        below, tops[place] = (other, edge) if edge.order >= other.order else (edge, other)
        lower.setdefault(place, []).append(_mark(below, as_of_ms, member))
        out.append(_superseded(below, subscriber, as_of_ms, cause, member))
    return out, [
        _message(edge, tuple(lower.get(place, ())), as_of_ms, cause, member)
        for place, edge in tops.items()
    ]


def _superseded(edge: Edge, subscriber: str, as_of_ms: int, cause: Cause, member: str) -> Effect:
    bucket = edge.bucket
    record = audited(
        "superseded",
        subscriber,
        as_of_ms,
        cause,
        rule=edge.rule.id,
        bucket=bucket.id if bucket else UNSET,
        threshold=edge.threshold,
        member=member_of_cap(edge.bucket_id) or (member if bucket else "") or UNSET,
    )
    if bucket:
        record.figures["used_bytes"] = bucket.used_bytes
    return record


def _mark(edge: Edge, as_of_ms: int, member: str) -> Mark:
    bucket = edge.bucket
    if bucket is None:
        return Mark(as_of_ms, "", edge.threshold, as_of_ms, member)
    return Mark(as_of_ms, bucket.id, edge.threshold, bucket.arming, member)


def _message(
    edge: Edge, lower: tuple[Mark, ...], as_of_ms: int, cause: Cause, member: str
) -> Message:
    rule = edge.rule
    speaker = USAGE if isinstance(rule, UsageRule) else WATCH
    return Message(speaker, rule, _mark(edge, as_of_ms, member), cause, lower)
