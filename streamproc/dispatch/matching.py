"""Finds the accepted part that a delivery report is about.

Some message centers answer a submit with a hexadecimal id but use decimal in the report, or the
other way round, or other leading zeros. So an id is first looked up unchanged. A converted id
counts only if the report's number is the message's number, because ``10`` can be both
hexadecimal and decimal.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

ID_LIMIT: Final = 64
"""Characters of a message id. SMPP 3.4 has 65 octets for it, with the final zero (5.2.23)."""
_TELLING_DIGITS = 8
"""The last digits of a number are the same with and without country code or plus."""


@dataclass(frozen=True, slots=True)
class AwaitedPart:
    """An accepted part that waits for its report."""

    partition: int
    id: str
    number: int
    peer: str


def peer_hash(address: str) -> str:
    """A pseudonym of a number for comparison: the same for all ways to write the number."""
    digits = "".join(char for char in address if char.isalnum())
    return blake2b(digits[-_TELLING_DIGITS:].encode(), digest_size=6).hexdigest()


def bounded_id(message_id: str) -> str:
    """The id as this program keeps it: an id that the standard does not allow becomes a digest.

    So whatever a message center sends, an id needs little space, and its report still finds it.
    """
    if len(message_id) <= ID_LIMIT and message_id.isprintable():
        return message_id
    written = _plain(message_id).encode("utf-8", "surrogatepass")
    return f"digest-{blake2b(written, digest_size=16).hexdigest()}"


def converted(message_id: str) -> set[str]:
    """The other ways to write an id: hexadecimal as decimal and the reverse."""
    plain = _plain(message_id)
    found: set[str] = set()
    if len(plain) > ID_LIMIT:
        return found
    if plain.isascii() and plain.isdigit():
        found.add(f"{int(plain):X}")
    if len(plain) <= 32 and plain and all(char in "0123456789ABCDEF" for char in plain):
        found.add(str(int(plain, 16)))
    return found - {plain}


class Outstanding:
    """Accepted parts by gateway and message id."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], AwaitedPart] = {}
        self._converted: dict[tuple[str, str], list[AwaitedPart]] = {}

    def add(self, gateway: str, message_id: str, part: AwaitedPart) -> None:
        """``message_id`` as in the gateway's answer."""
        self._exact[gateway, _plain(message_id)] = part
        for other in converted(message_id):
            self._converted.setdefault((gateway, other), []).append(part)

    def remove(self, gateway: str, message_id: str, part: AwaitedPart) -> None:
        """The part does not need a report any more."""
        key = gateway, _plain(message_id)
        if self._exact.get(key) == part:
            del self._exact[key]
        for other in converted(message_id):
            left = [one for one in self._converted.get((gateway, other), []) if one != part]
            if left:
                self._converted[gateway, other] = left
            else:
                self._converted.pop((gateway, other), None)

    def find(self, gateway: str, message_id: str, peer: str) -> AwaitedPart | None:
        """The part that a report names; ``peer`` is the hash of the report's number, or empty."""
        key = gateway, _plain(message_id)
        exact = self._exact.get(key)
        if exact is not None and (not peer or exact.peer == peer):
            return exact
        same = [part for part in self._converted.get(key, []) if part.peer == peer]
        return same[0] if len(same) == 1 else None


def _plain(message_id: str) -> str:
    return message_id.strip().upper().lstrip("0") or "0"
