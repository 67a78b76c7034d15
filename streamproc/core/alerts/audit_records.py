"""Audit records of messages that are held or dropped."""

from __future__ import annotations

from typing import Final, get_args

from msgspec import UNSET, UnsetType

from streamproc.core.instants import from_ms
from streamproc.core.rules.notices import NoticeKind
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.effects import Audited, Cause, Effect
from streamproc.core.state.message_memory import Mark, Waiting
from streamproc.core.state.moment import Moment

NOTICES: Final = "notice"
"""The speaker of notices. Their marks name a request or a service; other marks name a bucket."""
_NOTICES: Final = frozenset(get_args(NoticeKind))


def refused(moment: Moment, decision: str, rule: Spoken, mark: Mark) -> Effect:
    """The record of a message that is not wanted."""
    return moment.audited(
        decision,
        rule=rule.id,
        bucket=(mark.bucket or UNSET) if rule.kind not in _NOTICES else UNSET,
        threshold=mark.threshold if mark.threshold >= 0 else UNSET,
        category=rule.category,
    )


def of_level(
    moment: Moment,
    decision: str,
    rule: str,
    bucket: str,
    threshold: int,
    member: str | UnsetType = UNSET,
) -> Audited:
    """A record about a threshold (-1: the rule has none) of a bucket (empty: of the account)."""
    return moment.audited(
        decision,
        rule=rule,
        bucket=bucket or UNSET,
        threshold=threshold if threshold >= 0 else UNSET,
        member=member,
    )


def of_waiting(
    moment: Moment, decision: str, waiting: Waiting, to: list[str], until_ms: int = 0
) -> Effect:
    """The record of a message that waited, or that waits from now on.

    ``until_ms`` is the end of its delay. If ``to`` is a single member of a pool, the record names
    it.
    """
    mark = waiting.mark
    bucket = mark.bucket if waiting.speaker != NOTICES else ""
    member = to[0] if len(to) == 1 and to[0] else UNSET
    record = of_level(moment, decision, waiting.rule, bucket, mark.threshold, member)
    if until_ms:
        record.figures["until_ms"] = until_ms
    return record


def cause_of_release(waiting: Waiting, at_ms: int) -> Cause:
    """Both origins: the record that gave the reason, and the instant at which the message was
    sent."""
    cause = waiting.cause
    return Cause(
        cause.event_id,
        cause.source,
        cause.topic,
        cause.partition,
        cause.offset,
        from_ms(at_ms),
    )
