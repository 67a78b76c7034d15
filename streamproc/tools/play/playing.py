"""Moves clocks through the events of files, and records what happens at each instant.

Each subscriber has a clock of their own. An event arrives at its own time. If it is earlier than
the events of its subscriber before it in its file, it arrives late, right after them. Work that
falls due in between is done at its own instant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from streamproc.contracts.records.codec import decode_effect
from streamproc.core.instants import DAY_MS, LAST_MS, to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Audited, Effect, Rejected, Reminder
from streamproc.kafka.recording import LogRecord
from streamproc.tools.play.arriving import arrivals
from streamproc.tools.play.balances import UNKNOWN, Balances, balances_of
from streamproc.tools.play.reading import EventLine

Kind = TypeVar("Kind", bound=Effect)


class PlayEngine(Protocol):
    """A worker in memory. It sends its outputs to :meth:`Play.take`.

    Each partition has a clock of its own, so each subscriber gets a partition of their own.
    """

    def next_due_ms(self, partition: int) -> int:
        """No work of a partition is due earlier."""

    def reach(self, partition: int, now_ms: int) -> None:
        """Move the time of a partition."""

    def apply(self, record: LogRecord) -> None:
        """Apply a record in its partition."""

    def account(self, partition: int, key: bytes) -> Account | None:
        """A subscriber's state; None if there is none."""


@dataclass
class PlayedInstant:
    """What happened to one subscriber at one instant: an event arrived, or work fell due."""

    number: int
    """Number from 1, in the order in which it happened."""
    time_ms: int
    """When the event arrived, or when the work fell due."""
    subscriber: str
    line: EventLine | None
    """The event; None for due work."""
    before: Balances | None
    after: Balances | None = None
    effects: list[Effect] = field(default_factory=list)

    @property
    def is_late(self) -> bool:
        """Whether an event arrived after its own time."""
        return self.line is not None and self.line.time_ms < self.time_ms

    later_zone: str = "UTC"
    """The first known zone, for moments before it is known."""

    @property
    def time_zone(self) -> str:
        """The subscriber's zone; UTC if it never becomes known."""
        for known in (self.after, self.before):
            if known is not None and known.status != UNKNOWN:
                return known.time_zone
        return self.later_zone

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The effects of one type."""
        return [one for one in self.effects if isinstance(one, kind)]


@dataclass
class Played:
    """Everything that happened."""

    moments: list[PlayedInstant]
    until_ms: int
    left_out: int
    """How many events were after the end."""
    is_default_end: bool

    @property
    def subscribers(self) -> list[str]:
        """The subscribers in the order of their first moment."""
        return list(dict.fromkeys(one.subscriber for one in self.moments))

    def by_subscriber(self) -> dict[str, list[PlayedInstant]]:
        """The moments of each subscriber."""
        found: dict[str, list[PlayedInstant]] = {}
        for moment in self.moments:
            found.setdefault(moment.subscriber, []).append(moment)
        return found

    @property
    def events(self) -> int:
        """How many events were played."""
        return sum(one.line is not None for one in self.moments)

    def lines(self) -> dict[int, EventLine]:
        """The lines by their place."""
        return {one.line.place: one.line for one in self.moments if one.line is not None}

    def rejects(self) -> list[tuple[EventLine, Rejected]]:
        """Events that were rejected, with the reason, in the order of the files."""
        lines = self.lines()
        found = [(lines[one.offset], one) for moment in self.moments for one in moment.of(Rejected)]
        return sorted(found, key=lambda one: one[0].place)

    def count(self, kind: type[Effect]) -> int:
        """How many effects of one type there were."""
        return sum(len(one.of(kind)) for one in self.moments)


class Play:
    """One run. The engine passes each output to :meth:`take`."""

    def __init__(self, rules: Rulebook) -> None:
        self._rules = rules
        self._pending: list[Effect] = []

    def take(self, value: bytes) -> None:
        """An output record."""
        self._pending.append(decode_effect(value))

    def run(self, engine: PlayEngine, lines: Iterable[EventLine], until_ms: int | None) -> Played:
        """Play each subscriber's lines in order, then move the time to the end.

        Without ``until_ms`` the play ends a day after the last billing cycle with an event.
        By then summaries and reminders of ends in that cycle are sent, and messages held by
        quiet hours too.
        """
        left_out = 0
        lives: dict[str, _Life] = {}
        for line, arrived_ms in arrivals(lines):
            if until_ms is not None and arrived_ms >= until_ms:
                left_out += 1
                continue
            subscriber = line.event.subscriber
            life = lives.get(subscriber)
            if life is None:
                life = lives[subscriber] = _Life(self, engine, subscriber, len(lives))
            life.event(line, arrived_ms)
        end_ms = self._default_end_ms(lives.values()) if until_ms is None else until_ms
        for life in lives.values():
            life.pass_time(end_ms)
        moments = _in_order(lives.values())
        _look_ahead(moments)
        return Played(moments, end_ms, left_out, until_ms is None)

    def taken(self) -> list[Effect]:
        """The effects since the last call."""
        taken, self._pending = self._pending, []
        return taken

    def balances(self, account: Account | None) -> Balances | None:
        """The balances of a subscriber's state."""
        return balances_of(account, self._rules)

    def _default_end_ms(self, lives: Iterable[_Life]) -> int:
        ends = [0]
        for life in lives:
            ends.append(life.now_ms)
            known = life.known
            if known is not None and known.status == "active" and known.cycle_end_ms < LAST_MS:
                ends.append(known.cycle_end_ms)
            if known is not None and known.status == UNKNOWN:
                # Events without an activation are rejected then.
                ends.append(life.now_ms + self._rules.limits.hold_unknown_ms)
        return min(max(ends) + DAY_MS, LAST_MS - 1)


class _Life:
    """One subscriber's events, with a clock and a partition of their own."""

    def __init__(self, play: Play, engine: PlayEngine, subscriber: str, partition: int) -> None:
        self._play = play
        self._engine = engine
        self._subscriber = subscriber
        self._partition = partition
        self.known: Balances | None = None
        """The balances after the last moment."""
        self.moments: list[tuple[int, PlayedInstant]] = []
        """The moments, each with the clock at that time."""
        self.now_ms = 0

    def event(self, line: EventLine, arrived_ms: int) -> None:
        """Let time pass until an event arrives, and apply it."""
        self.pass_time(arrived_ms)
        # An event of the year 9999 is rejected, and must not move the clock.
        if arrived_ms < LAST_MS:
            self.now_ms = max(self.now_ms, arrived_ms)
        self._engine.apply(line.record(arrived_ms, self._partition))
        self._add(self.now_ms, line)

    def pass_time(self, until_ms: int) -> None:
        """Do the work due up to an instant, one instant after the other."""
        if until_ms >= LAST_MS:
            return
        while (due_ms := self._engine.next_due_ms(self._partition)) <= until_ms:
            self._engine.reach(self._partition, due_ms)
            self.now_ms = max(self.now_ms, due_ms)
            self._add(due_ms, None)
        self._engine.reach(self._partition, until_ms)
        self.now_ms = max(self.now_ms, until_ms)

    def _add(self, time_ms: int, line: EventLine | None) -> None:
        effects = self._play.taken()
        if line is None and not effects:
            return
        moment = PlayedInstant(0, time_ms, self._subscriber, line, self.known, effects=effects)
        account = self._engine.account(self._partition, self._subscriber.encode())
        moment.after = self.known = self._play.balances(account)
        self.moments.append((self.now_ms, moment))


def _in_order(lives: Iterable[_Life]) -> list[PlayedInstant]:
    """All moments in order of time, with numbers. The order within each subscriber does not
    change."""
    clocked = sorted((one for life in lives for one in life.moments), key=lambda one: one[0])
    moments = [moment for _, moment in clocked]
    for number, moment in enumerate(moments, 1):
        moment.number = number
    return moments


def _look_ahead(moments: list[PlayedInstant]) -> None:
    """Give moments before an activation the zone of the activation."""
    zones: dict[str, str] = {}
    for moment in reversed(moments):
        if moment.after is not None and moment.after.status != UNKNOWN:
            zones[moment.subscriber] = moment.after.time_zone
        moment.later_zone = zones.get(moment.subscriber, "UTC")


def decisions(moment: PlayedInstant) -> list[Audited]:
    """Other decisions. The decision to send a message is shown with the message."""
    return [one for one in moment.of(Audited) if one.decision != "fired"]


def spoken_ms(reminder: Reminder) -> int:
    """When a message is sent."""
    return to_ms(max(reminder.as_of, reminder.not_before))
