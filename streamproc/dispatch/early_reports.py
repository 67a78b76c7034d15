"""Delivery reports whose message is not known yet: they came before the answer to its submit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final, NamedTuple

from streamproc.dispatch.journal import JournalEntry
from streamproc.dispatch.matching import plain
from streamproc.dispatch.model import DeliveryReport

EARLY_MS: Final = 120_000
"""How long a report can come before the answer to its submit."""
EARLY_LIMIT: Final = 50_000
NUMBER_LIMIT: Final = 500
"""Reports about one number, or with one id. Each answer to a submit looks at all of them."""


class Early(NamedTuple):
    """A report, its position in the reports topic, and when it was read."""

    report: DeliveryReport
    position: tuple[int, int] | None
    read_ms: int


class EarlyReports:
    """The reports of the last minutes, by number and by message id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Early] = OrderedDict()
        # The keys of a place in the order in which they came.
        self._places: dict[str | tuple[str, str], dict[int, None]] = {}
        self._offsets: dict[int, list[tuple[int, int]]] = {}
        """A heap of offsets and keys for each partition. Each commit asks for the first offset."""
        self._count = 0

    def add(self, report: DeliveryReport, position: tuple[int, int] | None, now_ms: int) -> None:
        """Keep a report. The oldest one is forgotten if there are too many, in all or of its
        number."""
        self._count += 1
        self._kept[self._count] = Early(report, position, now_ms)
        if position is not None:
            heap = self._offsets.setdefault(position[0], [])
            heappush(heap, (position[1], self._count))
            if len(heap) > 2 * EARLY_LIMIT:
                heap[:] = sorted(one for one in heap if one[1] in self._kept)
        for place in _places_of(report):
            same = self._places.setdefault(place, {})
            same[self._count] = None
            if len(same) > NUMBER_LIMIT:
                self.drop(next(iter(same)))
        if len(self._kept) > EARLY_LIMIT:
            self.drop(next(iter(self._kept)))

    def perhaps_about(self, entry: JournalEntry) -> Iterator[tuple[int, Early]]:
        """The reports that can be about a message, oldest first. The caller may drop them."""
        # If no key made hashes on both sides, the id alone says what a report is about.
        ids = ((entry.gateway, plain(one)) for one in entry.done.values())
        peers = entry.facts.peer.split() if entry.facts else ()
        found: set[int] = set()
        for place in (*peers, *ids):
            found |= self._places.get(place, {}).keys()
        for key in sorted(found):
            yield key, self._kept[key]

    def all(self) -> list[tuple[int, Early]]:
        """All reports, oldest first."""
        return list(self._kept.items())

    def get(self, key: int) -> Early | None:
        """A report, if it is still kept."""
        return self._kept.get(key)

    def drop(self, key: int) -> None:
        """The report is not needed any more."""
        report = self._kept.pop(key).report
        for place in _places_of(report):
            same = self._places[place]
            same.pop(key, None)
            if not same:
                del self._places[place]

    def sweep(self, now_ms: int) -> list[Early]:
        """Drop reports whose message never came; returns them."""
        dropped = []
        while self._kept:
            key, early = next(iter(self._kept.items()))
            if now_ms - early.read_ms < EARLY_MS:
                break
            self.drop(key)
            dropped.append(early)
        return dropped

    def positions(self) -> Iterator[tuple[int, int]]:
        """Partition and offset of the first of these reports in each partition."""
        for number, heap in self._offsets.items():
            while heap and heap[0][1] not in self._kept:
                heappop(heap)
            if heap:
                yield number, heap[0][0]


def _places_of(report: DeliveryReport) -> set[str | tuple[str, str]]:
    return {(report.gateway, plain(report.message_id)), *report.peer.split()}
