"""Records without numbers and texts of people, by the fields of the contract.

A record is decoded, each field is replaced by what ``contracts/records/personal.py`` says that it
holds, and the record is written as plain JSON. So nothing gets through that the contract does not
name. Equal values stay equal, so a refund still finds its event and a pool its members.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from streamproc.contracts.records.cloudevents import unwrap
from streamproc.contracts.records.codec import DecodeFailure, decode_event, encode_effect
from streamproc.contracts.records.origin import ORIGIN_HEADER, origin_header, origin_of
from streamproc.contracts.records.personal import Holds, decode_output, fields_of, held_by
from streamproc.contracts.records.receipts import DeadLetter, Receipt
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.events import SmsReceived
from streamproc.core.subscribers import SHORTEST
from streamproc.core.usage.pools import MEMBER
from streamproc.kafka.recording import LogRecord
from streamproc.tools.replay.pseudonyms import Pseudonyms
from streamproc.tools.replay.sms_words import SmsWords

Headers = tuple[tuple[str, bytes | None], ...]

TRACE_HEADER: Final = "traceparent"
_TRACE: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""W3C Trace Context, level 1: version, trace, span, flags."""
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
"""A name that a topic of Kafka can have."""
_OF_CAP: Final = f"{MEMBER}:"
_NOT_AN_ENVELOPE: Final[Headers] = (("ce_specversion", b"withheld"),)

_WITHHELD: Final[Mapping[str, bytes | None]] = {
    "tombstone": None,
    "empty": b"",
    "malformed_json": b"withheld",
    "unknown_type": b'{"type":"withheld"}',
    "bad_envelope": b"withheld",
}
"""What stands for a value that is not a record, by the reason for which a worker rejects it."""
_VIOLATION: Final = b'{"type":"usage.recorded"}'


class Pseudonymiser:
    """Replaces what identifies people in records. ``rules`` are those of the worker."""

    def __init__(self, key: bytes, rules: Rulebook) -> None:
        """``key`` is secret. Raises ``ValueError`` if it is too short."""
        self.pseudonyms = Pseudonyms(key)
        self.withheld = 0
        """Values that were not records of the contract, and were left out."""
        self._sms = SmsWords(rules)
        self._names = {
            *rules.plans,
            *rules.packs,
            *rules.services,
            *rules.zones,
            *rules.categories,
            *rules.rules_by_id,
        }
        self._replace: Mapping[Holds, Callable[[str], str]] = {
            Holds.SUBSCRIBER: self.pseudonyms.of,
            Holds.MASKED: lambda text: "*" * len(text),
            Holds.ID: lambda text: text and self.pseudonyms.of_id(text),
            Holds.RECORD_ID: self.pseudonyms.of_hash,
            Holds.TEXT: _blank,
            Holds.NAME: self._name,
            Holds.WORD: lambda text: text,
        }

    def applied_to(self, record: LogRecord) -> LogRecord:
        """The record with pseudonyms in its key, value and headers."""
        headers = self._headers(record)
        try:
            found: Struct = decode_event(record.value, record.key, record.headers)
        except DecodeFailure as failure:
            other = _read_anyway(record, failure)
            if other is None:
                return self._left_out(record, failure.reason, headers)
            found = other
        key = self._key(record.key, found)
        return record._replace(key=key, value=encode_effect(self._shown(found)), headers=headers)

    def _left_out(self, record: LogRecord, reason: str, headers: Headers) -> LogRecord:
        """A record that a worker rejects for the same reason."""
        if record.value:
            self.withheld += 1
        value = _WITHHELD.get(reason, _VIOLATION)
        if reason == "oversized":
            value = b" " * len(record.value or b"")
        if reason == "bad_envelope":
            headers = (*_NOT_AN_ENVELOPE, *headers)
        return record._replace(key=self._key(record.key, None), value=value, headers=headers)

    def _key(self, key: bytes | None, record: Struct | None) -> bytes | None:
        if key is None:
            return None
        text = key.decode("utf-8", "surrogateescape")
        if isinstance(record, Receipt | DeadLetter):
            return self.pseudonyms.of_hash(text).encode()
        return self.pseudonyms.of(text).encode()

    def _headers(self, record: LogRecord) -> Headers:
        """Only headers that are understood stay. The attributes of a CloudEvent are in the value
        now."""
        found: list[tuple[str, bytes | None]] = []
        for name, content in record.headers:
            if name == ORIGIN_HEADER:
                # Anybody who writes to the topic can say anything there.
                place = origin_of([(name, content)])
                if place is not None and _TOPIC.fullmatch(place[0]):
                    found.append(origin_header(self._name(place[0]), *place[1:]))
            trace = _TRACE.fullmatch(content or b"") if name == TRACE_HEADER else None
            if trace is not None:
                version, ids, flags = trace[1], (trace[2], trace[3]), trace[4]
                hidden = [self.pseudonyms.of_hash(one.decode(), len(one)).encode() for one in ids]
                found.append((name, b"-".join((version, *hidden, flags))))
        return tuple(found)

    def _shown(self, record: Struct) -> Struct:
        struct = type(record).__name__
        replaced = {
            name: self._value(struct, name, value, record) for name, value in fields_of(record)
        }
        return msgspec.structs.replace(record, **replaced)

    def _value(self, struct: str, field: str, value: object, record: Struct) -> Any:
        if isinstance(value, str):
            if isinstance(record, SmsReceived) and field == "text":
                return self._sms.kept(value, record.subscriber)
            return self._replace[held_by(struct, field)](value)
        if isinstance(value, list):
            return [self._value(struct, field, one, record) for one in value]
        if isinstance(value, dict):
            return {
                self._name(name): self._value(struct, field, one, record)
                for name, one in value.items()
            }
        return self._shown(value) if isinstance(value, Struct) else value

    def _name(self, text: str) -> str:
        """A name stays, unless it has as many digits as a phone number and is none of the rules."""
        if text.startswith(_OF_CAP):
            return _OF_CAP + self.pseudonyms.of(text.removeprefix(_OF_CAP))
        digits = sum(one.isnumeric() for one in text)
        return text if digits < SHORTEST or text in self._names else self.pseudonyms.of_id(text)


def _blank(text: str) -> str:
    """Words without meaning, as long as those that they stand for."""
    return "".join(
        "0" if one.isnumeric() else one if one.isspace() or one in ".,:;!?" else "x" for one in text
    )


def _read_anyway(record: LogRecord, failure: DecodeFailure) -> Struct | None:
    """The record in a value that a worker does not read as an event; None if there is none."""
    value = record.value or b""
    if failure.reason != "key_mismatch":
        return None if failure.reason == "oversized" else decode_output(value)
    plain = unwrap(value, record.headers) or b""
    subscriber = msgspec.json.decode(plain)["subscriber"]
    return decode_event(value, subscriber.encode(), record.headers)
