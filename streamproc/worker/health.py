"""Whether a worker makes progress, and whether its partitions flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamproc.engine.engine import Engine
from streamproc.engine.life import State
from streamproc.engine.open_partition import OpenPartition
from streamproc.kafka.silence import FAILED_SECONDS, waited_for

STANDSTILL_SECONDS = 60.0
"""Longer than the limit of a transaction (30 s): if a broker is away, commits fail before that."""


class WorkerHealth:
    """Answers the probes. It measures progress between probes, so the first probe never fails."""

    def __init__(
        self, engine: Engine[Any], silent_seconds: Callable[[], float] = lambda: 0.0
    ) -> None:
        """``silent_seconds``: how long the broker has not answered; 0 if it answers."""
        self._engine = engine
        self._silent_seconds = silent_seconds
        self._limit_seconds = STANDSTILL_SECONDS + engine.settings.commit_interval_seconds
        self._moved: dict[int, tuple[OpenPartition[Any], int, float]] = {}
        """By partition: its memory, its commits, and the time (s) since which there was no more of
        them though there was work."""

    def failing(self, now: float) -> str:
        """Why the worker must be restarted; empty if it is alive. ``now``: monotonic seconds.

        A running partition that has input must commit. A restart does not help a partition
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
            before, commits, since = self._moved.get(partition.number, (opened, -1, now))
            has_work = opened.has_uncommitted or self._has_input(partition)
            # Without input, a partition may wait for any time.
            if before is not opened or commits != opened.commits or not has_work:
                since = now
            self._moved[partition.number] = opened, opened.commits, since
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

    def _has_input(self, partition: Any) -> bool:
        """Whether fetched records wait. Input that a broker does not deliver does not count."""
        return any(
            partition.intake(topic).has_fetched_beyond(partition.next_offset(topic))
            for topic in self._engine.settings.input_topics
        )
