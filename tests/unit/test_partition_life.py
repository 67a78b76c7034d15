"""The life of a partition: every transition, legal or not, and who makes it."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from streamproc.engine import partitions as partitions_module
from streamproc.engine import repair
from streamproc.engine.chunk import Chunk
from streamproc.engine.cluster import Place
from streamproc.engine.due import NEVER_DUE
from streamproc.engine.engine import Engine
from streamproc.engine.life import IN_MEMORY, NEXT, IllegalTransitionError, State
from streamproc.engine.partition import Partition, WarmCopy
from streamproc.engine.rows import Rows
from streamproc.engine.settings import EngineSettings
from tests.support.memory_cluster import MemoryCluster
from tests.support.memory_log import MemoryLog
from tests.support.waiting import let_run, until

README = Path(partitions_module.__file__).with_name("README.md")


def in_state(state: State) -> Partition[Any]:
    partition: Partition[Any] = Partition(7)
    partition._state = state
    return partition


@pytest.mark.parametrize(("state", "wanted"), list(itertools.product(State, State)))
def test_every_transition_is_legal_or_refused(state: State, wanted: State) -> None:
    partition = in_state(state)
    if wanted in NEXT[state]:
        partition._become(wanted, state)
        assert partition.state is wanted
        return
    with pytest.raises(IllegalTransitionError) as refused:
        partition._become(wanted, state)
    words = f"partition 7 is {state.value} and cannot become {wanted.value}"
    assert words in str(refused.value)
    assert partition.state is state, "a refused transition changes nothing"


METHODS: dict[str, tuple[set[State], State, Callable[[Partition[Any]], Any]]] = {
    "follow": ({State.CLOSED}, State.STANDBY, lambda one: one.follow(mock.Mock(WarmCopy))),
    "begin_opening": (
        {State.CLOSED, State.STANDBY, State.BROKEN},
        State.OPENING,
        lambda one: one.begin_opening(),
    ),
    "take_over": ({State.OPENING}, State.READY, lambda one: one.take_over(mock.Mock())),
    "give_up_opening": ({State.OPENING}, State.BROKEN, lambda one: one.give_up_opening()),
    "run": ({State.READY}, State.RUNNING, lambda one: one.run()),
    "break_off": ({State.RUNNING}, State.BROKEN, lambda one: one.break_off()),
    "begin_finishing": ({State.RUNNING}, State.FINISHING, lambda one: one.begin_finishing()),
    "finish": ({State.FINISHING}, State.SUSPENDED, lambda one: asyncio.run(one.finish())),
    "suspend": ({State.READY}, State.SUSPENDED, lambda one: one.suspend()),
    "give_back": ({State.SUSPENDED}, State.READY, lambda one: one.give_back()),
    "close": (set(State) - {State.OPENING}, State.CLOSED, lambda one: asyncio.run(one.close())),
}
"""By method: from which states it may be called, and what it makes of them."""


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("state", State)
def test_each_method_makes_its_one_transition(name: str, state: State) -> None:
    legal, becomes, call = METHODS[name]
    partition = in_state(state)
    if state in legal:
        call(partition)
        assert partition.state is becomes
    elif name == "finish":
        call(partition)
        assert partition.state is state, "who comes second finds it done"
    else:
        with pytest.raises(IllegalTransitionError):
            call(partition)


def test_the_methods_make_all_transitions_that_there_are() -> None:
    made = {(one, becomes) for legal, becomes, _ in METHODS.values() for one in legal}
    listed = {(one, after) for one in State for after in NEXT[one]}
    assert made - {(State.CLOSED, State.CLOSED)} == listed


def test_no_state_is_a_trap_or_out_of_reach() -> None:
    for start in State:
        reached, before = {start}, set[State]()
        while reached != before:
            before = set(reached)
            reached |= {after for one in before for after in NEXT[one]}
        assert reached == set(State)


def test_the_readme_lists_the_transitions_that_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|$", README.read_text("utf-8"), re.M)
    told = {State(state): set(re.findall(r"`(\w+)`", after)) for state, after in rows}
    assert told == {state: {one.value for one in after} for state, after in NEXT.items()}


def test_the_drawing_names_every_state() -> None:
    drawing = Path(partitions_module.__file__).with_name("life.py").read_text("utf-8")
    boxes = set(re.findall(r"\| +([A-Z]+) +\|", drawing.split("from __future__")[0]))
    assert boxes == {one.name for one in State}


class Copying:
    """Each record's value becomes its key's row."""

    failing = False

    def new_rows(self) -> Rows[Any]:
        return Rows(self)

    pack = staticmethod(bytes)
    unpack = staticmethod(bytes)

    @staticmethod
    def due_ms(row: bytes) -> int:
        return NEVER_DUE

    def apply(
        self, topic: str, partition: int, records: Any, rows: Any, outbox: Any, clock_ms: int
    ) -> int:
        for record in records:
            rows.put(record.key, record.value)
        return int(records[-1].timestamp)

    def tick(self, rows: Any, outbox: Any, clock_ms: int, now_ms: int, limit: int) -> None: ...

    @property
    def epoch(self) -> int:
        return 1

    def set_aside(self, poison: object) -> None: ...


class Scene:
    """A worker on a log in memory, in a group that is played by the test."""

    def __init__(self) -> None:
        self.cluster = MemoryCluster(MemoryLog(3))
        settings = EngineSettings("", "app", ("in",), commit_interval_seconds=0.0)
        self.engine: Engine[bytes] = Engine(settings, Copying(), self.cluster, lambda: 0)
        self.partitions = self.engine.partitions
        self.crashes: list[BaseException] = []
        self.input: Any = mock.Mock(
            is_rebalancing=False,
            is_member=mock.AsyncMock(return_value=True),
            rewind=self._rewind,
            crash=mock.AsyncMock(side_effect=self.crashes.append),
        )
        self.engine.attach(self.input)
        self.next = 0

    async def _rewind(self, topic: str, number: int, offset: int) -> bool:
        self.partitions[number].intake(topic).begin_epoch(offset)
        return True

    def states(self) -> list[str]:
        return [state.value for _, state in sorted(self.partitions.states.items())]

    async def assign(self, *actives: int, standbys: tuple[int, ...] = ()) -> None:
        await self.partitions.own(set(actives), set(standbys), "changelog")

    async def seek(self, *numbers: int) -> None:
        for number in numbers:
            await self._rewind("in", number, self.partitions[number].start_offset("in") or 0)
        self.engine.input_is_sought(set(numbers))

    async def run(self, *actives: int) -> None:
        await self.assign(*actives)
        await self.seek(*actives)

    async def deliver(self, number: int, value: bytes) -> None:
        intake = self.partitions[number].intake("in")
        record = self.cluster.log.append("in", number, b"k", value, 1000)
        chunk = Chunk(Place("in", number), [record], intake.epoch, follows=record.offset)
        await self.engine.on_chunk(SimpleNamespace(value=chunk, ack=lambda: None))

    def row(self, number: int) -> bytes | None:
        opened = self.partitions[number].opened
        assert opened is not None
        return opened.rows.get(b"k")


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(partitions_module, "give_memory_back", lambda: None)
    monkeypatch.setattr(repair, "FIRST_PAUSE_SECONDS", 0.01)
    return Scene()


async def test_a_partition_that_is_given_back_goes_on_with_its_memory(scene: Scene) -> None:
    await scene.assign(0)
    assert scene.states() == ["ready"]
    await scene.seek(0)
    await scene.deliver(0, b"1")
    assert scene.states() == ["running"]
    await scene.partitions.finish({0})
    assert scene.states() == ["suspended"]
    await scene.run(0)
    assert scene.states() == ["running"]
    assert scene.row(0) == b"1"
    assert scene.cluster.started == [0], "nothing was loaded again"
    await scene.engine.finish_all()
    await scene.partitions.close()
    assert scene.states() == ["closed"]


async def test_a_partition_that_another_worker_gets_is_closed(scene: Scene) -> None:
    await scene.run(0, 1)
    await scene.deliver(1, b"1")
    await scene.partitions.finish({0, 1})
    await scene.run(0)
    assert scene.states() == ["running", "closed"]
    assert scene.cluster.closed == [1]
    await scene.partitions.finish({0, 1})
    await scene.run(0, 1)
    assert scene.row(1) == b"1", "it was committed, and is loaded again"


async def test_a_revocation_waits_for_the_last_commit_and_so_does_a_stop(scene: Scene) -> None:
    await scene.run(0)
    scene.cluster.may_commit.clear()
    await scene.deliver(0, b"1")
    revocation = asyncio.create_task(scene.partitions.finish({0}))
    await let_run()
    stop = asyncio.create_task(scene.engine.finish_all())
    await let_run()
    assert scene.states() == ["finishing"]
    assert not revocation.done()
    assert not stop.done()
    scene.cluster.may_commit.set()
    await asyncio.gather(revocation, stop)
    assert scene.states() == ["suspended"]
    assert scene.cluster.log.end("changelog", 0) > 0


async def test_a_last_commit_that_fails_closes_the_partition(scene: Scene) -> None:
    await scene.run(0, 1)
    scene.cluster.may_commit.clear()
    for number in (0, 1):
        await scene.deliver(number, b"1")
    scene.cluster.commit_errors.append(TimeoutError())
    revocation = asyncio.create_task(scene.partitions.finish({0, 1}))
    await let_run()
    scene.cluster.may_commit.set()
    await revocation
    assert sorted(scene.states()) == ["closed", "suspended"]
    (dropped,) = (one.number for one in scene.partitions if one.state is State.CLOSED)
    await scene.run(0, 1)
    assert scene.states() == ["running", "running"]
    assert (scene.row(dropped), scene.row(1 - dropped)) == (None, b"1")


async def test_what_is_being_opened_is_opened_before_a_revocation_is_over(scene: Scene) -> None:
    """Else its producer would fence the next owner afterwards."""
    scene.cluster.may_start.clear()
    assignment = asyncio.create_task(scene.assign(0))
    await let_run()
    revocation = asyncio.create_task(scene.partitions.finish({0}))
    await let_run()
    assert scene.states() == ["opening"]
    assert not revocation.done()
    scene.cluster.may_start.set()
    await asyncio.gather(assignment, revocation)
    assert scene.states() == ["suspended"]
    scene.engine.input_is_sought({0})
    assert scene.states() == ["suspended"], "it is nobody's: nothing flows"


async def test_a_broken_partition_is_opened_again_and_runs(scene: Scene) -> None:
    await scene.run(0)
    await scene.deliver(0, b"1")
    scene.cluster.may_commit.clear()
    await let_run()
    await scene.deliver(0, b"2")
    scene.cluster.commit_errors.append(TimeoutError())
    scene.cluster.may_commit.set()
    await until(lambda: scene.cluster.commit_errors == [])
    scene.cluster.start_errors += [OSError(), OSError()]
    await let_run()
    await scene.engine.on_tick()
    assert scene.states() == ["broken"]
    assert scene.partitions.opened == []
    await until(lambda: scene.states() == ["running"])
    assert scene.cluster.started == [0, 0, 0, 0]
    scene.input.pause.assert_called_once_with(0)
    scene.input.resume.assert_called_once_with(0)
    assert scene.row(0) == b"1"
    assert scene.crashes == []


def breaks(scene: Scene) -> asyncio.Task[None]:
    """The running partition 0 breaks; returns its repair."""
    opened = scene.partitions[0].opened
    assert opened is not None
    scene.engine._repairs.begin(scene.partitions[0], opened, TimeoutError(), scene.input)
    repairing = scene.partitions[0].repair
    assert repairing is not None
    return repairing


@pytest.mark.parametrize("is_member_then", [True, False])
async def test_a_repair_gives_way_to_a_revocation(scene: Scene, is_member_then: bool) -> None:
    await scene.run(0)
    scene.input.is_member.return_value = False
    repairing = breaks(scene)
    await let_run()
    assert scene.states() == ["broken"]
    await scene.partitions.finish({0})
    assert scene.states() == ["closed"]
    scene.input.is_member.return_value = is_member_then
    await asyncio.wait_for(repairing, 5)
    assert (scene.states(), scene.cluster.started) == (["closed"], [0])
    await scene.run(0)
    assert scene.states() == ["running"]
    scene.input.resume.assert_not_called()


async def test_a_repair_that_waits_for_its_turn_opens_nothing_that_was_revoked(
    scene: Scene,
) -> None:
    """Its producer would fence the next owner."""
    await scene.run(0)
    scene.cluster.may_start.clear()
    assignment = asyncio.create_task(scene.assign(0, 1))
    await let_run()
    repairing = breaks(scene)
    await let_run()
    revocation = asyncio.create_task(scene.partitions.finish({0, 1}))
    await let_run()
    scene.cluster.may_start.set()
    await asyncio.gather(assignment, repairing, revocation)
    assert (scene.states(), scene.cluster.started) == (["closed", "suspended"], [0, 1])


async def test_a_repair_lets_nothing_flow_that_was_revoked_meanwhile(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.run(0)
    sought = asyncio.Event()

    async def rewind(*_: Any) -> bool:
        await sought.wait()
        return True

    monkeypatch.setattr(scene.input, "rewind", rewind)
    repairing = breaks(scene)
    await until(lambda: scene.states() == ["ready"])
    await scene.partitions.finish({0})
    sought.set()
    await repairing
    assert (scene.states(), scene.crashes) == (["suspended"], [])
    scene.input.resume.assert_not_called()


async def test_a_revocation_that_is_cut_off_leaves_no_memory_to_go_on_with(scene: Scene) -> None:
    """Its commit was cancelled: nobody knows what the broker has."""
    await scene.run(0)
    scene.cluster.may_commit.clear()
    await scene.deliver(0, b"1")
    revocation = asyncio.create_task(scene.partitions.finish({0}))
    await let_run()
    revocation.cancel()
    await asyncio.wait([revocation])
    assert scene.states() == ["finishing"]
    scene.cluster.may_commit.set()
    await scene.run(0)
    assert (scene.states(), scene.cluster.started) == (["running"], [0, 0])
    assert scene.row(0) is None


async def test_a_failure_of_a_memory_that_is_gone_breaks_nothing(scene: Scene) -> None:
    await scene.run(0)
    old = scene.partitions[0].opened
    assert old is not None
    await scene.partitions.finish({0})
    await scene.assign()
    await scene.run(0)
    scene.engine._repairs.begin(scene.partitions[0], old, TimeoutError(), scene.input)
    assert scene.states() == ["running"]


async def test_a_partition_that_cannot_be_opened_is_broken_and_says_why(scene: Scene) -> None:
    scene.cluster.start_errors.append(ValueError("unreadable"))
    with pytest.raises(ValueError, match="unreadable"):
        await scene.assign(0)
    assert scene.states() == ["broken"]


async def test_an_assignment_is_patient_with_a_broker(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        assert scene.states() == ["opening"]
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    scene.cluster.start_errors += [OSError(), OSError()]
    await scene.assign(0)
    assert (scene.states(), slept) == (["ready"], [1.0, 1.0])


async def test_a_standby_is_promoted_and_an_owner_becomes_one(scene: Scene) -> None:
    writer = Scene()
    writer.cluster.log = scene.cluster.log
    await writer.run(0)
    await writer.deliver(0, b"1")
    await writer.engine.finish_all()
    await scene.assign(1, standbys=(0,))
    assert scene.states() == ["standby", "ready"]
    copy = scene.partitions[0].copy
    assert copy is not None
    await until(lambda: copy.next_offset > 0)
    await scene.partitions.finish({1})
    await scene.assign(0, standbys=(1,))
    assert scene.states() == ["ready", "standby"]
    opened = scene.partitions[0].opened
    assert opened is not None
    assert opened.rows is copy.rows
    assert scene.partitions[0].copy is None
    await scene.partitions.finish({0})
    await scene.assign(0)
    assert scene.states() == ["ready", "closed"]
    assert scene.partitions[1].copy is None
    await scene.partitions.close()


async def test_nobody_writes_to_a_copy_that_was_promoted(scene: Scene) -> None:
    await scene.assign(standbys=(0,))
    await asyncio.sleep(0.02)  # its reader reads
    copy = await scene.partitions._standbys.promote(scene.partitions[0])
    scene.cluster.log.append("changelog", 0, b"k", bytes(8) + b"1", 0)
    await let_run()
    assert (copy.next_offset, len(copy.rows)) == (0, 0)
    await scene.partitions.close()


def test_a_partition_has_rows_exactly_in_the_states_that_say_so() -> None:
    assert {State.READY, State.RUNNING, State.FINISHING, State.SUSPENDED} == IN_MEMORY


async def test_epochs_outlive_assignments(scene: Scene) -> None:
    """A chunk fetched in an earlier assignment must be stale in this one."""
    await scene.run(0)
    first = scene.partitions[0].intake("in").epoch
    await scene.partitions.finish({0})
    await scene.assign()
    await scene.run(0)
    assert scene.partitions[0].intake("in").epoch > first
