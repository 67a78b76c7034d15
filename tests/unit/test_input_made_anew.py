"""Law 2: a topic that was deleted and created again is recognised, also when it has grown again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from streamproc.engine import opening
from streamproc.engine.changelog import InputMadeAnewError, Progress
from streamproc.engine.chunk import Chunk
from streamproc.engine.cluster import Place
from streamproc.engine.due import NEVER_DUE
from streamproc.engine.intake import Intake
from streamproc.engine.open_partition import OpenPartition
from streamproc.engine.opening import Opener
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import Rows
from streamproc.engine.settings import EngineSettings

SETTINGS = EngineSettings(broker="", app_id="app", input_topics=("in",))
PLACE = Place("in", 3)


class Noting:
    """Remembers the offsets it was given."""

    pack = staticmethod(bytes)
    unpack = staticmethod(bytes)
    epoch = 1

    def __init__(self) -> None:
        self.offsets: list[int] = []

    @staticmethod
    def due_ms(row: bytes) -> int:
        return NEVER_DUE

    def new_rows(self) -> Rows[Any]:
        return Rows(self)

    def apply(
        self,
        topic: str,
        partition: int,
        records: list[Any],
        rows: Rows[Any],
        outbox: Outbox,
        clock_ms: int,
    ) -> int:
        self.offsets += [record.offset for record in records]
        return clock_ms


def record(offset: int, value: bytes | None = None) -> Any:
    return SimpleNamespace(
        offset=offset,
        key=b"k",
        value=b"v%d" % offset if value is None else value,
        timestamp=1000 + offset,
        timestamp_type=0,
        headers=(),
    )


def chunk(*records: Any) -> Chunk:
    return Chunk(PLACE, list(records), 1)


def partition(progress: Progress, begins: int = 0) -> OpenPartition[Any]:
    processor: Any = Noting()
    writer: Any = None
    return OpenPartition(
        3, Rows(processor), progress, writer, processor, "log", SETTINGS, {"in": begins}
    )


def offsets(one: OpenPartition[Any]) -> list[int]:
    processor: Any = one._processor
    return list(processor.offsets)


@pytest.fixture
def progress() -> Progress:
    """After records 0 to 9."""
    before = partition(Progress())
    before.apply(chunk(*(record(offset) for offset in range(10))), lambda: None)
    assert before.progress.positions == {"in": 10}
    return before.progress


def test_input_starts_at_the_last_record_applied_and_applies_it_once(progress: Progress) -> None:
    again = partition(progress)
    assert again.start_offset("in") == 9
    again.apply(chunk(record(9), record(10), record(11)), lambda: None)
    assert offsets(again) == [10, 11]


@pytest.mark.parametrize(
    "other",
    [
        record(9, b"another"),
        SimpleNamespace(offset=9, key=b"other", value=b"v9", timestamp=1009),
        SimpleNamespace(offset=9, key=b"k", value=b"v9", timestamp=1010),
    ],
)
def test_another_record_in_its_place_is_refused(progress: Progress, other: Any) -> None:
    again = partition(progress)
    with pytest.raises(InputMadeAnewError, match=r"in-3 .* created again.* --app-id"):
        again.apply(Chunk(PLACE, [other, record(10)], 1), lambda: None)
    assert offsets(again) == []


def test_a_record_that_is_gone_tells_nothing(progress: Progress) -> None:
    """Retention may delete it, a marker may lie in its place."""
    again = partition(progress)
    again.apply(chunk(record(12)), lambda: None)
    assert offsets(again) == [12]


@pytest.mark.parametrize(("begins", "start"), [(0, 9), (9, 9), (10, 10), (12, 12)])
def test_nothing_is_asked_for_that_was_deleted(progress: Progress, begins: int, start: int) -> None:
    """The client would be reset, which looks like input that is skipped."""
    assert partition(progress, begins).start_offset("in") == start


@pytest.mark.parametrize(("begins", "lost"), [(0, []), (9, []), (10, []), (12, [2])])
async def test_what_was_deleted_while_nobody_read_is_told_at_the_opening(
    progress: Progress, begins: int, lost: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(
        opening, "tell_deleted_input", lambda topic, number, records: told.append(records)
    )
    tp = Place("in", 3)
    consumer = mock.AsyncMock()
    consumer.beginning_offsets.return_value = {tp: begins}
    consumer.end_offsets.return_value = {tp: 20}
    opener: Opener[Any] = Opener(SETTINGS, mock.Mock(), mock.Mock())
    assert await opener._check_positions(consumer, 3, progress) == {"in": begins}
    assert told == lost


def test_progress_from_before_there_were_marks_starts_at_its_position() -> None:
    old = partition(Progress(1, {"in": 10}))
    assert (old.start_offset("in"), old.start_offset("elsewhere")) == (10, None)
    assert partition(Progress(1, {"in": 0})).start_offset("in") == 0


def test_an_intake_notices_that_input_begins_again() -> None:
    intake = Intake(Place("in", 3))
    assert not intake.chunks([record(5), record(6)], 10)[0].begins_again
    assert not intake.chunks([record(9)], 10)[0].begins_again  # markers lie between
    assert intake.chunks([record(0)], 10)[0].begins_again
    intake.begin_epoch(0)
    assert not intake.chunks([record(0)], 10)[0].begins_again
