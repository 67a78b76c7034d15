"""Builds events, and checks them as the worker will."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from msgspec import UNSET

from streamproc.contracts.records.cloudevents import (
    BadEnvelopeError,
    UnknownTypeError,
    unwrap_line,
)
from streamproc.contracts.records.codec import DecodeFailure, decode_event, encode_event
from streamproc.core.state.events import ClockAdvanced, SubscriberEvent, UsageRecorded
from streamproc.errors import StreamprocError

Event = TypeVar("Event", bound=SubscriberEvent)


class InvalidEventError(StreamprocError, ValueError):
    """An event that the worker would reject; ``field`` is where, None for the whole event."""

    def __init__(self, problem: str, field: str | None = None) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.problem = problem
        self.field = field


def usage(
    subscriber: str,
    *,
    source: str,
    id: str | None = None,
    time: datetime | None = None,
    total_bytes: int | None = None,
    uplink_bytes: int | None = None,
    downlink_bytes: int | None = None,
    rating_group: int = 0,
    service: str | None = None,
    roaming_zone: str = "home",
    member: str | None = None,
) -> UsageRecorded:
    """A usage event: ``total_bytes``, or both directions. Raises :class:`InvalidEventError`.

    ``id`` is what a repeated event is recognised by, together with ``source``: give the id that
    your system has for the record. Without it a random one is made, and an event that is sent
    twice counts twice.
    """
    return build(
        UsageRecorded,
        subscriber=subscriber,
        source=source,
        id=id,
        time=time,
        total_bytes=total_bytes,
        uplink_bytes=uplink_bytes,
        downlink_bytes=downlink_bytes,
        rating_group=rating_group,
        service=service,
        roaming_zone=roaming_zone,
        member=member,
    )


def build(kind: type[Event], **fields: Any) -> Event:
    """An event of ``kind``, such as ``AccountActivated``; fields that are None are left out.

    ``id`` is made up and ``time`` is now if missing. Raises :class:`InvalidEventError`.
    """
    known = set(kind.__struct_fields__)
    for name in fields:
        if name not in known:
            raise InvalidEventError(f"{kind.__name__} has no such field", name)
    given = {name: value for name, value in fields.items() if value is not None}
    given.setdefault("id", uuid4().hex)
    # The producer is where an event meets a clock: its sender's.
    given.setdefault("time", datetime.now(UTC))  # noqa: TID251
    for name in kind.__struct_fields__[: -len(kind.__struct_defaults__) or None]:
        if name not in given:
            raise InvalidEventError("is missing", name)
    try:
        event = kind(**given)
    except ValueError as error:
        raise InvalidEventError(str(error)) from None
    checked(event)
    return event


def checked(event: SubscriberEvent) -> tuple[bytes, bytes]:
    """Key and value of the event's record, after the very check that the worker makes.

    Raises :class:`InvalidEventError`.
    """
    if isinstance(event, ClockAdvanced):
        raise InvalidEventError("a clock record belongs to no subscriber; replay writes it")
    time = event.time
    if isinstance(time, datetime) and time.tzinfo is None:
        raise InvalidEventError("needs a time zone, such as datetime.now(UTC)", "time")
    if not isinstance(event.subscriber, str):
        raise InvalidEventError("must be text, not a number", "subscriber")
    try:
        value = encode_event(event)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidEventError(str(error)) from None
    key = event.subscriber.encode()
    return key, checked_value(key, value)


def checked_value(key: bytes, value: bytes) -> bytes:
    """The same for an event that is JSON already."""
    try:
        decode_event(value, key)
    except DecodeFailure as failure:
        raise _explained(failure, key) from None
    return value


def _explained(failure: DecodeFailure, key: bytes) -> InvalidEventError:
    if failure.reason == "key_mismatch" and key.startswith(b"\0"):
        return InvalidEventError("must not begin with a zero byte", "subscriber")
    problem, at, path = failure.detail.partition(" - at `$.")
    if at:
        field = path.rstrip("`")
        if field == "subscriber" and "regex" in problem:
            problem = "must be 3 to 64 printable ASCII characters, the first a letter or digit"
        return InvalidEventError(problem, field)
    return InvalidEventError(failure.detail if not at else problem)


def unwrapped(value: bytes) -> bytes:
    """An event in JSON without its CloudEvents envelope, if it has one.

    Raises :class:`InvalidEventError`.
    """
    try:
        return unwrap_line(value)
    except (BadEnvelopeError, UnknownTypeError) as error:
        raise InvalidEventError(f"CloudEvents: {error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidEventError("is not a JSON object") from None


def subscriber_of(value: bytes) -> bytes:
    """The key of an event in JSON. Raises :class:`InvalidEventError` if it has no subscriber."""
    try:
        held = msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidEventError("is not a JSON object") from None
    subscriber = held.get("subscriber", UNSET)
    if not isinstance(subscriber, str):
        problem = "is missing" if subscriber is UNSET else "must be text"
        raise InvalidEventError(problem, "subscriber")
    return subscriber.encode()
