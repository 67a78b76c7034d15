"""Input records to events, effects to output records."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Final, TypeVar, get_args

import msgspec
from msgspec import UNSET, UnsetType

from streamproc.contracts.records.cloudevents import (
    PREFIX,
    SUFFIX,
    BadEnvelopeError,
    Headers,
    UnknownTypeError,
    unwrap,
)
from streamproc.contracts.records.encodings import envelope_of, not_json, not_subscriber
from streamproc.contracts.records.plain_words import plain_words, sentence
from streamproc.contracts.zones import is_zone
from streamproc.core.privacy import conceal
from streamproc.core.schedule.calendar import zone as known_zone_file
from streamproc.core.state.effects import Audited, Effect, Order, PolicyChanged, Rejected, Reminder
from streamproc.core.state.events import (
    AccountActivated,
    ClockAdvanced,
    InputEvent,
    ProfileChanged,
    SubscriberEvent,
)
from streamproc.errors import StreamprocError

T = TypeVar("T", Reminder, Audited, Rejected, PolicyChanged)

MAX_RECORD_BYTES = 1_000_000

UNREADABLE: Final = (ValueError, RecursionError)
"""What decoders raise for records of other programs: errors of msgspec, text that is not UTF-8, and
nesting that is too deep."""

_UNKNOWN_FIELD: Final = "Object contains unknown field "
_FIELD_NAME: Final = re.compile("[A-Za-z_]{1,40}")
"""A field name may be repeated in a reject if it cannot be a number or an address."""
_TYPE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z._-]{0,63}(?:v[0-9]{1,2})?")
_WITHOUT_TYPE: Final = "Object missing required field `type`"
_TYPES: Final = [str(one.__struct_config__.tag) for one in get_args(InputEvent)]

_decode: Callable[[bytes], InputEvent] = msgspec.json.Decoder(InputEvent).decode
_decode_effect: Callable[[bytes], Effect] = msgspec.json.Decoder(Effect).decode

encode_effect = msgspec.json.Encoder().encode
"""Effect to JSON; timestamps are RFC 3339 in UTC."""


class DecodeFailure(StreamprocError):  # it says that input is bad, not that streamproc failed
    """Input that is not an event. ``reason`` is the reason of the reject; ``detail`` never repeats
    values.

    If the detail is about one field, ``field`` names it and ``says`` is the rest of the sentence.
    """

    def __init__(
        self,
        reason: str,
        detail: str,
        event_id: str | UnsetType = UNSET,
        field: str = "",
        says: str = "",
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.event_id = event_id
        self.field = field
        self.says = says or detail


def decode_event(
    value: bytes | None,
    key: bytes | None,
    headers: Headers = (),
    max_bytes: int = MAX_RECORD_BYTES,
) -> InputEvent:
    """The event in a record: plain JSON, or CloudEvents 1.0 in either mode of its Kafka binding.

    Raises :class:`DecodeFailure`. The key must be the subscriber, because the key has decided the
    partition, and the subscriber's state is in that partition.
    """
    if value is not None and len(value) > max_bytes:
        raise DecodeFailure("oversized", f"{len(value)} bytes, at most {max_bytes} are read")
    plain: bytes | None = value
    try:
        plain = unwrap(value, headers) if headers else value
        if not plain:
            raise DecodeFailure("tombstone" if value is None else "empty", "there is no value")
        event = _decode(plain)
    except BadEnvelopeError as error:
        raise DecodeFailure("bad_envelope", str(error)) from None
    except UnknownTypeError as error:
        raise DecodeFailure("unknown_type", str(error)) from None
    except msgspec.ValidationError as error:
        raise _violation(str(error), plain or b"") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DecodeFailure("malformed_json", f"the value {not_json(plain or b'')}") from None
    except RecursionError:
        raise DecodeFailure("malformed_json", "the value is nested too deeply") from None
    if not isinstance(event, ClockAdvanced) and key != event.subscriber.encode():
        raise _key_mismatch(event, key)
    if isinstance(event, AccountActivated | ProfileChanged):
        zone = event.time_zone
        # The core itself rejects what is not a zone at all, in its order of checks.
        if isinstance(zone, str) and not is_zone(zone) and known_zone_file(zone) is not None:
            event_id = conceal(event.id, event.subscriber)
            raise DecodeFailure("unknown_time_zone", "no such IANA time zone", event_id)
    return event


def _violation(message: str, value: bytes) -> DecodeFailure:
    """What msgspec found, less the values it quotes: they stay in the input topic."""
    if value.startswith(b'"'):
        says = "the value is a JSON string: the event in it was encoded twice"
        return DecodeFailure("contract_violation", says)
    if message.startswith("Invalid value '"):
        return DecodeFailure("unknown_type", _unknown_type(message))
    if message == _WITHOUT_TYPE:
        message = envelope_of(_names(value)) or message
    if message.startswith("Invalid enum value "):
        place = message.rpartition(" - at ")[2]
        message = f"is none of the words that it can be - at {place}"
    elif message.startswith(_UNKNOWN_FIELD):
        name = message.removeprefix(_UNKNOWN_FIELD).strip("`")
        if not _FIELD_NAME.fullmatch(name):
            message = "Object contains unknown field"
    field, says = plain_words(message)
    detail = sentence(message, "the event")
    return DecodeFailure("contract_violation", detail, field=field, says=says)


def _unknown_type(message: str) -> str:
    """A sentence that names the type, if that cannot be a number or an address."""
    name = message.removeprefix("Invalid value '").partition("' - at ")[0]
    if not _TYPE_NAME.fullmatch(name):
        return "there is no such event type"
    if name in _TYPES:
        return "the event has two types"
    plain = name.removeprefix(PREFIX).removesuffix(SUFFIX)
    alike = [plain] if plain in _TYPES else get_close_matches(plain, _TYPES, 1)
    return f"there is no event type {name}" + (f"; did you mean {alike[0]}?" if alike else "")


def _names(value: bytes) -> tuple[str, ...]:
    """The names of the fields of an object."""
    try:
        return tuple(msgspec.json.decode(value, type=dict[str, msgspec.Raw]))
    except UNREADABLE:
        return ()


def _key_mismatch(event: SubscriberEvent, key: bytes | None) -> DecodeFailure:
    if key is None:
        event_id = conceal(event.id, event.subscriber)
        return DecodeFailure("key_mismatch", "the record has no key", event_id)
    event_id = conceal(conceal(event.id, key.decode(errors="replace")), event.subscriber)
    says = not_subscriber(key)
    detail = f"the key {says}" if says else "the key is not the event's subscriber"
    return DecodeFailure("key_mismatch", detail, event_id)


def decode_effect(value: bytes) -> Effect:
    """Decode any output record. Raises ``msgspec.DecodeError``; unknown fields are ignored."""
    return _decode_effect(value)


def decode_reminder(value: bytes) -> Reminder:
    """Decode a reminder. Raises ``msgspec.DecodeError``. Unknown fields of later releases are
    ignored."""
    return _decode_as(Reminder, value)


def decode_audit(value: bytes) -> Audited:
    """Decode an audit record. Raises ``msgspec.DecodeError``. Unknown fields of later releases are
    ignored."""
    return _decode_as(Audited, value)


def decode_reject(value: bytes) -> Rejected:
    """Decode a reject. Raises ``msgspec.DecodeError``. Unknown fields of later releases are
    ignored."""
    return _decode_as(Rejected, value)


def decode_order(value: bytes) -> Order:
    """Decode an order. Raises ``msgspec.DecodeError``. Unknown fields of later releases are
    ignored."""
    effect = _decode_effect(value)
    if not isinstance(effect, Order):
        raise msgspec.ValidationError("the record is not an order")
    return effect


def decode_policy(value: bytes) -> PolicyChanged:
    """Decode a policy record. Raises ``msgspec.DecodeError``. Unknown fields of later releases are
    ignored."""
    return _decode_as(PolicyChanged, value)


def _decode_as(kind: type[T], value: bytes) -> T:
    # The union of all types is decoded, because msgspec does not check the tag of a single type.
    effect = _decode_effect(value)
    if not isinstance(effect, kind):
        raise msgspec.ValidationError(f"the record is not a {kind.__struct_config__.tag}")
    return effect


def encode_event(event: InputEvent) -> bytes:
    """Plain JSON form of an input event."""
    return encode_effect(event)


__all__ = [
    "DecodeFailure",
    "Effect",
    "decode_audit",
    "decode_effect",
    "decode_event",
    "decode_order",
    "decode_policy",
    "decode_reject",
    "decode_reminder",
    "encode_effect",
    "encode_event",
]
