"""One partition: when commits begin, what they cover, and what waits for them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from streamproc.engine.changelog import PROGRESS_KEY, PROGRESS_VERSION, Progress, decode_progress
from streamproc.engine.chunk import Chunk
from streamproc.engine.due import NEVER_DUE
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import Rows
from streamproc.engine.settings import EngineSettings
from streamproc.engine.transaction import PartitionWriter

SETTINGS = EngineSettings(
    "", "app", ("in",), commit_interval_seconds=0.5, max_uncommitted_records=5
)


class Copying:
    """Each record's value becomes its key's row and an output."""

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
            outbox.put("out", record.key, record.value)
        return int(records[-1].timestamp)

    def tick(self, rows: Any, outbox: Any, clock_ms: int, now_ms: int, limit: int) -> None:
        outbox.put("ticks", None, f"{clock_ms} {now_ms} {limit}".encode())

    @property
    def epoch(self) -> int:
        return 1

    def set_aside(self, poison: object) -> None: ...


class Writer:
    """Commits when it is let, or fails."""

    def __init__(self) -> None:
        self.commits: list[tuple[str, list[Any], dict[str, list[Any]]]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.error: BaseException | None = None
        self.is_closed = False

    async def commit(self, changelog: str, changes: Any, outputs: Any, *_: Any) -> None:
        await self.go.wait()
        if self.error is not None:
            raise self.error
        self.commits.append((changelog, list(changes), {k: list(v) for k, v in outputs.items()}))

    async def close(self) -> None:
        self.is_closed = True


class Scene:
    def __init__(self) -> None:
        self.writer = Writer()
        processor = Copying()
        self.partition: OpenPartition[bytes] = OpenPartition(
            3,
            Rows(processor),
            Progress(version=1),  # as an earlier release wrote it
            cast(PartitionWriter, self.writer),
            processor,
            "changelog",
            SETTINGS,
        )
        self.acked: list[int] = []
        self.next = 0

    def apply(self, count: int = 1) -> None:
        records = [
            SimpleNamespace(
                offset=offset,
                timestamp=1000 + offset,
                timestamp_type=0,
                key=b"k%d" % (offset % 2),
                value=b"v%d" % offset,
            )
            for offset in range(self.next, self.next + count)
        ]
        self.next += count
        last = self.next - 1
        self.partition.apply(Chunk(TP("in", 3), records, 0), lambda: self.acked.append(last))


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_a_commit_covers_rows_outputs_and_position(scene: Scene) -> None:
    scene.apply(3)
    await scene.partition.finish()
    ((changelog, changes, outputs),) = scene.writer.commits
    assert changelog == "changelog"
    assert [key for key, _ in changes] == [b"k0", b"k1", PROGRESS_KEY]
    assert [value[8:] for _, value in changes[:-1]] == [b"v2", b"v1"]
    progress = decode_progress(changes[-1][1])
    assert (progress.positions, progress.clock_ms) == ({"in": 3}, 1002)
    assert progress.version == PROGRESS_VERSION, "an earlier release must refuse it"
    assert outputs == {"out": [(b"k0", b"v0"), (b"k1", b"v1"), (b"k0", b"v2")]}
    assert scene.acked == [2]
    assert not scene.partition.is_dirty


async def test_nothing_to_commit_is_not_committed(scene: Scene) -> None:
    scene.partition.commit_if_due(1e9)
    await scene.partition.finish()
    assert scene.writer.commits == []


async def test_other_rules_are_named_by_a_commit_without_input(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that everybody can see which rules a partition without input has."""
    processor: Any = scene.partition._processor
    await scene.partition.finish()
    assert scene.writer.commits == [], "there is nothing yet that was calculated"
    scene.apply()
    await scene.partition.finish()
    monkeypatch.setattr(type(processor), "epoch", 8)
    await scene.partition.finish()
    await scene.partition.finish()
    epochs = [decode_progress(one[1][-1][1]).epochs for one in scene.writer.commits]
    assert epochs == [[1], [1, 8]]


async def test_a_position_alone_is_committed(scene: Scene) -> None:
    """Records that change nothing must not come again after a restart."""
    processor: Any = scene.partition._processor
    processor.apply = lambda *_: 5
    scene.apply()
    await scene.partition.finish()
    ((_, changes, outputs),) = scene.writer.commits
    assert [key for key, _ in changes] == [PROGRESS_KEY]
    assert outputs == {}


async def test_commits_keep_their_interval(scene: Scene) -> None:
    begun = []
    for number, now in enumerate((10.0, 10.4, 10.5, 10.9, 11.1)):
        scene.apply()
        scene.partition.commit_if_due(now)
        await scene.partition.settle()
        begun.append(len(scene.writer.commits))
        assert scene.acked == [[0], [0], [0, 1, 2], [0, 1, 2], [0, 1, 2, 3, 4]][number]
    assert begun == [1, 1, 2, 2, 3]


async def test_one_commit_at_a_time(scene: Scene) -> None:
    scene.writer.go.clear()
    scene.apply()
    scene.partition.commit_if_due(10.0)
    await asyncio.sleep(0)
    scene.apply()
    scene.partition.commit_if_due(20.0)
    scene.writer.go.set()
    await scene.partition.settle()
    assert len(scene.writer.commits) == 1
    assert scene.acked == [0]
    scene.partition.commit_if_due(20.0)
    await scene.partition.settle()
    assert len(scene.writer.commits) == 2


async def test_too_much_uncommitted_waits_for_the_commit_under_way(scene: Scene) -> None:
    """Law 7: when the broker stalls, nothing piles up in memory."""
    scene.writer.go.clear()
    scene.apply()
    scene.partition.commit_if_due(10.0)
    await asyncio.sleep(0)
    scene.apply(4)
    await asyncio.wait_for(scene.partition.wait_if_behind(), 1)
    scene.apply(1)
    waiting = asyncio.create_task(scene.partition.wait_if_behind())
    await asyncio.sleep(0.01)  # it must not end
    assert not waiting.done()
    scene.writer.go.set()
    await asyncio.wait_for(waiting, 1)


async def test_after_a_failure_nothing_is_committed_any_more(scene: Scene) -> None:
    scene.writer.error = TimeoutError()
    scene.apply()
    scene.partition.commit_if_due(10.0)
    await scene.partition.settle()
    assert scene.partition.commit_failure is scene.writer.error
    scene.writer.error = None
    scene.apply()
    scene.partition.commit_if_due(20.0)
    await scene.partition.settle()
    with pytest.raises(TimeoutError):
        await scene.partition.finish()
    assert scene.writer.commits == []
    assert scene.acked == []


async def test_waiting_for_a_commit_does_not_hide_its_failure(scene: Scene) -> None:
    scene.writer.go.clear()
    scene.writer.error = ConnectionResetError()
    scene.apply()
    scene.partition.commit_if_due(10.0)
    assert scene.partition.commit_failure is None
    scene.writer.go.set()
    await scene.partition.settle()
    assert scene.partition.commit_failure is scene.writer.error


async def test_closing_gives_up_the_commit_under_way(scene: Scene) -> None:
    scene.writer.go.clear()
    scene.apply()
    scene.partition.commit_if_due(10.0)
    await asyncio.sleep(0)
    closing = asyncio.create_task(scene.partition.close())
    done, _ = await asyncio.wait([closing], timeout=5)
    assert done, "it waited for the commit"
    assert scene.writer.is_closed
    assert scene.acked == []


async def test_a_writer_that_cannot_be_closed_hinders_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise OSError

    monkeypatch.setattr(scene.writer, "close", fail)
    await scene.partition.close()


async def test_a_tick_is_told_both_clocks_and_the_limit(scene: Scene) -> None:
    scene.apply()
    scene.partition.tick(77)
    assert scene.partition.outbox.topics["ticks"] == [(None, b"1000 77 1000")]


def test_an_outbox_keeps_the_order_of_each_topic() -> None:
    outbox = Outbox()
    for number in range(3):
        outbox.put("a", None, b"%d" % number)
        outbox.put("b", b"k", b"%d" % number)
    assert outbox.topics == {
        "a": [(None, b"0"), (None, b"1"), (None, b"2")],
        "b": [(b"k", b"0"), (b"k", b"1"), (b"k", b"2")],
    }
