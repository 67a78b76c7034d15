"""Which message a delivery report of an unknown id is about, by exclusion.

The gateway's id of a message in doubt never came, so a report about it names an unknown id. Such a
report is evidence only if no other message can be meant. A *suspect* is a message of which a
gateway may have a copy under an id that nobody here knows. The report names a message if that is
the only suspect with its number, and if the id was never another message's. docs/dispatcher.md has
the rule for operators.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from streamproc.dispatch.journal import JournalEntry, is_suspect, is_without_id
from streamproc.dispatch.ledger import FORGET_STEP_MS
from streamproc.dispatch.matching import converted, plain
from streamproc.dispatch.model import DeliveryReport
from streamproc.dispatch.number_hashes import by_key

CLOCK_SKEW_MS: Final = 1_000
"""A report may have been received by another dispatcher, by its clock."""

Place = tuple[int, str]
"""Partition and message id."""


class Suspects:
    """The suspects of all open partitions, by each hash of the number. The gateway does not count:
    two gateways can have the same account."""

    def __init__(self) -> None:
        self._by_hash: dict[str, dict[Place, None]] = {}
        self._peers: dict[int, dict[str, str]] = {}
        """Hashes by partition and message id."""
        self._keys: Counter[frozenset[str]] = Counter()
        """How many suspects have hashes by these keys."""

    def note(self, partition: int, message_id: str, entry: JournalEntry | None) -> None:
        """The journal says this of a message now; None: it has forgotten it."""
        before = self._peers.get(partition, {}).get(message_id)
        now = None
        if entry is not None and is_suspect(entry):
            now = entry.facts.peer if entry.facts else ""
        if now == before:
            return
        if before is not None:
            self._remove((partition, message_id), before)
        if now is not None:
            self._add((partition, message_id), now)

    def close(self, partition: int) -> None:
        """A partition was closed."""
        for message_id, peer in list(self._peers.get(partition, {}).items()):
            self._remove((partition, message_id), peer)

    def only(self, peer: str) -> Place | None:
        """The only suspect with the number of a report; None if there are others or none."""
        found = self._with(peer)
        return next(iter(found)) if len(found) == 1 and self._can_compare(peer) else None

    def are_others(self, peer: str, place: Place) -> bool:
        """Whether a report with this number can be about another message than one that is known."""
        return not self._can_compare(peer) or bool(self._with(peer).keys() - {place})

    def are_empty(self) -> bool:
        """Whether there are no suspects."""
        return not self._keys

    def are_none(self, peer: str) -> bool:
        """Whether a report with this number can be about no message in doubt."""
        return self._can_compare(peer) and not self._with(peer)

    def _with(self, peer: str) -> dict[Place, None]:
        found: dict[Place, None] = {}
        for one in peer.split():
            found |= self._by_hash.get(one, {})
        return found

    def _can_compare(self, peer: str) -> bool:
        """False if the number of a suspect is not known, or has hashes by other keys alone."""
        keys = frozenset(by_key(peer))
        return not any(keys.isdisjoint(one) for one in self._keys)

    def _add(self, place: Place, peer: str) -> None:
        self._peers.setdefault(place[0], {})[place[1]] = peer
        self._keys[frozenset(by_key(peer))] += 1
        for one in peer.split():
            self._by_hash.setdefault(one, {})[place] = None

    def _remove(self, place: Place, peer: str) -> None:
        del self._peers[place[0]][place[1]]
        keys = frozenset(by_key(peer))
        self._keys[keys] -= 1
        if not self._keys[keys]:
            del self._keys[keys]
        for one in set(peer.split()):
            same = self._by_hash[one]
            del same[place]
            if not same:
                del self._by_hash[one]


class KnownIds:
    """Every id that an answer or a report gave to a message, until the message is forgotten.

    Reports come again, and of the other parts of a message that failed. Only hashes are kept:
    two ids with the same one would only leave a message in doubt.
    """

    def __init__(self) -> None:
        self._steps: dict[int, set[int]] = {}
        """Hashes of ids by the quarter of an hour in which they are forgotten."""

    def add(self, ids: Iterable[str], forget_ms: int) -> None:
        """These ids are taken."""
        for one in ids:
            if one.strip():
                step = self._steps.setdefault(forget_ms // FORGET_STEP_MS + 1, set())
                step.add(hash(plain(one)))

    def knows(self, message_id: str) -> bool:
        """Whether the id is a known one, or another way to write it."""
        forms = {hash(one) for one in (plain(message_id), *converted(message_id))}
        return any(not forms.isdisjoint(one) for one in self._steps.values())

    def sweep(self, now_ms: int) -> None:
        """Forget ids with their messages."""
        for step in [one for one in self._steps if one * FORGET_STEP_MS <= now_ms]:
            del self._steps[step]


def part_in_doubt(entry: JournalEntry, report: DeliveryReport) -> int | None:
    """The part of the only suspect that a report of an unknown id is about; None if it cannot be
    about this message, or if copies of several parts could be meant."""
    if entry.state != "uncertain" or entry.facts is None or not entry.doubtful:
        return None
    if report.gateway != entry.doubted or report.received_ms < entry.doubt_ms - CLOCK_SKEW_MS:
        return None
    if entry.facts.parts == 1:
        return 1
    if entry.doubtful > 1 or entry.doubt_ms != entry.sent_ms:
        return None  # one of two copies of a part could be taken for another part
    if is_without_id(entry):
        return None  # so could a part that was accepted without an id
    missing = (one for one in range(1, entry.facts.parts + 1) if one not in entry.done)
    return next(missing, None)
