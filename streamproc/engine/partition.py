"""One partition from the worker's start to its end: everything known about it, and its state.

Only this class changes the state, so each transition of ``life.py`` has one method here.
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
    """Rows as they were at a changelog offset."""

    rows: Rows[Any]
    progress: Progress = field(default_factory=Progress)
    next_offset: int = 0


class Partition(Generic[T]):
    """The same object is used whether this worker owns the partition or not: it outlives
    assignments."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.opened: OpenPartition[T] | None = None
        """Its rows and commits, in the states of ``life.IN_MEMORY``."""
        self.copy: WarmCopy | None = None
        """Its rows as a standby, until an opening uses them."""
        self.intakes: dict[str, Intake] = {}
        """By input topic. They are kept between assignments, because epochs must never decrease."""
        self.repair: asyncio.Task[None] | None = None
        """The task that opens it again while it is broken."""
        self.broken_at = float("-inf")
        """When it broke last (monotonic seconds)."""
        self.pause_seconds = 0.0
        """How long its last repair waited before it began."""
        self._state = State.CLOSED

    @property
    def state(self) -> State:
        """Where the partition is in its life."""
        return self._state

    def intake(self, topic: str) -> Intake:
        """The intake of one of its input topics."""
        intake = self.intakes.get(topic)
        if intake is None:
            intake = self.intakes[topic] = Intake(Place(topic, self.number))
        return intake

    def start_offset(self, topic: str) -> int | None:
        """Where input must start; None if there is no state here that knows it."""
        return self.opened.start_offset(topic) if self.opened else None

    def next_offset(self, topic: str) -> int:
        """The first offset that the state does not contain, as far as the state knows it."""
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
        """RUNNING to BROKEN: its memory is unusable (law 4). The caller must close that memory."""
        self._become(State.BROKEN, State.RUNNING)
        self.opened = None

    def begin_finishing(self) -> None:
        """RUNNING to FINISHING: from now on nothing more is applied."""
        self._become(State.FINISHING, State.RUNNING)

    async def finish(self) -> None:
        """FINISHING to SUSPENDED, when all is committed; raises the errors of the commit.

        A revocation and the end of the worker can both call it. The second caller waits as well.
        """
        if self.opened is not None:
            await self.opened.finish()
        if self._state is State.FINISHING:
            self._become(State.SUSPENDED, State.FINISHING)

    def suspend(self) -> None:
        """READY to SUSPENDED: revoked before any input arrived."""
        self._become(State.SUSPENDED, State.READY)

    def give_back(self) -> None:
        """SUSPENDED to READY: the group assigns it to this worker again."""
        self._become(State.READY, State.SUSPENDED)

    async def close(self) -> None:
        """To CLOSED, from any state. The next owner aborts what is not committed."""
        if self._state is State.CLOSED:
            return
        self._become(State.CLOSED, self._state)
        opened, self.opened = self.opened, None
        self.copy = None
        if opened is not None:
            await opened.close()

    def _become(self, state: State, *origins: State) -> None:
        """Change to a state that may follow, from one of the states that the caller expects."""
        was = self._state
        if was not in origins or state not in NEXT[was]:
            raise IllegalTransitionError(self.number, was, state)
        self._state = state
        log.debug(
            "partition changed its state", partition=self.number, was=was.value, state=state.value
        )
