"""Adds up the shares of all processes. It has no clock: the broker's times of shares pass.

The number may be too high, never too low: messages, records and rows count as one subscriber each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple, get_args

from streamproc.alarms.shares import EVENTS, SUBMITS, AlarmPart, Share, joined, key_of
from streamproc.alarms.table import (
    ALARMS,
    CLOCK_SECONDS,
    LONGEST_WINDOW_SECONDS,
    REJECTS_SHARE,
    REVEALED,
    SLOW_SHARE,
    Alarm,
    Tier,
)
from streamproc.contracts.records.reveals import DataRevealed, RevealCommand
from streamproc.core.state.events import MAX_INTEGER

MOST_ENTRIES: Final = 200_000
"""Partitions, samples and levels in the last shares of all processes. Without a bound, a user who
may write shares could fill a worker's memory."""
MOST_PROCESSES: Final = 2_000
MOST_COUNTS: Final = 1_000
"""Names of counts, each for one gateway."""
SILENT_MS: Final = 20_000
"""A process without a share for so long is taken for gone. Shares come every 5 seconds."""
REVEAL_COMMANDS: Final[tuple[str, ...]] = get_args(RevealCommand)
OTHER: Final = "other"
"""Commands of other releases, which must not be labels of metrics."""


class Concerned(NamedTuple):
    """How many an alarm concerns now, and some of them, masked."""

    concerned: int
    sample: list[str]
    tier: Tier | None = None
    """Its tier, if the number does not decide it."""


class AlarmKey(NamedTuple):
    """An alarm, and its gateway if it has one."""

    alarm: str
    gateway: str = ""


class _Heard(NamedTuple):
    share: Share
    at_ms: int

    @property
    def entries(self) -> int:
        """How much of the memory it takes."""
        share = self.share
        return len(share.rows) + len(share.some) + len(share.levels)


class Fleet:
    """The last minutes of the processes of one application."""

    def __init__(self, app_id: str, *, had_dispatchers: bool = False) -> None:
        """``had_dispatchers``: there were some before, and an alarm says that they are gone."""
        self._app_id = app_id
        self._had_dispatchers = had_dispatchers
        self.now_ms = 0
        """The broker's time of the last share."""
        self.told_offset: int | None = None
        """The first change that no webhook has sent yet, as far as it was written."""
        self.is_full = False
        """Whether shares were left out, because there were too many."""
        self._heard: dict[str, _Heard] = {}
        self._entries = 0
        """The sum over ``_heard``."""
        self._counted: dict[str, deque[tuple[int, AlarmPart]]] = {}
        """By name of the alarm: times, each in another second, and counts."""
        self._forgot_ms = 0
        self._rows: dict[int, int] = {}
        self._some: dict[int, list[str]] = {}
        """By partition, as far as a share has ever named it."""

    def take(self, share: Share, at_ms: int) -> None:
        """Take a share that the broker got at a time."""
        if share.app_id not in ("", self._app_id):
            return
        self.now_ms = max(self.now_ms, at_ms)
        self._forget()
        if not self._hear(_Heard(share, at_ms)):
            self.is_full = True
            return
        self._had_dispatchers |= share.role == "dispatcher"
        self._rows.update(share.rows)
        self._some.update(share.some)
        for key, part in share.counts.items():
            self._count(key, part, at_ms)
        if share.told_offset is not None:
            self.told_offset = share.told_offset

    def _hear(self, heard: _Heard) -> bool:
        """Keep a share in place of the one before it of the same process, if there is room."""
        before = self._heard.get(heard.share.process)
        entries = self._entries + heard.entries - (before.entries if before is not None else 0)
        if entries > MOST_ENTRIES or (before is None and len(self._heard) >= MOST_PROCESSES):
            return False
        self._heard[heard.share.process], self._entries = heard, entries
        return True

    def _count(self, key: str, part: AlarmPart, at_ms: int) -> None:
        """Add to the counts of this second."""
        if key.partition(" ")[0] not in _COUNTED:
            return  # of another release
        times = self._counted.get(key)
        if times is None:
            if len(self._counted) >= MOST_COUNTS:
                self.is_full = True
                return
            times = self._counted[key] = deque()
        if times and times[-1][0] // 1000 >= at_ms // 1000:
            last_ms, last = times.pop()
            at_ms, part = max(at_ms, last_ms), _joined(last, part)
        times.append((at_ms, part))

    def take_reveal(self, reveal: DataRevealed, at_ms: int) -> None:
        """Take a record of the reveals topic."""
        part = AlarmPart(min(reveal.concerned, MAX_INTEGER), reveal.sample)
        word = reveal.command if reveal.command in REVEAL_COMMANDS else OTHER
        for key in (REVEALED, key_of(REVEALED, word)):
            self._count(key, part, at_ms)

    def revealed(self) -> dict[str, int]:
        """Of how many subscribers something was shown within the window, by command."""
        return {
            word: self._within(key_of(REVEALED, word), ALARMS[REVEALED].window_seconds).concerned
            for word in (*REVEAL_COMMANDS, OTHER)
        }

    def figures(self) -> dict[AlarmKey, Concerned]:
        """How many each alarm concerns now. Alarms of nobody are left out."""
        found: dict[AlarmKey, Concerned] = {}
        for alarm in ALARMS.values():
            for gateway in self._gateways(alarm.name) if alarm.is_by_gateway else ("",):
                figure = self._figure(alarm, gateway)
                figure = figure._replace(concerned=min(figure.concerned, MAX_INTEGER))
                if figure.concerned or figure.tier:
                    found[AlarmKey(alarm.name, gateway)] = figure
        return found

    def _figure(self, alarm: Alarm, gateway: str) -> Concerned:
        if alarm.name == "PartitionsAway":
            return self._partitions_away()
        if alarm.name == "ClockWrong":
            return self._clocks_wrong()
        if alarm.name == "AllGatewaysDown":
            return self._gateways_down()
        if alarm.name == "ProcessDown":
            return self._dispatchers_gone()
        key = key_of(alarm.name, gateway)
        if not alarm.window_seconds:
            return _sum(one.share.levels[key] for one in self._fresh() if key in one.share.levels)
        figure = self._within(key, alarm.window_seconds)
        if alarm.name == "RejectsShare":
            read = self._within(EVENTS, alarm.window_seconds).concerned
            return figure if figure.concerned > REJECTS_SHARE * read else _NOBODY
        if alarm.name == "GatewaySlow":
            all_answers = self._within(key_of(SUBMITS, gateway), alarm.window_seconds)
            is_slow = figure.concerned > SLOW_SHARE * all_answers.concerned
            return Concerned(all_answers.concerned, figure.sample) if is_slow else _NOBODY
        return figure

    def _within(self, key: str, seconds: int) -> Concerned:
        since_ms = self.now_ms - seconds * 1000
        return _sum(part for at_ms, part in self._counted.get(key, ()) if at_ms > since_ms)

    def _partitions_away(self) -> Concerned:
        """No share has these partitions. Their rows are those of the last share that had them."""
        workers = [one.share for one in self._fresh() if one.share.role == "worker"]
        total = max((one.partitions for one in workers), default=0)
        away = set(range(total)).difference(*(one.rows for one in workers))
        usual = sum(self._rows.values()) // len(self._rows) if self._rows else 0
        concerned = sum(self._rows.get(one, usual) for one in away)
        return Concerned(concerned, joined(self._some.get(one, []) for one in sorted(away)))

    def _clocks_wrong(self) -> Concerned:
        """A share is on its way for milliseconds. What differs by seconds is the clock."""
        wrong = [
            one.share
            for one in self._fresh()
            if abs(one.share.sent_ms - one.at_ms) > CLOCK_SECONDS * 1000
        ]
        concerned = sum(sum(one.rows.values()) for one in wrong)
        return Concerned(concerned, joined(some for one in wrong for some in one.some.values()))

    def _gateways_down(self) -> Concerned:
        dispatchers = [one.share for one in self._fresh() if one.share.role == "dispatcher"]
        if not dispatchers or not all(one.are_gateways_down for one in dispatchers):
            return _NOBODY
        waiting = _sum(
            part
            for one in dispatchers
            for key, part in one.levels.items()
            if key.startswith("GatewayDown ")
        )
        return Concerned(waiting.concerned, waiting.sample, ALARMS["AllGatewaysDown"].tier)

    def _dispatchers_gone(self) -> Concerned:
        """Messages to everybody wait then."""
        if not self._had_dispatchers or any(
            one.share.role == "dispatcher" for one in self._fresh()
        ):
            return _NOBODY
        everybody = sum(self._rows.values())
        return Concerned(everybody, joined(self._some.values()), ALARMS["ProcessDown"].tier)

    def _gateways(self, alarm: str) -> list[str]:
        """The gateways of which anybody tells this alarm."""
        keys = {*self._counted, *(key for one in self._fresh() for key in one.share.levels)}
        prefix = f"{alarm} "
        return sorted(key.removeprefix(prefix) for key in keys if key.startswith(prefix))

    def _fresh(self) -> Iterator[_Heard]:
        return (one for one in self._heard.values() if one.at_ms > self.now_ms - SILENT_MS)

    def _forget(self) -> None:
        """Each second, because every share of every process is looked at."""
        if self.now_ms // 1000 == self._forgot_ms // 1000:
            return
        self._forgot_ms = self.now_ms
        self._heard = {one.share.process: one for one in self._fresh()}
        self._entries = sum(one.entries for one in self._heard.values())
        since_ms = self.now_ms - LONGEST_WINDOW_SECONDS * 1000
        for key in list(self._counted):
            times = self._counted[key]
            while times and times[0][0] <= since_ms:
                times.popleft()
            if not times:
                del self._counted[key]


_NOBODY: Final = Concerned(0, [])
_COUNTED: Final = frozenset((*ALARMS, EVENTS, SUBMITS))


def _joined(one: AlarmPart, other: AlarmPart) -> AlarmPart:
    concerned = min(one.concerned + other.concerned, MAX_INTEGER)
    return AlarmPart(concerned, joined((one.sample, other.sample)))


def _sum(parts: Iterator[AlarmPart]) -> Concerned:
    known = list(parts)
    return Concerned(sum(one.concerned for one in known), joined(one.sample for one in known))
