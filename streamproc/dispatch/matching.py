"""Finds the accepted part that a delivery report is about.

Some message centers answer a submit with a hexadecimal id but use decimal in the report, or the
other way round, or other leading zeros. ``10`` can be both hexadecimal and decimal. So a converted
id counts only if the report's number is certainly the message's number. And if the gateway is not
known to convert, it counts only while no other message to that number can be meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from streamproc.dispatch.number_hashes import agree

ID_LIMIT: Final = 64
"""Characters of a message id. SMPP 3.4 has 65 octets for it, with the final zero (5.2.23)."""


@dataclass(frozen=True, slots=True)
class AwaitedPart:
    """An accepted part that waits for its report."""

    partition: int
    id: str
    number: int
    peer: str
    """Hashes of the number."""


def bounded_id(message_id: str) -> str:
    """The id as this program keeps it: an id that the standard does not allow becomes a digest.

    So whatever a message center sends, an id needs little space, and its report still finds it.
    """
    if len(message_id) <= ID_LIMIT and message_id.isprintable():
        return message_id
    written = plain(message_id).encode("utf-8", "surrogatepass")
    return f"digest-{blake2b(written, digest_size=16).hexdigest()}"


def converted(message_id: str) -> set[str]:
    """The other ways to write an id: hexadecimal as decimal and the reverse."""
    known = plain(message_id)
    found: set[str] = set()
    if len(known) > ID_LIMIT:
        return found
    if known.isascii() and known.isdigit():
        found.add(f"{int(known):X}")
    if len(known) <= 32 and known and all(char in "0123456789ABCDEF" for char in known):
        found.add(str(int(known, 16)))
    return found - {known}


class AwaitedParts:
    """Accepted parts by gateway and message id."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], list[AwaitedPart]] = {}
        self._converted: dict[tuple[str, str], list[AwaitedPart]] = {}

    def add(self, gateway: str, message_id: str, part: AwaitedPart) -> None:
        """``message_id`` as in the gateway's answer; an empty one names nothing."""
        if not message_id.strip():
            return
        _put(self._exact, (gateway, plain(message_id)), part)
        for other in converted(message_id):
            _put(self._converted, (gateway, other), part)

    def remove(self, gateway: str, message_id: str, part: AwaitedPart) -> None:
        """The part does not need a report any more."""
        _take(self._exact, (gateway, plain(message_id)), part)
        for other in converted(message_id):
            _take(self._converted, (gateway, other), part)

    def find(self, gateway: str, message_id: str, peer: str) -> AwaitedPart | None:
        """The part that a report names by its id unchanged; ``peer`` has hashes of the report's
        number, or is empty."""
        same = self._exact.get((gateway, plain(message_id)), [])
        # A message center that begins its numbers again can give two messages the same id.
        certain = [part for part in same if agree(part.peer, peer)]
        found = certain or [part for part in same if agree(part.peer, peer) is None]
        return found[0] if len(found) == 1 else None

    def find_converted(self, gateway: str, message_id: str, peer: str) -> AwaitedPart | None:
        """The part that a report names if its id is written in another way."""
        same = self._converted.get((gateway, plain(message_id)), [])
        found = [part for part in same if agree(part.peer, peer)]
        return found[0] if len(found) == 1 else None


def _put(
    parts: dict[tuple[str, str], list[AwaitedPart]], key: tuple[str, str], part: AwaitedPart
) -> None:
    same = parts.setdefault(key, [])
    if part not in same:
        same.append(part)


def _take(
    parts: dict[tuple[str, str], list[AwaitedPart]], key: tuple[str, str], part: AwaitedPart
) -> None:
    left = [one for one in parts.get(key, []) if one != part]
    if left:
        parts[key] = left
    else:
        parts.pop(key, None)


def plain(message_id: str) -> str:
    """An id without the differences of case and leading zeros."""
    return message_id.strip().upper().lstrip("0") or "0"
