"""Whether a worker makes progress, and whether its partitions flow."""

from __future__ import annotations

from typing import Any

from streamproc.engine.engine import Engine
from streamproc.engine.life import State

STANDSTILL_SECONDS = 60.0
"""Longer than the limit of a transaction (30 s): if a broker is away, commits fail before that."""


class WorkerHealth:
    """Answers the probes. It measures progress between probes, so the first probe never fails."""

    def __init__(self, engine: Engine[Any]) -> None:
        self._engine = engine
        self._moved: dict[int, tuple[int, float]] = {}
        """By partition: the sum of its input positions, and the time (s) at which that changed
        last."""

    def failing(self, now: float) -> str:
        """Why the worker must be restarted; empty if it is alive. ``now``: monotonic seconds.

        A running partition that has input must make progress. A partition that does not run is
        no reason to restart: it waits for the broker or for the group, and a new process would
        wait just as long.
        """
        stuck = []
        for partition in self._engine.partitions:
            if partition.state is not State.RUNNING or partition.opened is None:
                # A partition that runs again gets the full time again.
                self._moved.pop(partition.number, None)
                continue
            position = sum(partition.opened.progress.positions.values())
            before, since = self._moved.get(partition.number, (-1, now))
            # Without input, a partition may wait for any time.
            if position != before or not self._has_input(partition):
                since = now
            self._moved[partition.number] = position, since
            if now - since >= STANDSTILL_SECONDS:
                stuck.append(partition.number)
        if not stuck:
            return ""
        return f"partitions {stuck} have input and stand still for {STANDSTILL_SECONDS:.0f} s"

    def unready(self) -> str:
        """Why not all partitions of this worker receive input; empty if they do."""
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
