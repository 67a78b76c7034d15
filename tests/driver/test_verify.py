"""A comparison that is interrupted continues exactly where it was, and comes to the same result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamproc.core.state.account import pack, unpack
from streamproc.engine.changelog import PROGRESS_KEY, Progress
from streamproc.engine.cluster import FetchedBatch, Place
from streamproc.engine.rows import DUE_BYTES
from streamproc.tools.verify import verify
from streamproc.tools.verify.checkpoint import (
    Checkpoint,
    CheckpointError,
    load_unfinished,
    path_of,
    save,
    unfinished_path_of,
)
from streamproc.tools.verify.verify import PartitionReport, verify_partition
from streamproc.worker.settings import WorkerSettings
from tests.support.memory_log import MemoryConsumer, MemoryLog
from tests.support.quota_driver import HOUR, MINUTE, QuotaDriver

NewDriver = Callable[..., QuotaDriver]

PEOPLE = [f"86138000000{number:02}" for number in range(6)]


class KilledError(Exception):
    """The process is gone."""


class Reader(MemoryConsumer):
    """Fetches few records at a time, and dies at a fetch of input."""

    def __init__(self, log: MemoryLog, changelog: str, dies_at: int) -> None:
        super().__init__(log, records_per_poll=4)
        self._changelog = changelog
        self._dies_at = dies_at
        self._fetches = 0

    async def start(self) -> None: ...

    def assign(self, tps: Iterable[Place]) -> None:
        super().assign(map(self._theirs, tps))

    def seek(self, tp: Place, offset: int) -> None:
        super().seek(self._theirs(tp), offset)

    async def position(self, tp: Place) -> int:
        return await super().position(self._theirs(tp))

    async def end_offsets(self, tps: Iterable[Place]) -> dict[Place, int]:
        return {tp: self._log.stable_end(*self._theirs(tp)) for tp in tps}

    async def getmany(self, timeout_ms: int = 0) -> dict[Place, list[FetchedBatch]]:
        if all(tp.topic != "changelog" for tp in self._positions):
            self._fetches += 1
            if self._fetches == self._dies_at:
                raise KilledError
        return await super().getmany(timeout_ms)

    def _theirs(self, tp: Place) -> Place:
        return Place("changelog" if tp.topic == self._changelog else tp.topic, tp.partition)


class Bench:
    """A worker's log, and comparisons of it."""

    def __init__(self, driver: QuotaDriver, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._driver = driver
        self._patch = monkeypatch
        self._folder = folder
        self._settings = WorkerSettings(
            "nowhere:1", topics=driver.topics, clock=driver._clock, native="off"
        )
        # Written after each fetch, however long that takes.
        monkeypatch.setattr(verify, "LARGEST_SHARE", 1e9)

    def compare(self, folder: str, dies_at: int = 0) -> PartitionReport:
        self._patch.setattr(
            verify,
            "BatchReader",
            lambda *_: Reader(self._driver.log, self._settings.changelog, dies_at),
        )
        comparing = verify_partition(
            *(self._settings, self._driver.rules, 0, self._driver.now_ms),
            partitions=1,
            checkpoints=self._folder / folder,
            every_seconds=0.0,
        )
        report = asyncio.run(comparing)
        assert not report.obstacle
        return report

    def path(self, folder: str) -> Path:
        return path_of(self._folder / folder, self._settings.app_id, 0)


def live(driver: QuotaDriver) -> None:
    """Two days of six subscribers, with events shortly before their timers at 09:00."""
    for name in PEOPLE:
        driver.activate(name)
    for day in range(2):
        for minutes in (180, 350, 310):
            driver.advance_wall_clock(minutes * MINUTE, step_ms=10 * MINUTE)
            for name in PEOPLE:
                driver.use(name, 70_000 + day)
        driver.advance_wall_clock(10 * HOUR, step_ms=HOUR)


def said(report: PartitionReport) -> dict[str, Any]:
    """Everything but where the run began."""
    return vars(replace(report, continued_at=0))


@pytest.mark.parametrize("clock", ["wall", "event"])
def test_a_killed_comparison_continues_where_it_was(
    new_driver: NewDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: str
) -> None:
    driver = new_driver(partitions=1, clock=clock)
    live(driver)
    bench = Bench(driver, tmp_path, monkeypatch)
    whole = bench.compare("whole")
    assert (whole.equal, whole.differences, whole.continued_at) == (len(PEOPLE), [], 0)
    fetches = -(-whole.records // 4)
    assert fetches > 8

    for dies_at in range(2, fetches + 1, 3):
        folder = f"at-{dies_at}"
        with pytest.raises(KilledError):
            bench.compare(folder, dies_at)
        report = bench.compare(folder)

        assert report.continued_at == 4 * (dies_at - 1)
        assert said(report) == said(whole)
        assert bench.path(folder).read_bytes() == bench.path("whole").read_bytes()
        assert not unfinished_path_of(bench.path(folder)).exists()


def test_what_was_excused_before_the_interruption_is_excused_after_it(
    new_driver: NewDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event shortly before a timer, in the part that the killed run had applied."""
    driver = new_driver(partitions=1)
    live(driver)
    key = PEOPLE[0].encode()
    row = next(one for one in reversed(driver.output("changelog")) if one.key == key)
    assert row.value is not None
    account = unpack(row.value[DUE_BYTES:])
    account.overage_bytes += 7
    driver.log.append("changelog", 0, key, row.value[:DUE_BYTES] + pack(account), 0)
    progress = [one for one in driver.output("changelog") if one.key == PROGRESS_KEY]
    driver.log.append("changelog", 0, PROGRESS_KEY, progress[-1].value, 0)
    bench = Bench(driver, tmp_path, monkeypatch)
    whole = bench.compare("whole")
    assert (dict(whole.not_comparable), whole.differences) == ({verify.TIMERS: 1}, [])

    with pytest.raises(KilledError):
        bench.compare("killed", dies_at=-(-whole.records // 4))
    report = bench.compare("killed")

    assert report.continued_at > 0
    assert said(report) == said(whole)


def test_an_unfinished_place_belongs_to_the_checkpoint_from_which_it_began(tmp_path: Path) -> None:
    path, begin = tmp_path / "app-0.checkpoint", Checkpoint("rules", positions={"in": 10})
    now = Progress(positions={"in": 100})
    assert load_unfinished(path, begin, now) is None
    at = Checkpoint("rules", positions={"in": 50}, begun_at={"in": 10}, records=40)
    save(unfinished_path_of(path), at)
    assert load_unfinished(path, begin, now) == at
    for other in (
        Checkpoint("rules", positions={"in": 20}),
        Checkpoint("other rules", positions={"in": 10}),
    ):
        assert load_unfinished(path, other, now) is None
    assert load_unfinished(path, begin, Progress(positions={"in": 49})) is None
    unfinished_path_of(path).write_bytes(b"cut off")
    with pytest.raises(CheckpointError, match="unfinished: is not a checkpoint"):
        load_unfinished(path, begin, now)
