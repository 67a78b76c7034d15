"""Audit records of messages that did not go out, or not yet."""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core.alerts.policy import Spoken
from streamproc.core.alerts.state import Mark, Waiting
from streamproc.core.effects import Audited, Cause, Effect, audited
from streamproc.core.instants import from_ms


def refused(
    decision: str, subscriber: str, rule: Spoken, mark: Mark, at_ms: int, cause: Cause
) -> Effect:
    return audited(
        decision,
        subscriber,
        at_ms,
        cause,
        rule=rule.id,
        bucket=mark.bucket or UNSET,
        threshold=mark.threshold if mark.threshold >= 0 else UNSET,
        category=rule.category,
    )


def of_level(
    decision: str,
    subscriber: str,
    rule: str,
    bucket: str,
    threshold: int,
    at_ms: int,
    cause: Cause,
) -> Audited:
    """About a threshold (-1: the rule has none) of a bucket (empty: of the account)."""
    return audited(
        decision,
        subscriber,
        at_ms,
        cause,
        rule=rule,
        bucket=bucket or UNSET,
        threshold=threshold if threshold >= 0 else UNSET,
    )


def audit_marks(
    decision: str,
    subscriber: str,
    waiting: Waiting,
    marks: list[Mark],
    at_ms: int,
    cause: Cause,
    out: list[Effect],
    until_ms: int | None = None,
) -> None:
    """One record per reason; ``until_ms`` tells how long it is held."""
    for mark in marks:
        record = of_level(
            decision, subscriber, waiting.rule, mark.bucket, mark.threshold, at_ms, cause
        )
        if until_ms is not None:
            record.figures["until_ms"] = until_ms
        out.append(record)


def cause_of_release(waiting: Waiting, at_ms: int) -> Cause:
    """Both traces: the record that was the reason, and the instant at which it went out."""
    cause = waiting.cause
    return Cause(
        cause.event_id,
        cause.source,
        cause.topic,
        cause.partition,
        cause.offset,
        from_ms(at_ms),
    )
