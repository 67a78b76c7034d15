"""Faults of commits on purpose: they wait, or fail, after a numbered step."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from unittest import mock

from streamproc.engine import crashpoints


class SimulatedCrashError(BaseException):
    """The process died here. No code of the worker may catch it."""


class CommitFaults:
    """The planned faults, and the hook for :class:`~tests.support.memory_log.MemoryWriter`."""

    def __init__(self) -> None:
        self._failures: list[tuple[int | None, str, BaseException]] = []
        self._gates: dict[str, asyncio.Event] = {}

    def hold_at(self, step: str) -> None:
        self._gates[step] = asyncio.Event()

    def release(self) -> None:
        for gate in self._gates.values():
            gate.set()
        self._gates.clear()

    def fail_at(self, step: str, error: BaseException, partition: int | None) -> None:
        self._failures.append((partition, step, error))

    def clear(self) -> None:
        self._gates.clear()
        self._failures.clear()

    async def pause(self, partition: int, step: str) -> None:
        """Called by the writer after each step."""
        gate = self._gates.get(step)
        if gate is not None:
            await gate.wait()
        for failure in self._failures:
            if failure[0] in (None, partition) and failure[1] == step:
                self._failures.remove(failure)
                raise failure[2]


@contextlib.contextmanager
def crashing_at(stage: str, step: str, count: int) -> Iterator[None]:
    """Raise :class:`SimulatedCrashError` when a step is reached the ``count``-th time."""

    def strike(_: object) -> None:
        raise SimulatedCrashError(f"{stage}:{step}")

    with mock.patch.object(crashpoints, "_strike", strike):
        crashpoints.arm(crashpoints.CrashPlan(stage, step, count))
        try:
            yield
        finally:
            crashpoints.arm(None)
