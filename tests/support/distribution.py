"""Which test process runs which tests (pytest-xdist): tests that wait beside tests that compute.

Tests on a broker mostly wait, the others keep a core busy. In the order of the folders, all cores
would be busy first and idle later. Here one process in four takes the computing tests first. The
others take the waiting tests first, and begin with the longest. A process for whose sort nothing is
left takes from the other sort.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

Unit = list[int]
"""Positions of tests that run in one process, one after the other."""

WAITING = ("tests/faults/", "tests/integration/", "tests/interop/")
"""Folders whose tests wait for brokers and other programs."""
LONGEST = (
    "tests/faults/test_short.py",
    "tests/integration/test_end_to_end.py",
    "tests/integration/test_configured.py",
    "tests/integration/test_rights.py",
    "tests/integration/test_tracing.py",
    "tests/integration/test_explain.py",
    "tests/integration/test_operations.py",
    "tests/integration/test_demo.py",
    "tests/integration/test_edges_timers.py",
    "tests/integration/test_verify.py",
    "tests/integration/test_worker.py",
    "tests/integration/test_rotation.py",
    "tests/integration/test_topics_change.py",
    "tests/interop/",
    "tests/integration/test_dispatch_edges.py",
    "tests/integration/test_dispatch.py",
    "tests/integration/test_compose.py",
    "tests/integration/test_edges_start.py",
)
"""The longest files, in this order. A long test that begins last runs alone in the end."""
_SHARED = 'scope="module"'


class MixedScheduling(LoadScheduling):  # type: ignore[misc]  # it has no types for mypy
    """See the module. A process always has the test that it runs, and the next one."""

    collection: list[str] | None

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        self._waiting: deque[Unit] = deque()
        self._computing: deque[Unit] = deque()
        self._computing_first: set[WorkerController] = set()

    def schedule(self) -> None:
        """All processes have collected, or there is a process in place of another."""
        if self.collection is None:
            if not self._check_nodes_have_same_collection():
                return
            self.collection = collection = next(iter(self.node2collection.values()))
            waiting, computing = units_of(collection, self.config.rootpath)
            self._waiting.extend(waiting)
            self._computing.extend(computing)
            # The first one is a computing one: with two processes there is one of each sort.
            self._computing_first.update(self.nodes[::4])
            # Where tests are few, each process gets one before any process gets a second one.
            for node in self.nodes:
                self._send(node, self._next_unit(node))
        for node in self.nodes:
            self.check_schedule(node)

    def check_schedule(self, node: WorkerController, duration: float = 0) -> None:
        """Send a process more tests if it has less than two."""
        while not node.shutting_down and len(self.node2pending[node]) < 2:
            unit = self._next_unit(node)
            if not unit:
                node.shutdown()
                return
            self._send(node, unit)

    def _send(self, node: WorkerController, unit: Unit) -> None:
        if unit:
            self.node2pending[node].extend(unit)
            node.send_runtest_some(unit)

    def _next_unit(self, node: WorkerController) -> Unit:
        sorts = [self._waiting, self._computing]
        if node in self._computing_first:
            sorts.reverse()
        return next((units.popleft() for units in sorts if units), [])

    @property
    def tests_finished(self) -> bool:
        return not (self._waiting or self._computing) and super().tests_finished

    @property
    def has_pending(self) -> bool:
        return bool(self._waiting or self._computing) or super().has_pending

    def mark_test_pending(self, item: str) -> None:
        """This test is to run again."""
        assert self.collection is not None
        self._again([self.collection.index(item)])

    def remove_node(self, node: WorkerController) -> str | None:
        """A process has ended. If it has crashed, others take the tests that were left to it."""
        left = self.node2pending.pop(node)
        if not left:
            return None
        assert self.collection is not None
        crashed: str = self.collection[left.pop(0)]
        if left:
            self._again(left)
        return crashed

    def _again(self, unit: Unit) -> None:
        self._waiting.appendleft(unit)
        for node in self.nodes:
            self.check_schedule(node)


def units_of(collection: Sequence[str], root: Path) -> tuple[list[Unit], list[Unit]]:
    """The waiting and the computing units, in the order in which they are to run."""
    waiting: list[Unit] = []
    computing: list[Unit] = []
    numbered = enumerate(collection)
    for file, group in groupby(numbered, key=lambda one: one[1].partition("::")[0]):
        numbers = [number for number, _ in group]
        if not file.startswith(WAITING):
            computing.append(numbers)
        elif _SHARED in (root / file).read_text(encoding="utf-8"):
            # Each further process would make the fixture again.
            waiting.append(numbers)
        else:
            waiting.extend([number] for number in numbers)
    waiting.sort(key=lambda unit: _rank(collection[unit[0]]))
    return waiting, computing


def _rank(test: str) -> int:
    return next(
        (rank for rank, begin in enumerate(LONGEST) if test.startswith(begin)), len(LONGEST)
    )
