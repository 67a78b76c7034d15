"""Finds the accepted part that a delivery report is about.

Some message centers answer a submit with a hexadecimal id but use decimal in the report, or the
other way round, or other leading zeros. So an id is first looked up unchanged. A converted id
counts only if the report's number is certainly the message's number, because ``10`` can be both
hexadecimal and decimal.
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


class Outstanding:
    """Accepted parts by gateway and message id."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], AwaitedPart] = {}
        self._converted: dict[tuple[str, str], list[AwaitedPart]] = {}

    def add(self, gateway: str, message_id: str, part: AwaitedPart) -> None:
        """``message_id`` as in the gateway's answer; an empty one names nothing."""
        if not message_id.strip():
            return
        self._exact[gateway, plain(message_id)] = part
        for other in converted(message_id):
            self._converted.setdefault((gateway, other), []).append(part)

    def remove(self, gateway: str, message_id: str, part: AwaitedPart) -> None:
        """The part does not need a report any more."""
        key = gateway, plain(message_id)
        if self._exact.get(key) == part:
            del self._exact[key]
        for other in converted(message_id):
            left = [one for one in self._converted.get((gateway, other), []) if one != part]
            if left:
                self._converted[gateway, other] = left
            else:
                self._converted.pop((gateway, other), None)

    def find(self, gateway: str, message_id: str, peer: str) -> AwaitedPart | None:
        """The part that a report names; ``peer`` has hashes of the report's number, or is empty."""
        key = gateway, plain(message_id)
        exact = self._exact.get(key)
        if exact is not None and agree(exact.peer, peer) is not False:
            return exact
        same = [part for part in self._converted.get(key, []) if agree(part.peer, peer)]
        return same[0] if len(same) == 1 else None


def plain(message_id: str) -> str:
    """An id without the differences of case and leading zeros."""
    return message_id.strip().upper().lstrip("0") or "0"
