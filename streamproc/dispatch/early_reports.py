"""Delivery reports whose message is not known yet: they came before the answer to its submit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, NamedTuple

from streamproc.dispatch.journal import JournalEntry
from streamproc.dispatch.matching import plain
from streamproc.dispatch.model import DeliveryReport

EARLY_MS: Final = 120_000
"""How long a report can come before the answer to its submit."""
EARLY_LIMIT: Final = 50_000


class Early(NamedTuple):
    """A report, its position in the reports topic, and when it was read."""

    report: DeliveryReport
    position: tuple[int, int] | None
    read_ms: int


class EarlyReports:
    """The reports of the last minutes, by number and by message id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Early] = OrderedDict()
        self._places: dict[str | tuple[str, str], set[int]] = {}
        self._count = 0

    def add(self, report: DeliveryReport, position: tuple[int, int] | None, now_ms: int) -> None:
        """Keep a report. The oldest one is forgotten if there are too many."""
        self._count += 1
        self._kept[self._count] = Early(report, position, now_ms)
        for place in _places_of(report):
            self._places.setdefault(place, set()).add(self._count)
        if len(self._kept) > EARLY_LIMIT:
            self.drop(next(iter(self._kept)))

    def perhaps_about(self, entry: JournalEntry) -> Iterator[tuple[int, Early]]:
        """The reports that can be about a message, oldest first. The caller may drop them."""
        # If no key made hashes on both sides, the id alone says what a report is about.
        ids = ((entry.gateway, plain(one)) for one in entry.done.values())
        peers = entry.facts.peer.split() if entry.facts else ()
        found: set[int] = set()
        for place in ("", *peers, *ids):
            found |= self._places.get(place, set())
        for key in sorted(found):
            yield key, self._kept[key]

    def drop(self, key: int) -> None:
        """The report is not needed any more."""
        report = self._kept.pop(key).report
        for place in _places_of(report):
            same = self._places[place]
            same.discard(key)
            if not same:
                del self._places[place]

    def sweep(self, now_ms: int) -> None:
        """Drop reports whose message never came."""
        while self._kept:
            key, early = next(iter(self._kept.items()))
            if now_ms - early.read_ms < EARLY_MS:
                break
            self.drop(key)

    def positions(self) -> Iterator[tuple[int, int]]:
        """Where these reports are in the reports topic."""
        return (one.position for one in self._kept.values() if one.position is not None)


def _places_of(report: DeliveryReport) -> set[str | tuple[str, str]]:
    return {(report.gateway, plain(report.message_id)), *(report.peer.split() or [""])}
