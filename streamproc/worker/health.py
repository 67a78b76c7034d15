"""Whether a worker makes progress, and whether its partitions flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamproc.engine.engine import Engine
from streamproc.engine.life import State
from streamproc.engine.open_partition import OpenPartition
from streamproc.kafka.silence import FAILED_SECONDS, waited_for
from streamproc.worker.fetching import FetchWatch

_Positions = tuple[tuple[str, int], ...]

STANDSTILL_SECONDS = 60.0
"""Longer than the limit of a transaction (30 s): if a broker is away, commits fail before that."""


class WorkerHealth:
    """Answers the probes. It measures progress between probes, so the first probe never fails."""

    def __init__(
        self,
        engine: Engine[Any],
        silent_seconds: Callable[[], float] = lambda: 0.0,
        fetches: FetchWatch | None = None,
    ) -> None:
        """``silent_seconds``: how long the broker has not answered; 0 if it answers. ``fetches``:
        knows of fetches that have stopped."""
        self._fetches = fetches
        self._engine = engine
        self._topics = engine.settings.input_topics
        self._silent_seconds = silent_seconds
        self._limit_seconds = STANDSTILL_SECONDS + engine.settings.commit_interval_seconds
        self._moved: dict[int, tuple[OpenPartition[Any], int, _Positions, float]] = {}
        """By partition: its memory, its commits, where stopped fetches are, and the time (s) since
        which nothing of that changed though there was work."""

    def failing(self, now: float) -> str:
        """Why the worker must be restarted; empty if it is alive. ``now``: monotonic seconds.

        A running partition that has input must commit, and its fetch must not stop while
        the broker has more. A restart does not help a partition
        that does not run, nor against a broker that does not answer: a new process would wait just
        as long.
        """
        is_silent = self._silent_seconds() > 0
        stuck = []
        for partition in self._engine.partitions:
            opened = partition.opened
            if partition.state is not State.RUNNING or opened is None or is_silent:
                # A partition that runs again, or has a broker again, gets the full time again.
                self._moved.pop(partition.number, None)
                continue
            has_work = opened.has_uncommitted or self._has_input(partition)
            # A fetch waits for the work on what was fetched, so only without that it has stopped.
            standing = () if has_work else self._standing(partition.number)
            before = self._moved.get(partition.number, (opened, -1, standing, now))
            since = before[-1]
            # Without input, a partition may wait for any time.
            is_idle = not has_work and not standing
            if is_idle or before[0] is not opened or before[1:3] != (opened.commits, standing):
                since = now
            self._moved[partition.number] = opened, opened.commits, standing, since
            if now - since >= self._limit_seconds:
                stuck.append(partition.number)
        if not stuck:
            return ""
        return f"partitions {stuck} have input and commit nothing for {self._limit_seconds:.0f} s"

    def waiting(self) -> str:
        """What the worker waits for, though it is alive; empty if nothing."""
        return waited_for(self._silent_seconds())

    def unready(self) -> str:
        """Why not all partitions of this worker receive input; empty if they do."""
        # A single question that fails says nothing yet.
        if self._silent_seconds() >= FAILED_SECONDS:
            return self.waiting()
        partitions = self._engine.partitions
        if not partitions.has_assignment:
            return "the group has not assigned partitions yet"
        waiting = {
            number: state.value
            for number, state in sorted(partitions.states.items())
            if state not in (State.RUNNING, State.STANDBY, State.CLOSED)
        }
        return f"partitions that do not flow: {waiting}" if waiting else ""

    def _standing(self, number: int) -> _Positions:
        """The fetches of a partition behind which the broker has more, and where they are."""
        if self._fetches is None:
            return ()
        found = [(one, self._fetches.position(one, number)) for one in self._topics]
        return tuple((topic, at) for topic, at in found if at is not None)

    def _has_input(self, partition: Any) -> bool:
        """Whether fetched records wait. Input that a broker does not deliver does not count."""
        return any(
            partition.intake(topic).has_fetched_beyond(partition.next_offset(topic))
            for topic in self._topics
        )
