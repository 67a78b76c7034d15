"""Pseudonyms for subscribers: keyed, stable, of the same form, and different for any two
subscribers.

A number becomes another number with as many digits, by a Feistel network whose round function is
HMAC-SHA256 (the construction of NIST's FF1). That is a permutation, so two subscribers never get
the same pseudonym; without the key it can be neither reversed nor tested. The first three digits do
not change (a country code is needed for routing and is shared by millions). Other ids become ``p``
and 32 hexadecimal digits of their HMAC.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

import orjson

from streamproc.contracts.records.codec import DecodeFailure, decode_event
from streamproc.kafka.recording import LogRecord

ROUNDS = 10
KEPT_DIGITS = 3
MIN_KEY_BYTES = 16
REMEMBERED = 1_000_000
_FIELDS = ("subscriber", "subject", "id", "source")
"""Fields of a valid event that contain its subscriber; ids are often made from it."""
_DIGITS = re.compile(rb"(?<![0-9])[0-9]{8,15}(?![0-9])")


class Pseudonyms:
    """One permutation of subscribers, chosen by ``key`` (secret, at least 16 bytes)."""

    def __init__(self, key: bytes) -> None:
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(
                f"the pseudonym key has {len(key)} bytes, at least {MIN_KEY_BYTES} are needed; "
                "make one with: head -c 32 /dev/urandom | base64 > FILE"
            )
        self._key = key
        self._known: dict[str, str] = {}

    def of(self, subscriber: str) -> str:
        """The pseudonym."""
        known = self._known.get(subscriber)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[subscriber] = self._make(subscriber)
        return known

    def applied_to(self, record: LogRecord) -> LogRecord:
        """The record with pseudonyms in its key, value and headers."""
        key = record.key
        text = None if key is None else key.decode("utf-8", "replace")
        value = record.value
        if value:
            value = self._in_value(value, key, record)
        return record._replace(
            key=None if text is None else self.of(text).encode(),
            value=value,
            headers=tuple((n, v and self._scrubbed(v, text)) for n, v in record.headers),
        )

    def _in_value(self, value: bytes, key: bytes | None, record: LogRecord) -> bytes:
        text = None if key is None else key.decode("utf-8", "replace")
        try:
            decode_event(value, key, record.headers)
            event = orjson.loads(value)
        except (DecodeFailure, orjson.JSONDecodeError):
            # A malformed record can have numbers anywhere, so every run of digits that could be
            # one is replaced.
            return self._scrubbed(value, text)
        self._in_event(event, text)
        if isinstance(event.get("data"), dict):  # a CloudEvent in structured mode
            self._in_event(event["data"], text)
        return orjson.dumps(event)

    def _in_event(self, event: dict[str, Any], subscriber: str | None) -> None:
        for name in _FIELDS:
            held = event.get(name)
            if subscriber and isinstance(held, str):
                event[name] = held.replace(subscriber, self.of(subscriber))

    def _scrubbed(self, data: bytes, subscriber: str | None) -> bytes:
        if subscriber and not subscriber.isdecimal():
            data = data.replace(subscriber.encode(), self.of(subscriber).encode())
        return _DIGITS.sub(lambda found: self.of(found[0].decode()).encode(), data)

    def _make(self, subscriber: str) -> str:
        if not (subscriber.isascii() and subscriber.isdecimal()) or len(subscriber) < 5:
            digest = hmac.new(self._key, subscriber.encode(), hashlib.sha256).hexdigest()
            return f"p{digest[:32]}"
        kept = min(KEPT_DIGITS, len(subscriber) - 4)
        head, tail = subscriber[:kept], subscriber[kept:]
        return head + self._permuted(head, tail)

    def _permuted(self, head: str, tail: str) -> str:
        middle = len(tail) // 2
        left, right = tail[:middle], tail[middle:]
        for number in range(ROUNDS):
            message = f"{number}/{head}/{len(tail)}/{right}".encode()
            word = int.from_bytes(hmac.digest(self._key, message, "sha256")[:16], "big")
            width = len(left)
            left, right = right, str((int(left) + word) % 10**width).zfill(width)
        return left + right
