"""Messages that a gateway may have accepted without an answer, and the reports about them.

The gateway's id of such a message never came, so its report names an unknown id. The report settles
the message under three conditions. The message is the only one in doubt to the report's number. No
other message to that number is in progress. The report came after the message was sent. Other
senders with the same account could mislead this; then give the dispatcher an account of its own.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Final

from streamproc.dispatch.journal import JournalEntry
from streamproc.dispatch.ledger import HANDLED_LIMIT, Ledger
from streamproc.dispatch.model import DeliveryReport
from streamproc.dispatch.number_hashes import NumberHashes, agree, by_key

CLOCK_SKEW_MS: Final = 1_000
"""A report may have been received by another dispatcher, by its clock."""
ORPHANS_LIMIT: Final = 10_000
"""Numbers to which a copy without an answer went beside one with an answer."""

Place = tuple[int, str]
"""Partition and message id."""


class Doubts:
    """Messages in doubt by gateway and recipient."""

    def __init__(self, hashes: NumberHashes) -> None:
        self._hashes = hashes
        self._by_hash: dict[tuple[str, str], dict[Place, None]] = {}
        """By gateway and each hash of the recipient."""
        self._peers: dict[Place, tuple[str, str]] = {}
        self._keys: Counter[tuple[str, frozenset[str]]] = Counter()
        """How many messages of a gateway have hashes by these keys."""
        self._handled: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._orphans: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._orphan_keys: dict[tuple[str, frozenset[str]], int] = {}

    def add(self, partition: int, message_id: str, entry: JournalEntry) -> None:
        """It is unknown whether the entry's gateway accepted the message."""
        place = partition, message_id
        if entry.facts is None or place in self._peers:
            return
        gateway, peer = self._peers[place] = entry.gateway, entry.facts.peer
        self._keys[gateway, _keys_of(peer)] += 1
        for one in peer.split():
            self._by_hash.setdefault((gateway, one), {})[place] = None

    def remove(self, partition: int, message_id: str) -> None:
        """The message is not in doubt any more."""
        place = partition, message_id
        if place not in self._peers:
            return
        gateway, peer = self._peers.pop(place)
        self._keys[gateway, _keys_of(peer)] -= 1
        self._keys += Counter()  # without those that are 0
        for one in peer.split():
            del self._by_hash[gateway, one][place]
            if not self._by_hash[gateway, one]:
                del self._by_hash[gateway, one]

    def handled(self, gateway: str, ids: Iterable[str]) -> None:
        """Parts with known ids need no report, or no other one. One may come all the same."""
        for one in ids:
            self._handled[gateway, one] = None
        while len(self._handled) > HANDLED_LIMIT:
            self._handled.popitem(last=False)

    def orphaned(self, entry: JournalEntry) -> None:
        """A later copy was accepted: the earlier one may be reported until it is forgotten."""
        if entry.facts is None:
            return
        peer, until_ms = entry.facts.peer, entry.forget_ms
        by_keys = entry.gateway, _keys_of(peer)
        self._orphan_keys[by_keys] = max(until_ms, self._orphan_keys.get(by_keys, 0))
        for one in peer.split():
            self._orphans[entry.gateway, one] = until_ms
            if len(self._orphans) > ORPHANS_LIMIT:
                self._orphans.popitem(last=False)

    def only(self, report: DeliveryReport, now_ms: int) -> Place | None:
        """The message in doubt that the report may be about, if there is one and no other."""
        gateway, hashes = report.gateway, report.peer.split()
        if not hashes or (gateway, report.message_id) in self._handled:
            return None
        if any(now_ms < self._orphans.get((gateway, one), 0) for one in hashes):
            return None
        found: dict[Place, None] = {}
        for one in hashes:
            found |= self._by_hash.get((gateway, one), {})
        if len(found) != 1 or self._may_be_another(gateway, _keys_of(report.peer), now_ms):
            return None
        return next(iter(found))

    def _may_be_another(self, gateway: str, keys: frozenset[str], now_ms: int) -> bool:
        """Whether a message has hashes by other keys alone: its number cannot be compared."""
        doubts = [one for name, one in self._keys if name == gateway]
        orphans = [
            one
            for (name, one), until_ms in self._orphan_keys.items()
            if name == gateway and now_ms < until_ms
        ]
        return any(keys.isdisjoint(one) for one in (*doubts, *orphans))

    def part_of(self, report: DeliveryReport, entry: JournalEntry, ledger: Ledger) -> int | None:
        """The part that the report is about; None if it must be about something else."""
        if entry.facts is None or entry.state == "intent":
            return None
        if report.received_ms < entry.sent_ms - CLOCK_SKEW_MS:
            return None
        for other in ledger.messages.values():
            is_there = other.in_flight and other.gateway == report.gateway
            if is_there and agree(self._hashes.of(other.subscriber), report.peer) is not False:
                return None  # its answer may be on the way, and with it the id
        known = entry.done if entry.gateway == report.gateway else {}
        missing = (one for one in range(1, entry.facts.parts + 1) if one not in known)
        return next(missing, None)


def _keys_of(peer: str) -> frozenset[str]:
    """The names of the keys that made hashes."""
    return frozenset(by_key(peer))
