"""Audit records of messages that did not go out, or not yet."""

from __future__ import annotations

from typing import Final, get_args

from msgspec import UNSET, UnsetType

from streamproc.core.instants import from_ms
from streamproc.core.rules.notices import NoticeKind
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.effects import Audited, Cause, Effect, audited
from streamproc.core.state.gate import Mark, Waiting

NOTICES: Final = "notice"
"""The speaker of notices, whose marks name a request or a service where others name a bucket."""
_NOTICES: Final = frozenset(get_args(NoticeKind))


def refused(
    decision: str, subscriber: str, rule: Spoken, mark: Mark, at_ms: int, cause: Cause
) -> Effect:
    return audited(
        decision,
        subscriber,
        at_ms,
        cause,
        rule=rule.id,
        bucket=(mark.bucket or UNSET) if rule.kind not in _NOTICES else UNSET,
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
    member: str | UnsetType = UNSET,
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
        member=member,
    )


def audit_mark(
    decision: str,
    subscriber: str,
    waiting: Waiting,
    mark: Mark,
    to: list[str],
    at_ms: int,
    cause: Cause,
    out: list[Effect],
    until_ms: int = 0,
) -> None:
    """The record of one reason. ``until_ms`` tells how long it is held; of recipients ``to`` a
    single member of a pool is named."""
    bucket = mark.bucket if waiting.speaker != NOTICES else ""
    record = of_level(
        decision, subscriber, waiting.rule, bucket, mark.threshold, at_ms, cause,
        to[0] if len(to) == 1 and to[0] else UNSET,
    )  # fmt: skip
    if until_ms:
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
