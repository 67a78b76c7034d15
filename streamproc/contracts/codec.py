"""Input records to events, effects to output records."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from streamproc.contracts.cloudevents import BadEnvelopeError, unwrap
from streamproc.core.effects import Audited, Effect, Rejected, Reminder
from streamproc.core.events import ClockAdvanced, InputEvent

Headers = Sequence[tuple[str, bytes]]

MAX_RECORD_BYTES = 1_000_000

_decode: Callable[[bytes], InputEvent] = msgspec.json.Decoder(InputEvent).decode
_decode_reminder = msgspec.json.Decoder(Reminder).decode
_decode_audit = msgspec.json.Decoder(Audited).decode
_decode_reject = msgspec.json.Decoder(Rejected).decode

encode_effect = msgspec.json.Encoder().encode
"""Effect to JSON; timestamps are RFC 3339 in UTC."""


class DecodeFailure(Exception):  # a verdict on input, not an error of ours
    """Input that is no event; ``reason`` is a reject's, ``detail`` never repeats values."""

    def __init__(self, reason: str, detail: str, event_id: str | UnsetType = UNSET) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.event_id = event_id


def decode_event(
    value: bytes | None,
    key: bytes | None,
    headers: Headers = (),
    max_bytes: int = MAX_RECORD_BYTES,
) -> InputEvent:
    """The event in a record: plain JSON, or CloudEvents 1.0 in either mode of its Kafka binding.

    Raises :class:`DecodeFailure`. The key must be the subscriber, because it chose the partition
    in which the subscriber's state lies.
    """
    if not value:
        reason = "tombstone" if value is None else "empty"
        raise DecodeFailure(reason, "the record has no value")
    if len(value) > max_bytes:
        raise DecodeFailure("oversized", f"{len(value)} bytes, at most {max_bytes} are read")
    try:
        event = _decode(unwrap(value, headers) if headers else value)
    except BadEnvelopeError as error:
        raise DecodeFailure("bad_envelope", str(error)) from None
    except msgspec.ValidationError as error:
        detail = str(error)
        if detail.startswith("Invalid value '"):
            # msgspec quotes an unknown tag; the value stays in the input topic.
            raise DecodeFailure("unknown_type", "no such event type") from None
        raise DecodeFailure("contract_violation", detail) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DecodeFailure("malformed_json", "the value is not valid JSON") from None
    if not isinstance(event, ClockAdvanced) and (
        key is None or key != event.subscriber.encode() or key.startswith(b"\0")
    ):
        raise DecodeFailure("key_mismatch", "the key is not the event's subscriber", event.id)
    return event


def decode_reminder(value: bytes) -> Reminder:
    """Raises ``msgspec.ValidationError`` or ``msgspec.DecodeError``."""
    return _decode_reminder(value)


def decode_audit(value: bytes) -> Audited:
    """Raises ``msgspec.ValidationError`` or ``msgspec.DecodeError``."""
    return _decode_audit(value)


def decode_reject(value: bytes) -> Rejected:
    """Raises ``msgspec.ValidationError`` or ``msgspec.DecodeError``."""
    return _decode_reject(value)


def encode_event(event: InputEvent) -> bytes:
    """Plain JSON form of an input event."""
    return encode_effect(event)


__all__ = [
    "DecodeFailure",
    "Effect",
    "decode_audit",
    "decode_event",
    "decode_reject",
    "decode_reminder",
    "encode_effect",
    "encode_event",
]
