"""Pseudonyms for subscribers and ids: keyed, stable, and different for any two of them.

A number becomes another number with as many digits, by a Feistel network whose round function is
HMAC-SHA256 (the construction of NIST's FF1). That is a permutation, so two subscribers never get
the same pseudonym; without the key it can be neither reversed nor tested. The first three digits do
not change (a country code is needed for routing and is shared by millions). Other ids become ``p``
and 32 hexadecimal digits of their HMAC.
"""

from __future__ import annotations

import hashlib
import hmac

from streamproc.core.subscribers import foreign_form

ROUNDS = 10
KEPT_DIGITS = 3
MIN_KEY_BYTES = 16
REMEMBERED = 1_000_000
_TO_LETTERS = str.maketrans("0123456789", "ghijklmnop")
"""Hexadecimal digits as letters: what is made so has no digit that could be one of a number."""


class Pseudonyms:
    """One permutation of subscribers, chosen by ``key`` (secret, at least 16 bytes)."""

    def __init__(self, key: bytes) -> None:
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(
                f"the pseudonym key has {len(key)} bytes, at least {MIN_KEY_BYTES} are needed; "
                "make one with: (umask 077; head -c 32 /dev/urandom | base64 > FILE)"
            )
        self._key = key
        self._known: dict[str, str] = {}

    def of(self, subscriber: str) -> str:
        """The pseudonym of a subscriber."""
        known = self._known.get(subscriber)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[subscriber] = self._make(subscriber)
        return known

    def of_id(self, text: str) -> str:
        """The pseudonym of an id: 32 letters, the same wherever the id is."""
        return self._digest("id", text).translate(_TO_LETTERS)

    def of_hash(self, text: str, digits: int = 32) -> str:
        """The pseudonym of an id that is a hash: as many (up to 32) hexadecimal digits."""
        return self._digest("hash", text)[:digits]

    def _make(self, subscriber: str) -> str:
        if subscriber.isascii() and subscriber.isdecimal() and len(subscriber) >= 5:
            kept = min(KEPT_DIGITS, len(subscriber) - 4)
            head, tail = subscriber[:kept], subscriber[kept:]
            return head + self._permuted(head, tail)
        if foreign_form(subscriber) is not None:
            # An event of such a subscriber is rejected, and must be with the pseudonym, too.
            return f"tel:{self.of_id(subscriber)}"
        return f"p{self._digest('', subscriber)}"

    def _digest(self, use: str, text: str) -> str:
        # Subscribers have no prefix, so that earlier recordings with the same key fit.
        data = f"{use}\0{text}" if use else text
        whole = hmac.new(self._key, data.encode("utf-8", "surrogateescape"), hashlib.sha256)
        return whole.hexdigest()[:32]

    def _permuted(self, head: str, tail: str) -> str:
        middle = len(tail) // 2
        left, right = tail[:middle], tail[middle:]
        for number in range(ROUNDS):
            message = f"{number}/{head}/{len(tail)}/{right}".encode()
            word = int.from_bytes(hmac.digest(self._key, message, "sha256")[:16], "big")
            width = len(left)
            left, right = right, str((int(left) + word) % 10**width).zfill(width)
        return left + right
