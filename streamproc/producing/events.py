"""Builds events, and checks them as the worker will do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import uuid4

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from streamproc.contracts.numbers import NumberError, Numbering, subscriber_key
from streamproc.contracts.records.cloudevents import (
    BadEnvelopeError,
    UnknownTypeError,
    unwrap_line,
)
from streamproc.contracts.records.codec import DecodeFailure, decode_event, encode_event
from streamproc.contracts.records.encodings import NO_JSON, not_json
from streamproc.core.state.events import ClockAdvanced, SubscriberEvent, UsageRecorded
from streamproc.core.subscribers import SubscriberKind, foreign_form
from streamproc.errors import StreamprocError

Event = TypeVar("Event", bound=SubscriberEvent)

ANY_NUMBERS: Final = Numbering()
"""Numbers with country code in any form, and ids."""
NUMBER_FIELDS: Final = frozenset(("subscriber", "member"))
"""Fields that contain a subscriber."""


class InvalidEventError(StreamprocError, ValueError):
    """An event that the worker would reject; ``field`` is the wrong field, None for the whole
    event."""

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
    numbering: Numbering = ANY_NUMBERS,
) -> UsageRecorded:
    """A usage event: ``total_bytes``, or both directions. Raises :class:`InvalidEventError`.

    ``subscriber`` and ``member`` can be phone numbers in any form; ``numbering`` says which
    region's numbers have no country code.

    A repeated event is recognised by ``id`` and ``source``: use the id of the record in your
    system. Without ``id`` a random one is made, and an event that is sent twice counts twice.
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
        numbering=numbering,
    )


def build(kind: type[Event], *, numbering: Numbering = ANY_NUMBERS, **fields: Any) -> Event:
    """An event of ``kind``, such as ``AccountActivated``. Fields that are None are left out.

    Without ``id`` a random one is made; without ``time`` it is now. Phone numbers are converted to
    the form of keys. Raises :class:`InvalidEventError`.
    """
    known = set(kind.__struct_fields__)
    for name in fields:
        if name not in known:
            raise InvalidEventError(f"{kind.__name__} has no such field", name)
    given = {name: value for name, value in fields.items() if value is not None}
    given.setdefault("id", uuid4().hex)
    # Only the producer gives an event its time by a clock: the clock of the sender.
    given.setdefault("time", datetime.now(UTC))  # noqa: TID251
    for name in kind.__struct_fields__[: -len(kind.__struct_defaults__) or None]:
        if name not in given:
            raise InvalidEventError("is missing", name)
    for name in NUMBER_FIELDS & given.keys():
        given[name] = key_in(name, given[name], numbering)
    try:
        event = kind(**given)
    except ValueError as error:
        raise InvalidEventError(str(error)) from None
    checked(event, numbering.kind)
    return event


def key_in(field: str, text: Any, numbering: Numbering) -> Any:
    """A subscriber in the form of keys. A value that is not text is left to the check of the event.

    Raises :class:`InvalidEventError`.
    """
    try:
        return subscriber_key(text, numbering) if isinstance(text, str) else text
    except NumberError as error:
        raise InvalidEventError(str(error), field) from None


def with_keys(event: Event, numbering: Numbering) -> Event:
    """The event with all its phone numbers in the form of keys. Raises InvalidEventError."""
    changed = {}
    for name in NUMBER_FIELDS & set(event.__struct_fields__):
        text = getattr(event, name)
        key = key_in(name, text, numbering)
        if key != text:
            changed[name] = key
    return replace(event, **changed) if changed else event


def with_keys_in(value: bytes, numbering: Numbering) -> bytes:
    """The same for an event in JSON. Raises :class:`InvalidEventError`."""
    try:
        held = msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _no_object(value) from None
    keys = {
        name: key_in(name, held[name], numbering)
        for name in NUMBER_FIELDS & held.keys()
        if held[name]
    }
    if all(held[name] == key for name, key in keys.items()):
        return value
    return msgspec.json.encode({**held, **keys})


def checked(event: SubscriberEvent, kind: SubscriberKind = "any") -> tuple[bytes, bytes]:
    """Key and value of the event's record, after the same check that the worker makes.

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
    return key, checked_value(key, value, kind)


def checked_value(key: bytes, value: bytes, kind: SubscriberKind = "any") -> bytes:
    """The same for an event that is already JSON."""
    form = foreign_form(key.decode(errors="replace"), kind)
    if form is not None:
        raise InvalidEventError(form, "subscriber")
    try:
        decode_event(value, key)
    except DecodeFailure as failure:
        raise _explained(failure, key) from None
    return value


def _explained(failure: DecodeFailure, key: bytes) -> InvalidEventError:
    if failure.reason == "key_mismatch" and key.startswith(b"\0"):
        return InvalidEventError("must not begin with a zero byte", "subscriber")
    says = failure.says
    if failure.field == "subscriber" and "form" in says:
        says = "must be 3 to 64 printable ASCII characters, the first a letter or digit"
    return InvalidEventError(says, failure.field or None)


def _no_object(value: bytes) -> InvalidEventError:
    says = not_json(value)
    return InvalidEventError("is not a JSON object" if says == NO_JSON else says)


def unwrapped(value: bytes) -> bytes:
    """An event in JSON without its CloudEvents envelope, if it has one.

    Raises :class:`InvalidEventError`.
    """
    try:
        return unwrap_line(value)
    except (BadEnvelopeError, UnknownTypeError) as error:
        raise InvalidEventError(f"CloudEvents: {error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _no_object(value) from None


def subscriber_of(value: bytes) -> bytes:
    """The key of an event in JSON. Raises :class:`InvalidEventError` if it has no subscriber."""
    try:
        held = msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _no_object(value) from None
    subscriber = held.get("subscriber", UNSET)
    if not isinstance(subscriber, str):
        problem = "is missing" if subscriber is UNSET else "must be text"
        raise InvalidEventError(problem, "subscriber")
    return subscriber.encode()
