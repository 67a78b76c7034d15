"""Puts facts about a subscriber in order: entries with their states and decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from msgspec import UNSET

from streamproc.contracts.records.origin import Place
from streamproc.contracts.records.receipts import Receipt
from streamproc.core.instants import from_ms, to_ms
from streamproc.core.state.account import Account
from streamproc.core.state.decisions import fired
from streamproc.core.state.effects import Audited, Balance, Cause, Rejected, Reminder
from streamproc.core.state.events import SubscriberEvent
from streamproc.tools.explain.gathering import Arrived, Gathered


@dataclass(frozen=True)
class Decision:
    """One audit record, with its reminder and the receipts of that reminder."""

    audit: Audited
    reminder: Reminder | None = None
    receipts: tuple[Receipt, ...] = ()


@dataclass
class TimelineEntry:
    """An input record, or an instant at which work fell due."""

    time_ms: int
    """When the event happened (event time), or when the work fell due."""
    place: Place | None
    """Place of the input record; None for a timer."""
    event_id: str = ""
    event: SubscriberEvent | None = None
    """The event; None unless the input was given."""
    received_ms: int | None = None
    before: Balance | None = None
    """None: unknown, or the same as after."""
    after: Balance | None = None
    decisions: list[Decision] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)
    accounts: tuple[Account | None, Account | None] | None = None
    """The complete states before and after, if they were calculated."""
    is_later: bool = False
    """Work that fell due after the record had been read: what it made to wait, or itself."""

    @property
    def is_quiet(self) -> bool:
        """Whether there was no decision."""
        return not self.decisions and not self.rejects


def timeline(found: Gathered) -> list[TimelineEntry]:
    """All entries in the order of the worker's decisions, with input without decisions in
    between."""
    waiting = _Input(found)
    entries: list[TimelineEntry] = []
    first_times: dict[Place, datetime] = {}
    for cause, audits in _parts(_all_audits(found)):
        place = _place(cause)
        # A decision without a record is the work of a timer.
        if place is None:
            due_ms = to_ms(cause.due_time) if cause.due_time is not UNSET else 0
            entries.extend(waiting.received_before(due_ms))
            entry = TimelineEntry(due_ms, None)
        elif audits[0].time > first_times.setdefault(place, audits[0].time):
            due_ms = to_ms(audits[0].time)
            entries.extend(waiting.received_before(due_ms))
            event_id = cause.event_id if cause.event_id is not UNSET else ""
            entry = TimelineEntry(due_ms, place, event_id=event_id, is_later=True)
        else:
            entries.extend(waiting.up_to(place))
            entry = waiting.entry(place, cause, audits[0])
        _fill(entry, audits, found)
        entries.append(entry)
    entries.extend(waiting.rest())
    return entries


def _parts(audits: list[Audited]) -> Iterator[tuple[Cause, list[Audited]]]:
    """The audit records by cause, and by instant if the cause is a record, in their order."""

    def part(audit: Audited) -> tuple[Cause, datetime | None]:
        return audit.cause, None if _place(audit.cause) is None else audit.time

    for (cause, _), group in groupby(audits, key=part):
        yield cause, list(group)


def within(
    entries: Iterable[TimelineEntry], from_ms: int | None, to_ms: int | None
) -> list[TimelineEntry]:
    """The entries within a period; its end is exclusive."""
    return [
        one
        for one in entries
        if (from_ms is None or one.time_ms >= from_ms) and (to_ms is None or one.time_ms < to_ms)
    ]


def _all_audits(found: Gathered) -> list[Audited]:
    """The audit records. A release that wrote no record for a reminder gets one here, in its
    place."""
    told = {one.reminder for one in found.audits if one.reminder is not UNSET}
    untold = [one for one in found.reminders.values() if one.id not in told]
    if not untold:
        return found.audits
    audits = list(found.audits)
    for reminder in untold:
        at = next(
            (n for n, one in enumerate(audits) if one.cause == reminder.cause),
            next((n for n, one in enumerate(audits) if one.time > reminder.as_of), len(audits)),
        )
        while at < len(audits) and audits[at].cause == reminder.cause:
            at += 1
        audits.insert(at, fired(reminder))
    return audits


def _fill(entry: TimelineEntry, audits: list[Audited], found: Gathered) -> None:
    for audit in audits:
        if audit.after is not UNSET:
            entry.after = audit.after
            if entry.before is None and audit.before is not UNSET:
                entry.before = audit.before
        reminder_id = audit.reminder
        if reminder_id is UNSET:
            entry.decisions.append(Decision(audit))
            continue
        receipts = sorted(found.receipts.get(reminder_id, ()), key=lambda receipt: receipt.time)
        entry.decisions.append(Decision(audit, found.reminders.get(reminder_id), tuple(receipts)))


def _place(cause: Cause) -> Place | None:
    if cause.topic is UNSET or cause.partition is UNSET or cause.offset is UNSET:
        return None
    return cause.topic, cause.partition, cause.offset


class _Input:
    """The subscriber's input records. Each is returned once, in order."""

    def __init__(self, found: Gathered) -> None:
        self._arrived = found.arrived
        self._by_place = {one.place: one for one in found.arrived}
        self._order = {one.place: number for number, one in enumerate(found.arrived)}
        self._rejects = found.rejects
        self._next = 0
        self._used: set[Place] = set()

    def up_to(self, place: Place) -> Iterator[TimelineEntry]:
        """The records that arrived before a given one."""
        end = self._order.get(place)
        if end is not None:
            yield from self._hand_out(end)

    def received_before(self, instant_ms: int) -> Iterator[TimelineEntry]:
        end = self._next
        while end < len(self._arrived) and self._arrived[end].received_ms < instant_ms:
            end += 1
        yield from self._hand_out(end)

    def rest(self) -> Iterator[TimelineEntry]:
        yield from self._hand_out(len(self._arrived))

    def entry(self, place: Place, cause: Cause, audit: Audited) -> TimelineEntry:
        """The entry of an input record that has a decision."""
        arrived = self._by_place.get(place)
        self._used.add(place)
        if arrived is not None:
            return self._entry(arrived)
        event_id = cause.event_id if cause.event_id is not UNSET else ""
        return TimelineEntry(to_ms(audit.time), place, event_id)

    def _hand_out(self, end: int) -> Iterator[TimelineEntry]:
        for number in range(self._next, end):
            arrived = self._arrived[number]
            if arrived.place not in self._used:
                yield self._entry(arrived)
        self._next = max(self._next, end)

    def _entry(self, arrived: Arrived) -> TimelineEntry:
        event = arrived.event
        return TimelineEntry(
            arrived.received_ms if event is None else to_ms(event.time),
            arrived.place,
            "" if event is None else event.id,
            event,
            arrived.received_ms,
            rejects=list(self._rejects.get(arrived.place, ())),
        )


def iso(instant_ms: int) -> str:
    """RFC 3339 in UTC, in whole seconds unless there is a fraction."""
    when = from_ms(instant_ms).replace(tzinfo=None)
    return when.isoformat(timespec="milliseconds" if when.microsecond else "seconds") + "Z"
