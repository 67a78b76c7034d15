"""The driver keeps Kafka's promises, and no others: what its tests prove rests on that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from streamproc.engine.changelog import PROGRESS_KEY, Progress, decode_progress, read_to_end
from streamproc.engine.cluster import Place
from streamproc.engine.due import NEVER_DUE
from streamproc.engine.errors import TakenOverError
from streamproc.engine.faust.producer import BATCH_BYTES
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import Rows
from tests.support.driver import TopologyDriver
from tests.support.memory_log import MemoryConsumer, MemoryLog, MemoryWriter


class Counting:
    """Counts the records of each key; a row is due a second after its first one."""

    def new_rows(self) -> Rows[Any]:
        return Rows(self)

    pack = staticmethod(str.encode)
    unpack = staticmethod(bytes.decode)

    @staticmethod
    def due_ms(row: str) -> int:
        return int(row.split()[1])

    def apply(
        self,
        topic: str,
        partition: int,
        records: Sequence[Any],
        rows: Rows[str],
        outbox: Outbox,
        clock_ms: int,
    ) -> int:
        for record in records:
            row = rows.get(record.key)
            count, due = row.split() if row else ("0", str(record.timestamp + 1000))
            rows.put(record.key, f"{int(count) + 1} {due}")
            outbox.put("seen", record.key, record.value)
            clock_ms = max(clock_ms, record.timestamp)
        return clock_ms

    def tick(self, rows: Rows[str], outbox: Outbox, clock_ms: int, now_ms: int, limit: int) -> None:
        for key in rows.pop_due(now_ms, limit):
            outbox.put("due", key, str(now_ms).encode())
            rows.put(key, f"{(rows.get(key) or '').split()[0]} {NEVER_DUE}")

    @property
    def epoch(self) -> int:
        return 1

    def set_aside(self, poison: object) -> None:
        raise AssertionError(poison)


@pytest.fixture
def driver() -> Iterator[TopologyDriver[str]]:
    with TopologyDriver(Counting, inputs=["in", "other"], partitions=4) as driver:
        yield driver


def values(driver: TopologyDriver[str], topic: str) -> list[bytes | None]:
    return [record.value for record in driver.output(topic)]


def test_bytes_go_in_and_come_out_in_the_partition_they_came_from(
    driver: TopologyDriver[str],
) -> None:
    placed = [driver.pipe(b"key-%d" % number, b"%d" % number) for number in range(40)]
    assert {record.partition for record in placed} == {0, 1, 2, 3}
    found = {(one.key, one.value, one.partition) for one in driver.output("seen")}
    assert found == {(one.key, one.value, one.partition) for one in placed}


def test_keys_go_where_kafkas_own_producer_puts_them(driver: TopologyDriver[str]) -> None:
    """murmur2, as the Java client computes it (org.apache.kafka.common.utils.Utils)."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, hash in known.items():
        assert driver.partition_of(key) == (hash & 0x7FFFFFFF) % 4


def test_every_input_topic_is_read_and_has_its_own_position(driver: TopologyDriver[str]) -> None:
    first = driver.pipe(b"k", b"1")
    second = driver.pipe(b"k", b"2", topic="other")
    assert (first.offset, second.offset) == (0, 0)
    assert values(driver, "seen") == [b"1", b"2"]
    number = first.partition
    assert driver.partitions[number].progress.positions == {"in": 1, "other": 1}
    assert driver.group_offsets == {("in", number): 1, ("other", number): 1}


def test_time_passes_only_when_the_test_lets_it(driver: TopologyDriver[str]) -> None:
    driver.pipe(b"k", b"1")
    driver.pipe(b"k", b"2", timestamp_ms=999_999)
    assert values(driver, "due") == []
    driver.advance_wall_clock(999)
    assert values(driver, "due") == []
    driver.advance_wall_clock(1)
    assert values(driver, "due") == [b"1000"]
    driver.advance_wall_clock(10_000, step_ms=100)
    assert values(driver, "due") == [b"1000"]


def test_nothing_is_seen_before_it_is_committed(driver: TopologyDriver[str]) -> None:
    driver.send(b"k", b"1")
    driver.process()
    assert driver.stored() == {b"k": (1000).to_bytes(8, "big") + b"1 1000"}
    assert driver.committed() == {}
    assert driver.group_offsets == {}
    assert values(driver, "seen") == []
    driver.commit()
    assert driver.committed() == driver.stored()
    assert values(driver, "seen") == [b"1"]


def test_a_part_of_the_input_can_be_processed(driver: TopologyDriver[str]) -> None:
    for number in range(5):
        driver.send(b"k", b"%d" % number)
    driver.process(records=2)
    driver.commit()
    assert values(driver, "seen") == [b"0", b"1"]
    driver.process()
    driver.commit()
    assert values(driver, "seen") == [b"0", b"1", b"2", b"3", b"4"]


def test_a_crash_point_that_is_not_reached_is_an_error(driver: TopologyDriver[str]) -> None:
    with (
        pytest.raises(AssertionError, match="commit:4 was not reached"),
        driver.crash_at("commit", "4", count=2),
    ):
        driver.pipe(b"k", b"1")


def write(log: MemoryLog, *, end: str, app_id: str = "app") -> MemoryWriter:
    """A writer whose first transaction ends in a commit, or is left ``open``."""

    async def pause(_: int, step: str) -> None:
        if end == "open" and step == "4":
            raise RuntimeError("it dies here")

    async def run() -> MemoryWriter:
        writer = MemoryWriter(log, app_id, 0, lambda: 7, pause)
        await writer.open()
        try:
            await writer.commit("changelog", [(b"a", b"1"), (b"b", b"2")], {"out": [(None, b"x")]})
        except RuntimeError:
            assert end == "open"
        return writer

    return asyncio.run(run())


def test_a_transaction_is_seen_whole_or_not_at_all() -> None:
    log = MemoryLog(1)
    write(log, end="commit")
    assert [(one.offset, one.value) for one in log.read("changelog", 0)] == [(0, b"1"), (1, b"2")]
    assert [one.value for one in log.read("out", 0)] == [b"x"]
    assert log.end("changelog", 0) == 3, "the marker takes an offset"


def test_an_open_transaction_hides_what_comes_after_it_until_it_is_aborted() -> None:
    log = MemoryLog(1)
    log.append("changelog", 0, b"before", b"0", 1)
    write(log, end="open")
    log.append("changelog", 0, b"after", b"3", 2)
    assert [one.key for one in log.read("changelog", 0)] == [b"before"]
    assert log.stable_end("changelog", 0) == 1
    write(log, end="open", app_id="another")
    assert [one.key for one in log.read("changelog", 0)] == [b"before"]
    log.open_producer("app-0")
    assert [one.key for one in log.read("changelog", 0)] == [b"before", b"after"]
    log.open_producer("another-0")
    assert [one.key for one in log.read("changelog", 0)] == [b"before", b"after"]
    assert log.stable_end("changelog", 0) == log.end("changelog", 0) == 8


def test_a_successor_fences_even_in_the_middle_of_a_transaction() -> None:
    log = MemoryLog(1)
    epoch = log.open_producer("id")
    log.append("changelog", 0, b"a", b"1", 1, transaction=log.begin("id", epoch))
    log.open_producer("id")
    for act in (log.begin, log.commit):
        with pytest.raises(TakenOverError):
            act("id", epoch)
    assert log.read("changelog", 0) == []


def test_compaction_keeps_the_last_record_of_a_key_and_its_offset() -> None:
    log = MemoryLog(1)
    write(log, end="commit")
    write(log, end="commit")
    log.append("changelog", 0, b"b", None, 1)
    log.compact("changelog")
    assert [(one.offset, one.key) for one in log.read("changelog", 0)] == [(3, b"a")]
    assert log.end("changelog", 0) == 7


@pytest.mark.parametrize("records_per_poll", [1, 2, 500])
def test_a_changelog_is_loaded_to_its_end_past_markers_and_aborted_records(
    records_per_poll: int,
) -> None:
    log = MemoryLog(1)
    write(log, end="open")
    write(log, end="commit")
    write(log, end="open")
    log.open_producer("app-0")
    log.compact("changelog")
    rows: Rows[str] = Rows(Counting())
    consumer = MemoryConsumer(log, records_per_poll)
    progress, end = asyncio.run(read_to_end(consumer, "changelog", 0, 0, rows, Progress()))
    assert rows.stored == {b"a": b"1", b"b": b"2"}
    assert progress == Progress()
    assert end == log.end("changelog", 0) == 9
    assert asyncio.run(consumer.position(Place("changelog", 0))) == 9


def test_a_record_larger_than_a_batch_is_refused() -> None:
    log = MemoryLog(1)

    async def run() -> None:
        async def pause(_: int, __: str) -> None: ...

        writer = MemoryWriter(log, "app", 0, lambda: 0, pause)
        await writer.open()
        with pytest.raises(ValueError, match="exceeds"):
            await writer.commit("changelog", [(b"k", b"x" * BATCH_BYTES)], {})

    asyncio.run(run())
    assert log.read("changelog", 0) == []


def test_the_progress_record_is_the_last_of_a_commits_changelog_records(
    driver: TopologyDriver[str],
) -> None:
    record = driver.pipe(b"k", b"1", timestamp_ms=123)
    written = driver.log.read("changelog", record.partition)
    assert [one.key for one in written] == [b"k", PROGRESS_KEY]
    progress = decode_progress(written[-1].value or b"")
    assert (progress.positions, progress.clock_ms) == ({"in": 1}, 123)
