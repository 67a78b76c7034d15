"""The distribution of tests over processes: each test runs once, and the order is the one meant."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.distribution import LONGEST, WAITING, MixedScheduling, units_of

ROOT = Path(__file__).parents[2]
ALONE, TOGETHER = "tests/integration/test_silent_broker.py", "tests/integration/test_topics.py"
"""The tests of the latter have a fixture in common."""
COMPUTING = [f"tests/unit/test_{file}.py::test_{number}" for file in "ab" for number in range(5)]
LONG = [f"{LONGEST[0]}::test_{number}" for number in range(3)]
WHOLE = [f"{TOGETHER}::test_{number}" for number in range(3)]
SINGLE = [f"{ALONE}::test_{number}" for number in range(4)]
TESTS = [*COMPUTING, *SINGLE, *WHOLE, *LONG]


class Process:
    """What the scheduler sees of a test process."""

    def __init__(self) -> None:
        self.gateway = SimpleNamespace(id="gw")
        self.sent: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        assert not self.shutting_down
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def started(processes: int, tests: list[str]) -> tuple[Any, list[Process]]:
    class Config:
        rootpath = ROOT
        known = {"tx": [f"{processes}*popen"], "maxschedchunk": None}

        def getoption(self, name: str) -> Any:
            return self.known[name]

        getvalue = getoption

    scheduling: Any = MixedScheduling(cast("pytest.Config", Config()))
    nodes = [Process() for _ in range(processes)]
    for node in nodes:
        scheduling.add_node(node)
        scheduling.add_node_collection(node, tests)
    scheduling.schedule()
    return scheduling, nodes


def run(scheduling: Any, nodes: list[Process]) -> dict[Process, list[str]]:
    """All tests run to the end, one of each process after the other."""
    done: dict[Process, list[str]] = {node: [] for node in nodes}
    while any(scheduling.node2pending.values()):
        for node in list(scheduling.node2pending):
            pending = scheduling.node2pending[node]
            # A process begins a test when it knows the next one, or that there is none.
            assert len(pending) != 1 or node.shutting_down
            if pending:
                done[node].append(scheduling.collection[pending[0]])
                scheduling.mark_test_complete(node, pending[0])
    assert scheduling.tests_finished
    assert not scheduling.has_pending
    return done


@pytest.mark.parametrize("processes", [1, 2, 4, 7])
@pytest.mark.parametrize("tests", [TESTS, COMPUTING, SINGLE[:2], SINGLE[:1], []], ids=len)
def test_each_test_runs_once(processes: int, tests: list[str]) -> None:
    scheduling, nodes = started(processes, tests)
    done = run(scheduling, nodes)
    assert sorted(test for ran in done.values() for test in ran) == sorted(tests)
    assert all(node.shutting_down for node in nodes)
    if processes == len(tests):
        assert [len(ran) for ran in done.values()] == [1] * processes


def test_one_process_computes_and_the_others_wait_the_longest_first() -> None:
    _, nodes = started(3, TESTS)
    first, second, third = ([TESTS[number] for number in node.sent] for node in nodes)
    assert first == COMPUTING[:5]
    assert second == LONG
    assert third[:2] == SINGLE[:2]


def test_a_process_for_whose_sort_nothing_is_left_takes_from_the_other() -> None:
    done = run(*started(2, [*SINGLE, COMPUTING[0]]))
    assert all(set(SINGLE) & set(ran) for ran in done.values())


def test_what_shares_a_fixture_stays_together() -> None:
    waiting, computing = units_of(TESTS, ROOT)
    assert [[TESTS[number] for number in unit] for unit in computing] == [
        COMPUTING[:5],
        COMPUTING[5:],
    ]
    assert [[TESTS[number] for number in unit] for unit in waiting] == [
        LONG,
        *([one] for one in SINGLE),
        WHOLE,
    ]


def test_others_take_what_a_process_that_crashes_leaves() -> None:
    scheduling, nodes = started(2, TESTS)
    left = [TESTS[number] for number in nodes[1].sent]
    assert scheduling.remove_node(nodes[1]) == left[0]
    done = run(scheduling, nodes)
    assert sorted([*done[nodes[0]], left[0]]) == sorted(TESTS)


def test_what_is_named_is_there() -> None:
    assert all((ROOT / folder).is_dir() for folder in WAITING)
    assert all((ROOT / path).exists() and path.startswith(WAITING) for path in LONGEST)
