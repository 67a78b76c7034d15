"""Moves the clock through a file's events, and keeps what happens at each instant.

An event arrives at its own time; one that is earlier than those before it in the file arrives late,
right after them. What falls due in between is done at its own instant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from streamproc.contracts.codec import decode_effect
from streamproc.core.effects import Audited, Effect, Rejected, Reminder
from streamproc.core.instants import DAY_MS, LAST_MS, to_ms
from streamproc.core.model import Account
from streamproc.core.rulebook import Rulebook
from streamproc.edges.play.arriving import arrivals
from streamproc.edges.play.balances import UNKNOWN, Balances, balances_of
from streamproc.edges.play.reading import Line
from streamproc.edges.recording import LogRecord

Kind = TypeVar("Kind", bound=Effect)


class Engine(Protocol):
    """A worker in memory that owns one partition; what it sends goes to :meth:`Play.take`."""

    @property
    def next_due_ms(self) -> int:
        """Nothing is due earlier."""

    def reach(self, now_ms: int) -> None:
        """Let time pass."""

    def apply(self, record: LogRecord) -> None:
        """Apply a record."""

    def account(self, key: bytes) -> Account | None:
        """A subscriber's state; None if nothing is known."""


@dataclass
class Moment:
    """What happened to one subscriber at one instant: an event arrived, or something fell due."""

    number: int
    """From 1, in the order in which they happened."""
    time_ms: int
    """When it arrived, or fell due."""
    subscriber: str
    line: Line | None
    """The event; None for what fell due."""
    before: Balances | None
    after: Balances | None = None
    effects: list[Effect] = field(default_factory=list)

    @property
    def is_late(self) -> bool:
        """Whether an event arrived after its own time."""
        return self.line is not None and self.line.time_ms < self.time_ms

    later_zone: str = "UTC"
    """The first that is known, for moments before it is."""

    @property
    def time_zone(self) -> str:
        """The subscriber's; UTC if it never is known."""
        for known in (self.after, self.before):
            if known is not None and known.status != UNKNOWN:
                return known.time_zone
        return self.later_zone

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The effects of a kind."""
        return [one for one in self.effects if isinstance(one, kind)]


@dataclass
class Played:
    """Everything that happened."""

    moments: list[Moment]
    until_ms: int
    left_out: int
    """Events after the end."""
    is_default_end: bool

    @property
    def subscribers(self) -> list[str]:
        """In the order of their first moment."""
        return list(dict.fromkeys(one.subscriber for one in self.moments))

    def by_subscriber(self) -> dict[str, list[Moment]]:
        """The moments of each subscriber."""
        found: dict[str, list[Moment]] = {}
        for moment in self.moments:
            found.setdefault(moment.subscriber, []).append(moment)
        return found

    @property
    def events(self) -> int:
        """How many were played."""
        return sum(one.line is not None for one in self.moments)

    def rejects(self) -> list[tuple[Line, Rejected]]:
        """Events that were refused, with why, in the order of the file."""
        lines = {one.line.number: one.line for one in self.moments if one.line is not None}
        found = [(lines[one.offset], one) for moment in self.moments for one in moment.of(Rejected)]
        return sorted(found, key=lambda one: one[0].number)

    def count(self, kind: type[Effect]) -> int:
        """How many effects of a kind there were."""
        return sum(len(one.of(kind)) for one in self.moments)


class Play:
    """One run. Outputs of the engine are to be given to :meth:`take` as they come."""

    def __init__(self, rules: Rulebook) -> None:
        self._rules = rules
        self._pending: list[Effect] = []
        self._known: dict[str, Balances | None] = {}
        """Balances of each subscriber after its last moment."""
        self._lines: dict[int, Line] = {}
        self._moments: list[Moment] = []
        self._now_ms = 0

    def take(self, value: bytes) -> None:
        """An output record."""
        self._pending.append(decode_effect(value))

    def run(self, engine: Engine, lines: Iterable[Line], until_ms: int | None) -> Played:
        """Play lines in their order, then let time pass.

        Without ``until_ms`` it ends a day after the last billing cycle that an event was in: by
        then summaries and ends of packs in it are told, and what quiet hours held back is out.
        """
        left_out = 0
        for line, arrived_ms in arrivals(lines):
            if until_ms is not None and arrived_ms >= until_ms:
                left_out += 1
                continue
            self._lines[line.number] = line
            self._event(engine, line, arrived_ms)
        end_ms = self._default_end_ms() if until_ms is None else until_ms
        self._pass_time(engine, end_ms)
        _look_ahead(self._moments)
        return Played(self._moments, end_ms, left_out, until_ms is None)

    def _event(self, engine: Engine, line: Line, arrived_ms: int) -> None:
        self._pass_time(engine, arrived_ms)
        # One of the year 9999 is refused: the clock does not follow it.
        if arrived_ms < LAST_MS:
            self._now_ms = max(self._now_ms, arrived_ms)
        engine.apply(line.record(arrived_ms))
        subscriber = line.event.subscriber
        moment = self._begin(self._now_ms, subscriber, line)
        moment.effects = self._taken()
        moment.after = self._look(engine, subscriber)

    def _pass_time(self, engine: Engine, until_ms: int) -> None:
        """Do what falls due up to an instant, each instant by itself."""
        if until_ms >= LAST_MS:
            return
        while (due_ms := engine.next_due_ms) <= until_ms:
            engine.reach(due_ms)
            effects = self._taken()
            self._now_ms = max(self._now_ms, due_ms)
            by_subscriber: dict[str, list[Effect]] = {}
            for effect in effects:
                by_subscriber.setdefault(self._whose(effect), []).append(effect)
            for subscriber, some in by_subscriber.items():
                moment = self._begin(due_ms, subscriber, None)
                moment.effects = some
                moment.after = self._look(engine, subscriber)
        engine.reach(until_ms)
        self._now_ms = max(self._now_ms, until_ms)

    def _begin(self, time_ms: int, subscriber: str, line: Line | None) -> Moment:
        known = self._known.get(subscriber)
        moment = Moment(len(self._moments) + 1, time_ms, subscriber, line, known)
        self._moments.append(moment)
        return moment

    def _look(self, engine: Engine, subscriber: str) -> Balances | None:
        found = balances_of(engine.account(subscriber.encode()), self._rules)
        self._known[subscriber] = found
        return found

    def _taken(self) -> list[Effect]:
        taken, self._pending = self._pending, []
        return taken

    def _whose(self, effect: Effect) -> str:
        if isinstance(effect, Rejected):
            return self._lines[effect.offset].event.subscriber
        return effect.subscriber

    def _default_end_ms(self) -> int:
        ends = [
            one.cycle_end_ms
            for one in self._known.values()
            if one is not None and one.status == "active" and one.cycle_end_ms < LAST_MS
        ]
        if any(one is not None and one.status == UNKNOWN for one in self._known.values()):
            # Events without an activation are given up then.
            ends.append(self._now_ms + self._rules.limits.hold_unknown_ms)
        return min(max([self._now_ms, *ends]) + DAY_MS, LAST_MS - 1)


def _look_ahead(moments: list[Moment]) -> None:
    """Give moments before an activation the zone that it brings."""
    zones: dict[str, str] = {}
    for moment in reversed(moments):
        if moment.after is not None and moment.after.status != UNKNOWN:
            zones[moment.subscriber] = moment.after.time_zone
        moment.later_zone = zones.get(moment.subscriber, "UTC")


def decisions(moment: Moment) -> list[Audited]:
    """What else was decided: what a message goes out by is told with it."""
    return [one for one in moment.of(Audited) if one.decision != "fired"]


def spoken_ms(reminder: Reminder) -> int:
    """When a message goes out."""
    return to_ms(max(reminder.as_of, reminder.not_before))
