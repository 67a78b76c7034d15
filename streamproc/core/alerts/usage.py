"""What usage rules say: thresholds of buckets that usage has reached."""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core.alerts.alarms import Edge, bucket_of, is_reached
from streamproc.core.alerts.gate import Message, Speaker, rule_of
from streamproc.core.alerts.own import thresholds_of
from streamproc.core.alerts.policy import Spoken
from streamproc.core.alerts.rules import WatchRule
from streamproc.core.alerts.state import Mark
from streamproc.core.alerts.watch import WATCH
from streamproc.core.charging import Crossed
from streamproc.core.effects import Cause, Effect, audited
from streamproc.core.model import Account, Bucket
from streamproc.core.reminding import remind, threshold_of
from streamproc.core.rulebook import Rulebook, UsageRule


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
    marks: list[Mark],
    cycle_start_ms: int,
    as_of_ms: int,
    cause: Cause,
    rules: Rulebook,
) -> list[Effect]:
    """Several buckets at once: one reminder that names them, led by the emptiest."""
    assert isinstance(rule, UsageRule)
    named: list[Bucket] = []
    first: tuple[Bucket, Mark] | None = None
    arming = ""
    for mark in marks:
        arming += f"{',' if arming else ''}{mark.bucket}/{mark.threshold}/{mark.arming}"
        found = _bucket(account, mark)
        if found is None:
            continue
        named.append(found)
        if first is None or found.remaining_bytes < first[0].remaining_bytes:
            first = found, mark
    assert first is not None, "the gate asks for what is true only"
    bucket, leading = first
    return remind(
        account,
        subscriber,
        rule,
        named,
        bucket,
        threshold_of(rule, leading.threshold),
        arming,
        cycle_start_ms,
        as_of_ms,
        cause,
        rules,
        leading.detail,
    )


USAGE = Speaker("usage", rule_of(UsageRule), _is_true, _say)


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
    """One message per rule, of the highest threshold of each bucket; the others are superseded.

    ``member`` is who of a pool crossed them, if anybody in particular.
    """
    if len(edges) == 1:  # the usual case, in short
        return [], [_message(edges[0].rule, [_mark(edges[0], as_of_ms, member)], cause)]
    out: list[Effect] = []
    tops: dict[tuple[str, str], Edge] = {}
    for edge in edges:
        place = (edge.rule.id, edge.bucket_id)
        other = tops.get(place)
        if other is None:
            tops[place] = edge
            continue
        lower, tops[place] = (other, edge) if edge.order >= other.order else (edge, other)
        record = audited(
            "superseded",
            subscriber,
            as_of_ms,
            cause,
            rule=lower.rule.id,
            bucket=lower.bucket.id if lower.bucket else UNSET,
            threshold=lower.threshold,
        )
        if lower.bucket:
            record.figures["used_bytes"] = lower.bucket.used_bytes
        out.append(record)
    marks: dict[str, tuple[UsageRule | WatchRule, list[Mark]]] = {}
    for edge in tops.values():
        mark = _mark(edge, as_of_ms, member)
        marks.setdefault(edge.rule.id, (edge.rule, []))[1].append(mark)
    return out, [_message(rule, found, cause) for rule, found in marks.values()]


def _mark(edge: Edge, as_of_ms: int, member: str) -> Mark:
    bucket = edge.bucket
    if bucket is None:
        return Mark(as_of_ms, "", edge.threshold, as_of_ms, member)
    return Mark(as_of_ms, bucket.id, edge.threshold, bucket.arming, member)


def _message(rule: UsageRule | WatchRule, marks: list[Mark], cause: Cause) -> Message:
    return Message(USAGE if isinstance(rule, UsageRule) else WATCH, rule, marks, cause)
