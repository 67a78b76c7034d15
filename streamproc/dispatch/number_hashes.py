"""Keyed hashes of numbers: a delivery report finds its message, and nobody finds the number.

Journal and reports topic name a number by its hash only. Without the key a number cannot be tested
against it. While the key is replaced, the old and the new one are both in use: what is written has
a hash by each, so that dispatchers with either understand each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from streamproc.dispatch.gateways.entry import GatewaysError
from streamproc.kafka.secret import Secret

TELLING_DIGITS: Final = 8
"""The last digits of a number are the same with and without country code or plus."""
MIN_KEY_LENGTH: Final = 16
MOST_KEYS: Final = 3
LONGEST: Final = MOST_KEYS * len("01234567:0123456789abcdef ")
"""Characters of the hashes of a number."""
_KEPT: Final = 1 << 16


class NumberHashes:
    """Hashes by one key, or by several while a key is replaced; the first one is the newest."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = [
            (blake2b(b"id", key=_long(key), digest_size=4).hexdigest(), _long(key)) for key in keys
        ]
        self.of = lru_cache(_KEPT)(self._of)
        """The hashes of a number, the same for all ways to write it: ``KEY:HASH KEY:HASH``, where
        KEY says by which key."""

    def _of(self, address: str) -> str:
        told = "".join(char for char in address if char.isalnum())[-TELLING_DIGITS:].encode()
        return " ".join(
            f"{name}:{blake2b(told, key=key, digest_size=8).hexdigest()}"
            for name, key in self._keys
        )


def by_key(hashes: str) -> dict[str, str]:
    """Hashes by key. Those of earlier releases had no key and are not among them."""
    pairs = (one.partition(":") for one in hashes.split())
    return {name: found for name, colon, found in pairs if colon}


def keyed(hashes: str) -> str:
    """The hashes without those of earlier releases, from which a number can be found."""
    return hashes if ":" in hashes else ""


def agree(one: str, other: str) -> bool | None:
    """Whether hashes are of the same number; None if no key made hashes on both sides."""
    ours, theirs = by_key(one), by_key(other)
    common = ours.keys() & theirs.keys()
    return any(ours[name] == theirs[name] for name in common) if common else None


def keys_of(secret: Secret) -> list[bytes]:
    """The keys in a secret: one on each line, the newest first. Raises ``GatewaysError``."""
    keys = [line.strip() for line in secret.reveal().splitlines() if line.strip()]
    if not 1 <= len(keys) <= MOST_KEYS or any(len(key) < MIN_KEY_LENGTH for key in keys):
        raise GatewaysError(
            f"the key of number hashes must be 1 to {MOST_KEYS} lines, each of at least "
            f"{MIN_KEY_LENGTH} characters; make one with: "
            f"(umask 077; head -c 32 /dev/urandom | base64 > FILE)"
        )
    return [key.encode() for key in keys]


def _long(key: bytes) -> bytes:
    return blake2b(key).digest()
