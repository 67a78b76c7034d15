"""One partition, from the worker's start to its end: all that is known of it, and its state.

Whatever changes a partition's state does it here, so each transition of ``life.py`` has one method.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import structlog

from streamproc.engine.changelog import Progress
from streamproc.engine.cluster import Place
from streamproc.engine.intake import Intake
from streamproc.engine.life import NEXT, IllegalTransitionError, State
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.rows import Rows

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass
class WarmCopy:
    """Rows as of a changelog offset."""

    rows: Rows[Any]
    progress: Progress = field(default_factory=Progress)
    next_offset: int = 0


class Partition(Generic[T]):
    """The same object whether the partition is here or not: it outlives every assignment."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.opened: OpenPartition[T] | None = None
        """Its rows and commits, in the states of ``life.IN_MEMORY``."""
        self.copy: WarmCopy | None = None
        """Its rows as a standby, until an opening takes them over."""
        self.intakes: dict[str, Intake] = {}
        """By input topic; kept between assignments, for epochs only ever grow."""
        self.repair: asyncio.Task[None] | None = None
        """What opens it again while it is broken."""
        self.broken_at = float("-inf")
        """When it broke last (monotonic seconds)."""
        self.pause_seconds = 0.0
        """How long its last repair waited first."""
        self._state = State.CLOSED

    @property
    def state(self) -> State:
        """Where the partition is in its life."""
        return self._state

    def intake(self, topic: str) -> Intake:
        """What is known of the fetches of one of its input topics."""
        intake = self.intakes.get(topic)
        if intake is None:
            intake = self.intakes[topic] = Intake(Place(topic, self.number))
        return intake

    def start_offset(self, topic: str) -> int | None:
        """Where input must start; None if there is no state here that says so."""
        return self.opened.start_offset(topic) if self.opened else None

    def next_offset(self, topic: str) -> int:
        """The first offset that the state does not contain, as far as it says."""
        return self.opened.progress.positions.get(topic, 0) if self.opened else 0

    # The transitions.

    def follow(self, copy: WarmCopy) -> None:
        """CLOSED to STANDBY."""
        self._become(State.STANDBY, State.CLOSED)
        self.copy = copy

    def begin_opening(self) -> None:
        """CLOSED, STANDBY or BROKEN to OPENING."""
        self._become(State.OPENING, State.CLOSED, State.STANDBY, State.BROKEN)

    def take_over(self, opened: OpenPartition[T]) -> None:
        """OPENING to READY: the rows are whole."""
        self._become(State.READY, State.OPENING)
        self.opened = opened

    def give_up_opening(self) -> None:
        """OPENING to BROKEN."""
        self._become(State.BROKEN, State.OPENING)

    def run(self) -> None:
        """READY to RUNNING: its input has been sought."""
        self._become(State.RUNNING, State.READY)

    def break_off(self) -> None:
        """RUNNING to BROKEN: its memory is worthless (law 4). Who calls this closes that."""
        self._become(State.BROKEN, State.RUNNING)
        self.opened = None

    def begin_finishing(self) -> None:
        """RUNNING to FINISHING: from now on nothing more is applied."""
        self._become(State.FINISHING, State.RUNNING)

    async def finish(self) -> None:
        """FINISHING to SUSPENDED, once all is committed; raises what the commit raises.

        A revocation and the worker's end may both ask for it: who comes second waits as well.
        """
        if self.opened is not None:
            await self.opened.finish()
        if self._state is State.FINISHING:
            self._become(State.SUSPENDED, State.FINISHING)

    def suspend(self) -> None:
        """READY to SUSPENDED: revoked before any input came."""
        self._become(State.SUSPENDED, State.READY)

    def give_back(self) -> None:
        """SUSPENDED to READY: the group leaves it to this worker."""
        self._become(State.READY, State.SUSPENDED)

    async def close(self) -> None:
        """To CLOSED, from wherever it is; what is not committed is aborted by the next owner."""
        if self._state is State.CLOSED:
            return
        self._become(State.CLOSED, self._state)
        opened, self.opened = self.opened, None
        self.copy = None
        if opened is not None:
            await opened.close()

    def _become(self, state: State, *origins: State) -> None:
        """Go on to a state that may follow, from one of those that the caller means."""
        was = self._state
        if was not in origins or state not in NEXT[was]:
            raise IllegalTransitionError(self.number, was, state)
        self._state = state
        log.debug("partition", partition=self.number, was=was.value, state=state.value)
