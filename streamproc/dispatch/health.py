"""What an operator must hear of a dispatcher: one log line for each change of a state.

States are: a gateway without connection, an open breaker, reminders that end as dead letters, and a
dispatcher that sends nothing though messages are due. Looked at once a second; nothing here decides
about messages.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Protocol

import structlog

from streamproc.core.instants import to_ms
from streamproc.dispatch.ledger import JournalTransaction
from streamproc.dispatch.model import Accepted, ErrorClass, Outcome, Refused
from streamproc.dispatch.router import GatewayLine
from streamproc.dispatch.scheduler import Scheduler

log = structlog.get_logger(__name__)

QUIET_MS: Final = 60_000
"""After so long without a dead letter the next one is news again."""
REASONS_LIMIT: Final = 5
"""Reasons of dead letters that one line names."""


class HealthCounts(Protocol):
    """Counts the changes."""

    def connection_lost(self, gateway: str) -> None:
        """A gateway is without connection."""

    def stalled(self, lanes: int, is_new: bool) -> None:
        """In so many lanes nothing is sent though messages are due: one more, or one less."""


class DispatchHealth:
    """Hears answers and commits; :meth:`check` logs what has changed.

    ``stall_ms``: how long messages may be due while none is sent.
    """

    def __init__(self, counts: HealthCounts, stall_ms: int) -> None:
        self._counts = counts
        self._stall_ms = stall_ms
        self._down: dict[str, int] = {}
        self._open: dict[str, int] = {}
        self._refusals: dict[str, str] = {}
        """The last reason of each gateway's failures."""
        self._letters: Counter[str] = Counter()
        self._letters_told_ms: int | None = None
        self._sent_ms: dict[int, int] = {}
        """By lane: when a gateway last took a message, or refused one for good, or none was due."""
        self._stalled_ms: dict[int, int] = {}

    @property
    def stalled(self) -> set[int]:
        """Lanes in which nothing is sent though messages are due."""
        return set(self._stalled_ms)

    def answered(self, gateway: str, lane: int, outcome: Outcome, now_ms: int) -> None:
        """A gateway answered about a message of a lane, or the time for it is over."""
        is_for_good = isinstance(outcome, Refused) and outcome.error is ErrorClass.PERMANENT
        if isinstance(outcome, Accepted) or is_for_good:
            self._sent_ms[lane] = now_ms  # it takes messages, whatever it says of this one
        elif isinstance(outcome, Refused):
            self._refusals[gateway] = f"{outcome.error}: {outcome.code}"
        else:
            self._refusals[gateway] = outcome.code

    def committed(self, batch: JournalTransaction) -> None:
        """A transaction of a journal is committed."""
        for letter in batch.dead_letters:
            self._letters[
                f"{letter.gateway or 'no gateway'}, {letter.reason}: {letter.detail}"
            ] += 1

    def check(self, scheduler: Scheduler, now_ms: int) -> None:
        """Tell each state that has changed since the last call."""
        for line in scheduler.router.lines.values():
            self._check_connection(line, now_ms)
            self._check_breaker(line, now_ms)
        self._check_letters(now_ms)
        self._check_stall(scheduler, now_ms)

    def _check_connection(self, line: GatewayLine, now_ms: int) -> None:
        since_ms = self._down.get(line.name)
        if line.down_since_ms is not None and since_ms is None:
            self._down[line.name] = line.down_since_ms
            self._counts.connection_lost(line.name)
            log.warning("a gateway is down", gateway=line.name)
        elif line.down_since_ms is None and since_ms is not None:
            del self._down[line.name]
            log.info("a gateway is up", gateway=line.name, down_seconds=_seconds(now_ms - since_ms))

    def _check_breaker(self, line: GatewayLine, now_ms: int) -> None:
        is_open = line.breaker.state != "closed"
        since_ms = self._open.get(line.name)
        if is_open and since_ms is None:
            self._open[line.name] = now_ms
            log.warning(
                "a gateway keeps failing: its breaker is open",
                gateway=line.name,
                reason=self._refusals.get(line.name, "late answers"),
                next_try_ms=max(line.breaker.open_until_ms - now_ms, 0),
            )
        elif not is_open and since_ms is not None:
            del self._open[line.name]
            open_seconds = _seconds(now_ms - since_ms)
            log.info(
                "a gateway works: its breaker is closed",
                gateway=line.name,
                open_seconds=open_seconds,
            )

    def _check_letters(self, now_ms: int) -> None:
        """The first at once, then how many each minute while there are more."""
        told_ms = self._letters_told_ms
        if told_ms is not None and now_ms - told_ms < QUIET_MS:
            return
        if not self._letters:
            self._letters_told_ms = None
            return
        self._letters_told_ms = now_ms
        log.warning(
            "reminders became dead letters"
            if told_ms is None
            else "more reminders became dead letters",
            count=self._letters.total(),
            reasons="; ".join(
                f"{count} x {reason}" for reason, count in self._letters.most_common(REASONS_LIMIT)
            ),
        )
        self._letters.clear()

    def _check_stall(self, scheduler: Scheduler, now_ms: int) -> None:
        lanes = range(len(scheduler.lanes))
        sent_ms = {lane: self._sent_ms.setdefault(lane, now_ms) for lane in lanes}
        if not self._stalled_ms and now_ms - min(sent_ms.values()) < self._stall_ms:
            return  # it sends: not worth a look at every message
        due = _due(scheduler, now_ms)
        for lane in lanes:
            if lane not in due:
                self._sent_ms[lane] = now_ms
            count, oldest_ms = due.get(lane, (0, now_ms))
            silent_ms = now_ms - max(sent_ms[lane], oldest_ms)
            is_stalled = count > 0 and silent_ms >= self._stall_ms
            if is_stalled and lane not in self._stalled_ms:
                self._stalled_ms[lane] = now_ms - silent_ms
                self._counts.stalled(len(self._stalled_ms), is_new=True)
                log.error(
                    "nothing is sent though messages are due",
                    lane=scheduler.lanes[lane].name,
                    seconds=_seconds(silent_ms),
                    due=count,
                    gateways="; ".join(
                        self._state_of(line)
                        for line in scheduler.router.lines.values()
                        if lane in line.lanes
                    ),
                )
            elif not is_stalled and lane in self._stalled_ms:
                seconds = _seconds(now_ms - self._stalled_ms.pop(lane))
                self._counts.stalled(len(self._stalled_ms), is_new=False)
                log.info(
                    "messages are sent again",
                    lane=scheduler.lanes[lane].name,
                    after_seconds=seconds,
                    due=count,
                )

    def _state_of(self, line: GatewayLine) -> str:
        """A gateway in words."""
        words = []
        if line.down_since_ms is not None:
            words.append("down")
        if line.breaker.state != "closed":
            words.append("breaker open")
        if line.shaper.outstanding:
            words.append(f"{line.shaper.outstanding} without an answer")
        if line.name in self._refusals:
            words.append(f"last failure {self._refusals[line.name]}")
        return f"{line.name}: {', '.join(words) or 'nothing known'}"


def _due(scheduler: Scheduler, now_ms: int) -> dict[int, tuple[int, int]]:
    """By lane: messages that are due or with a gateway, and since when the oldest is. Lanes without
    one are left out."""
    found: dict[int, tuple[int, int]] = {}
    for ledger in scheduler.ledgers.values():
        for message in ledger.messages.values():
            due_ms = max(to_ms(message.reminder.not_before), message.origin.timestamp_ms)
            if due_ms <= now_ms:
                count, oldest_ms = found.get(message.lane, (0, due_ms))
                found[message.lane] = count + 1, min(oldest_ms, due_ms)
    return found


def _seconds(time_ms: int) -> float:
    return round(time_ms / 1000, 1)
