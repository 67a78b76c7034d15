"""What a worker shows of its partitions: gauges, and the answers to the probes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from kafka.errors import LeaderNotAvailableError
from kafka.protocol.consumer import IsolationLevel
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from streamproc import __version__
from streamproc.engine import partitions as partitions_module
from streamproc.engine import repair
from streamproc.engine.chunk import Chunk
from streamproc.engine.cluster import Place
from streamproc.engine.engine import Engine
from streamproc.engine.processor import PoisonError
from streamproc.engine.settings import EngineSettings
from streamproc.metrics.worker import WorkerMetrics
from streamproc.worker.fetching import FetchWatch
from streamproc.worker.health import STANDSTILL_SECONDS, WorkerHealth
from streamproc.worker.observing import WorkerFacts, WorkerObserver
from streamproc.worker.pacing import StormPace
from tests.support.memory_cluster import MemoryCluster
from tests.support.memory_log import MemoryLog
from tests.support.waiting import let_run
from tests.unit.test_engine_partition import Copying


class Scene:
    """A worker on a log in memory; ``ends`` is what its client knows of the input's ends."""

    def __init__(self) -> None:
        self.cluster = MemoryCluster(MemoryLog(3))
        self.metrics = WorkerMetrics(CollectorRegistry())
        self.observer = WorkerObserver(self.metrics)
        settings = EngineSettings("", "app", ("in",), commit_interval_seconds=0.0)
        self.processor = Copying()
        self.engine: Engine[bytes] = Engine(
            settings, self.processor, self.cluster, lambda: 5000, self.observer
        )
        self.facts = WorkerFacts()
        self.pace: StormPace | None = None
        self.ends: dict[int, int] = {}
        self.fetched: dict[int, int] = {}
        """Where its fetches are."""
        self.engine.attach(
            mock.Mock(
                is_rebalancing=False,
                is_member=mock.AsyncMock(return_value=True),
                rewind=mock.AsyncMock(return_value=True),
                crash=mock.AsyncMock(),
                end_offset=lambda topic, partition: self.ends.get(partition),
                fetch_offset=lambda topic, partition: self.fetched.get(partition),
            )
        )

    async def run(self, *actives: int, standbys: tuple[int, ...] = ()) -> None:
        await self.engine.partitions.own(set(actives), set(standbys), "changelog")
        for number in actives:
            self.engine.partitions[number].intake("in").begin_epoch(0)
        self.engine.input_is_sought(set(actives))

    async def deliver(self, number: int) -> None:
        intake = self.engine.partitions[number].intake("in")
        record = self.cluster.log.append("in", number, b"k", b"v", 1000)
        chunk = Chunk(Place("in", number), [record], intake.epoch, follows=record.offset)
        await self.engine.on_chunk(SimpleNamespace(value=chunk, ack=lambda: None))

    def fetch(self, number: int) -> None:
        """A record is fetched and waits to be applied."""
        intake = self.engine.partitions[number].intake("in")
        end = self.cluster.log.end("in", number)
        record = SimpleNamespace(offset=end, timestamp=1000, timestamp_type=0, checksum=None)
        intake.chunks([record], 1)

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of a metric by their labels, after a refresh."""
        rules = SimpleNamespace(fingerprint=7)
        processor: Any = SimpleNamespace(
            is_native=True,
            rules=rules,
            lateness_counts=True,
            storm_of=lambda rows: self.pace,
            customers_in=lambda rows: len(rows.stored),
        )
        self.observer.refresh(self.engine, processor, 5000, self.facts)
        return {
            tuple(sample.labels.values()): sample.value
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == f"streamproc_worker_{name}"
        }


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(partitions_module, "give_memory_back", lambda: None)
    monkeypatch.setattr(repair, "FIRST_PAUSE_SECONDS", 0.01)
    return Scene()


async def test_partitions_are_counted_by_state_and_closed_ones_not_at_all(scene: Scene) -> None:
    await scene.run(0, 1, standbys=(2,))
    states = scene.values("partitions")
    assert {state: n for (state,), n in states.items() if n} == {"running": 2, "standby": 1}

    await scene.run(1)
    states = scene.values("partitions")
    assert {state: n for (state,), n in states.items() if n} == {"running": 1}
    assert scene.values("rebalances_total") == {(): 2}
    assert scene.values("opening_duration_seconds_count") == {(): 2}


async def test_lag_is_what_is_readable_and_not_applied(scene: Scene) -> None:
    await scene.run(0, 1)
    assert scene.values("lag_records") == {}, "nobody knows yet"
    scene.ends = {0: 3, 1: 1}
    await scene.deliver(0)
    await scene.deliver(1)

    assert scene.values("lag_records") == {("in", "0"): 2, ("in", "1"): 0}
    assert scene.values("lag_seconds") == {("0",): 4.0, ("1",): 0.0}
    assert scene.values("subscribers_rows") == {("0",): 1, ("1",): 1}

    # What lies behind the last record is the marker of a transaction: no lag.
    scene.engine.partitions[0].intake("in").is_read_out = True
    assert scene.values("lag_records")["in", "0"] == 0


async def test_the_lag_of_a_partition_that_went_is_gone(scene: Scene) -> None:
    await scene.run(0, 1)
    scene.ends = {0: 3, 1: 3}
    assert set(scene.values("lag_records")) == {("in", "0"), ("in", "1")}
    await scene.run(1)

    assert set(scene.values("lag_records")) == {("in", "1")}
    assert set(scene.values("lag_seconds")) == {("1",)}


async def test_what_runs_here_is_told(scene: Scene) -> None:
    assert list(scene.values("build_info")) == [(__version__, "yes", "7")]


async def test_commits_that_fail_and_work_that_is_set_aside_are_counted(scene: Scene) -> None:
    await scene.run(0)
    scene.cluster.commit_errors.append(OSError("gone"))
    await scene.deliver(0)
    await let_run()
    assert scene.values("transactions_failed_total") == {(): 1}
    assert scene.values("commit_duration_seconds_count") == {(): 0}
    await scene.engine.partitions[0].close()

    await scene.run(1)
    with mock.patch.object(scene.processor, "apply", side_effect=PoisonError(("in", 1, 0))):
        await scene.deliver(1)
    assert scene.values("work_set_aside_total") == {(): 1}


async def test_a_worker_is_ready_when_its_partitions_flow(scene: Scene) -> None:
    health = WorkerHealth(scene.engine)
    assert "not assigned" in health.unready()
    await scene.engine.partitions.own({0, 1}, {2}, "changelog")
    assert health.unready() == "partitions that do not flow: {0: 'ready', 1: 'ready'}"
    scene.engine.input_is_sought({0, 1})
    assert health.unready() == ""
    await scene.engine.partitions.finish({0})
    assert health.unready() == "partitions that do not flow: {0: 'suspended'}"


async def test_a_worker_without_partitions_is_ready(scene: Scene) -> None:
    await scene.run()

    assert WorkerHealth(scene.engine).unready() == ""


async def test_a_partition_with_fetched_input_that_stands_still_is_no_life(scene: Scene) -> None:
    health = WorkerHealth(scene.engine)
    await scene.run(0, 1)
    scene.fetch(0)
    assert health.failing(0.0) == ""
    await scene.deliver(0)
    scene.fetch(0)
    assert health.failing(STANDSTILL_SECONDS - 1) == ""
    assert health.failing(2 * STANDSTILL_SECONDS - 2) == "", "it moved at the last look"

    failing = health.failing(2 * STANDSTILL_SECONDS)
    limit = f"{STANDSTILL_SECONDS:.0f} s"
    assert failing == f"partitions [0] have input and commit nothing for {limit}"
    await scene.deliver(0)
    assert health.failing(3 * STANDSTILL_SECONDS) == ""


async def test_input_that_a_broker_does_not_deliver_is_no_reason_to_start_anew(
    scene: Scene,
) -> None:
    health = WorkerHealth(scene.engine)
    await scene.run(0)
    scene.ends = {0: 5}
    await scene.deliver(0)

    assert scene.values("lag_records")["in", "0"] == 4
    assert health.failing(0.0) == ""
    assert health.failing(2 * STANDSTILL_SECONDS) == ""


class Admin:
    """The broker's own word, over another connection than the fetches."""

    def __init__(self, ends: dict[int, int]) -> None:
        self.ends = ends
        self.error: Exception | None = None

    def list_partition_offsets(self, places: Any, **options: Any) -> dict[Any, Any]:
        assert options == {"isolation_level": IsolationLevel.READ_COMMITTED}
        if self.error is not None:
            raise self.error
        return {one: SimpleNamespace(offset=self.ends[one.partition]) for one in places}


async def test_a_fetch_that_stands_still_though_the_broker_answers_is_seen(scene: Scene) -> None:
    now = 0.0
    fetches = FetchWatch(scene.engine, lambda: now)
    health = WorkerHealth(scene.engine, fetches=fetches)
    scene.facts = WorkerFacts(behind=fetches.behind)
    await scene.run(0, 1)
    scene.ends = scene.fetched = {0: 4, 1: 1}  # by its own last fetch, all is read
    admin = Admin({0: 4, 1: 1})
    with capture_logs() as logs:
        fetches.look(admin)
        assert health.failing(now) == ""
        admin.ends = {0: 9, 1: 1}
        for now in (30.0, 60.0):
            fetches.look(admin)
            assert health.failing(now) == "", now
        now = 90.0
        fetches.look(admin)
    assert "partitions [0] have input and commit nothing" in health.failing(now)
    assert scene.values("lag_records")["in", "0"] == 5
    (told,) = logs
    assert (told["partition"], told["position"], told["behind"]) == (0, 4, 5)

    scene.fetched = {0: 5, 1: 1}  # it moves again
    fetches.look(admin)
    assert health.failing(now) == ""


async def test_a_fetch_with_a_broker_that_does_not_answer_or_with_work_is_not_standing(
    scene: Scene,
) -> None:
    now = 0.0
    fetches = FetchWatch(scene.engine, lambda: now)
    health = WorkerHealth(scene.engine, fetches=fetches)
    await scene.run(0, 1, 2)
    scene.fetched = {0: 4, 1: 0}  # nothing is known of the third
    admin = Admin({0: 9, 1: 7, 2: 5})
    scene.fetch(1)
    with capture_logs() as logs:
        for number in range(5):
            now = 30.0 * number
            # The leader of a partition may be away. Work on what was fetched goes on in the second.
            admin.error = LeaderNotAvailableError() if number == 2 else None
            fetches.look(admin)
            await scene.deliver(1)
            scene.fetch(1)
            assert health.failing(now) == "", now
    assert {one["partition"] for one in logs} == {0}


async def test_a_commit_that_never_ends_is_no_life_though_more_is_applied(scene: Scene) -> None:
    health = WorkerHealth(scene.engine)
    await scene.run(0)
    scene.cluster.may_commit.clear()
    await scene.deliver(0)
    assert health.failing(0.0) == ""
    for second in range(10, 70, 10):
        await scene.deliver(0)  # it is applied, and waits for the commit in flight
        failing = health.failing(float(second))
    assert "partitions [0] have input and commit nothing" in failing

    scene.cluster.may_commit.set()
    await let_run()
    assert health.failing(71.0) == ""


async def test_a_silent_broker_is_told_apart_from_a_standstill(scene: Scene) -> None:
    silent = 0.0
    health = WorkerHealth(scene.engine, lambda: silent)
    await scene.run(0)
    scene.fetch(0)
    assert (health.failing(0.0), health.waiting(), health.unready()) == ("", "", "")
    silent = 42.0
    assert health.failing(STANDSTILL_SECONDS + 1) == ""
    assert health.waiting() == health.unready() == "the broker has not answered for 42 s"
    silent = 0.0
    assert health.failing(2 * STANDSTILL_SECONDS) == "", "it gets the full time again"
    assert "commit nothing" in health.failing(3 * STANDSTILL_SECONDS)


async def test_what_waits_in_a_storm_is_counted_by_class(scene: Scene) -> None:
    await scene.run(0, 1)
    scene.pace = StormPace()
    for urgency, due_ms in ((-1, 4000), (0, 9000), (6, 2000), (6, 1000)):
        scene.pace.park(urgency, due_ms, 10_000, b"%d" % due_ms)

    # Both partitions show the same order here.
    assert scene.values("storm_waiting_rows") == {
        ("held",): 2,
        ("mandatory",): 2,
        ("priority_5",): 4,
    }
    assert scene.values("storm_oldest_seconds") == {
        ("held",): 1.0,
        ("mandatory",): 0.0,
        ("priority_5",): 4.0,
    }
    scene.pace = None
    assert scene.values("storm_waiting_rows") == {}


async def test_work_that_is_due_and_not_done_is_shown_with_its_age(scene: Scene) -> None:
    await scene.run(0, 1)
    opened = scene.engine.partitions[0].opened
    assert opened is not None
    scene.processor.due_ms = lambda row: 2000  # type: ignore[method-assign]
    opened.rows.codec = scene.processor
    opened.rows.put(b"k", b"v")
    opened.rows.take_changes()
    assert list(opened.rows.pop_due(0, 9)) == []

    assert scene.values("due_behind_seconds") == {("0",): 3.0, ("1",): 0.0}


async def test_facts_about_the_worker_are_shown(scene: Scene) -> None:
    scene.facts = WorkerFacts(7.0, 1 << 30, True)

    assert scene.values("broker_silent_seconds") == {(): 7.0}
    assert scene.values("memory_limit_bytes") == {(): float(1 << 30)}
    assert scene.values("rules_refused_state") == {(): 1.0}


async def test_the_ids_of_all_open_partitions_are_counted(scene: Scene) -> None:
    await scene.run(0, 1)
    for opened, count in zip(scene.engine.partitions.opened, (2, 3), strict=True):
        for number in range(count):
            opened.rows.ids.remember(b"%d" % number, 1_000, 2_000)
    assert scene.values("remembered_ids") == {(): 5}
    await scene.run(1)
    assert scene.values("remembered_ids") == {(): 3}


async def test_a_partition_that_is_loaded_again_is_no_reason_to_start_anew(scene: Scene) -> None:
    health = WorkerHealth(scene.engine)
    await scene.run(0)
    scene.fetch(0)
    assert health.failing(0.0) == ""
    scene.engine.partitions[0].break_off()

    assert health.failing(STANDSTILL_SECONDS + 1) == ""
