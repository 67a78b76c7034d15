"""Hooks of Faust's consumer and its thread, and of aiokafka's (docs/hooks.md)."""

from __future__ import annotations

import asyncio
import inspect
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, errors
from aiokafka.consumer import consumer as aiokafka_consumer
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from faust.transport.consumer import Consumer
from faust.transport.drivers import TRANSPORTS
from faust.types import ConsumerMessage
from kafka.record import default_records as kafka_records

from streamproc.engine.changelog import Progress
from streamproc.engine.chunk import Chunk
from streamproc.engine.cluster import FetchedBatch as Batch
from streamproc.engine.faust import consumer as delivery
from streamproc.engine.faust import consumer_thread, whole_batches
from streamproc.engine.life import State
from streamproc.kafka.any_headers import HeaderName
from tests.contract.conftest import CHANGELOG, INPUT, Record
from tests.support.record_batches import walkers

ROOT = Path(__file__).parents[2]


def test_the_transport_is_found_by_its_scheme() -> None:
    delivery.register()
    assert TRANSPORTS.by_url("streamproc://127.0.0.1:9092") is delivery.BatchTransport


async def test_getmany_yields_what_get_many_fetched_as_messages(consumer: Any) -> None:
    """``Consumer.getmany`` -> ``_getmany`` -> the thread; each chunk is one message."""
    records = [Record(offset) for offset in range(2500)]
    asked: list[Any] = []

    async def fetch(active_partitions: Any, timeout: float) -> Any:
        asked.append(active_partitions)
        return {INPUT: [Batch(0, records[:700]), Batch(700, records[700:])], CHANGELOG: []}

    consumer._thread.getmany = fetch
    consumer._set_active_tps({INPUT})
    consumer.resume_flow()
    found = [(tp, message) async for tp, message in consumer.getmany(timeout=1.0)]
    assert asked == [{INPUT}]
    assert [tp for tp, _ in found] == [INPUT] * 3
    assert all(isinstance(message, ConsumerMessage) for _, message in found)
    assert [message.offset for _, message in found] == [999, 1999, 2499]
    assert [len(message.value.records) for _, message in found] == [1000, 1000, 500]
    assert [one for _, message in found for one in message.value.records] == records


async def test_what_is_resumed_after_the_flow_is_soon_asked_for(consumer: Any) -> None:
    """``getmany`` -> ``_wait_next_records``: between the two Faust would sleep a whole second."""
    consumer._thread.getmany = mock.AsyncMock(return_value={})
    consumer._set_active_tps(set())

    async def look() -> float:
        begun = asyncio.get_running_loop().time()
        assert [message async for message in consumer.getmany(timeout=1.0)] == []
        return asyncio.get_running_loop().time() - begun

    looking = asyncio.create_task(look())
    await asyncio.sleep(0.01)  # it must not end
    assert not looking.done()  # it waits for the flow, without limit
    consumer.resume_flow()
    assert await looking < 0.5
    consumer._thread.getmany.assert_not_awaited()
    with mock.patch.object(delivery.BatchConsumer, "_wait_next_records", _of_faust):
        assert await look() >= 1.0


_of_faust = Consumer._wait_next_records


async def drained(consumer: Any, offsets: list[int]) -> list[int]:
    """The offsets of the messages that ``_drain_messages`` delivers of those that come in."""
    chunks = [Chunk(INPUT, [Record(offset)], 0) for offset in offsets]
    stopped = asyncio.Event()

    async def getmany(timeout: float) -> Any:
        for chunk in chunks:
            yield INPUT, consumer._to_message(INPUT, chunk)
        stopped.set()

    consumer.getmany = getmany
    await consumer._drain_messages(SimpleNamespace(_stopped=stopped))
    return [message.offset for message in consumer.delivered]


async def test_read_offsets_decide_what_is_dropped_and_ours_drop_nothing(
    consumer: Any, app: Any
) -> None:
    """``_drain_messages`` asks ``_read_offset.__getitem__`` and adds gaps by ``_add_gap``."""
    app.topics.acks_enabled_for = lambda topic: True
    with mock.patch.object(consumer, "_add_gap", mock.AsyncMock()) as add_gap:
        assert await drained(consumer, [10, 5, 20]) == [10, 5, 20]
        assert add_gap.await_count == 0
        consumer.delivered.clear()
        consumer._read_offset = {INPUT: 7}
        assert await drained(consumer, [10, 5, 20]) == [10, 20], "stock Faust drops a rewind"
        assert [call.args for call in add_gap.await_args_list] == [(INPUT, 8, 10), (INPUT, 11, 20)]


async def test_acknowledged_chunks_are_committed_up_to_the_last(consumer: Any, app: Any) -> None:
    """``ack`` fills ``_acked`` and ``_acked_index``; ``_new_offset`` says what to commit."""
    committed: list[Any] = []

    async def commit(offsets: Any) -> bool:
        committed.append(dict(offsets))
        return True

    consumer._commit = commit
    consumer._committed_offset[INPUT] = 900
    app.topics.acks_enabled_for = lambda topic: True
    app.producer.flush = mock.AsyncMock()
    for last in (999, 1999, 2499):
        chunk = Chunk(INPUT, [Record(last)], 0)
        assert consumer.ack(consumer._to_message(INPUT, chunk))
    assert set(consumer._acked[INPUT]) == consumer._acked_index[INPUT] == {999, 1999, 2499}
    await consumer.force_commit()
    assert committed == [{INPUT: 2500}]
    assert consumer._committed_offset[INPUT] == 2500
    assert not consumer._acked[INPUT]
    assert not consumer._acked_index[INPUT]
    await consumer.force_commit()
    assert len(committed) == 1


async def test_stock_faust_would_commit_one_chunk_at_a_time(consumer: Any) -> None:
    """Why ``_new_offset`` is overridden: offsets between the chunks' last ones look like gaps."""
    consumer._acked[INPUT] = [999, 1999, 2499]
    consumer._committed_offset[INPUT] = 999
    assert Consumer._new_offset(consumer, INPUT) == 1000


def ready(app: Any, start: int | None) -> None:
    """Partition 0 is open, and its state says where its input starts."""
    opened: Any = SimpleNamespace(start_offset={INPUT.topic: start}.get, progress=Progress())
    app.engine.partitions[0].begin_opening()
    app.engine.partitions[0].take_over(opened)


async def test_seeking_ends_where_the_state_says(consumer: Any, app: Any) -> None:
    """``perform_seek`` -> ``seek_to_committed``, then ``_seek`` -> the thread's ``seek``."""
    consumer._thread.seek_to_committed = mock.AsyncMock(return_value={INPUT: 5})
    ready(app, 42)
    before = consumer._intake(INPUT).epoch
    with mock.patch.object(consumer, "_is_changelog_tp", lambda tp: tp == CHANGELOG):
        await consumer.perform_seek()
    assert consumer.sought == [(INPUT, 42)]
    assert consumer._committed_offset[INPUT] == 42
    assert consumer._intake(INPUT).epoch == before + 1
    assert consumer._intake(CHANGELOG).epoch == before
    assert app.engine.partitions[0].state is State.RUNNING


async def test_input_that_no_state_knows_begins_at_its_first_offset(
    consumer: Any, app: Any
) -> None:
    """Wherever the group or the client is: what was fetched and dropped before is in no state."""
    consumer._thread.seek_to_committed = mock.AsyncMock(return_value={INPUT: 5})
    consumer._thread.earliest_offsets = mock.AsyncMock(return_value={INPUT: 3})
    ready(app, None)
    with mock.patch.object(consumer, "_is_changelog_tp", lambda tp: tp == CHANGELOG):
        await consumer.perform_seek()
    assert consumer.sought == [(INPUT, 3)]
    assert consumer._intake(INPUT).asked == 3


async def test_a_fetch_under_way_is_over_before_input_is_sought(consumer: Any, app: Any) -> None:
    """``Consumer.getmany`` drops what comes of partitions that were paused since it asked.

    So it does between the revocation and the end of recovery, which resumes the flow first.
    """
    consumer._thread.seek_to_committed = mock.AsyncMock(return_value={INPUT: 0})
    consumer._thread.earliest_offsets = mock.AsyncMock(return_value={INPUT: 0})
    ready(app, None)
    fetched: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def fetch(active_partitions: Any, timeout: float) -> Any:
        return await fetched

    consumer._thread.getmany = fetch

    async def deliver() -> list[Any]:
        return [one async for one in consumer.getmany(timeout=1.0)]

    consumer._set_active_tps({INPUT})
    consumer.resume_flow()
    delivering = asyncio.create_task(deliver())
    await asyncio.sleep(0.01)  # until it waits for the fetch
    consumer.stop_flow()
    consumer.pause_partitions({INPUT})
    consumer.resume_flow()
    with mock.patch.object(consumer, "_is_changelog_tp", lambda tp: tp == CHANGELOG):
        seeking = asyncio.create_task(consumer.perform_seek())
        await asyncio.sleep(0.01)  # until it waits for the same
        fetched.set_result({INPUT: [Batch(0, [Record(offset) for offset in range(5)])]})
        await seeking
    assert await delivering == []
    assert consumer.sought == [(INPUT, 0)]
    (again,) = consumer._intake(INPUT).chunks([Record(offset) for offset in range(5)], 1000)
    assert again.follows == 0
    assert again.epoch == consumer._intake(INPUT).epoch


async def test_a_revocation_forgets_what_was_acknowledged(consumer: Any, app: Any) -> None:
    """Why the override commits first: ``on_partitions_revoked`` drops ``_acked`` at once."""
    order: list[str] = []
    consumer._acked[INPUT] = [7]
    consumer._on_partitions_revoked = mock.AsyncMock(
        side_effect=lambda _: order.append(f"forgotten: {INPUT not in consumer._acked}")
    )
    app.engine.partitions.finish = mock.AsyncMock(side_effect=lambda _: order.append("finished"))
    consumer.force_commit = mock.AsyncMock(
        side_effect=lambda: order.append(f"committed: {consumer._acked[INPUT]}")
    )
    await consumer.on_partitions_revoked({INPUT})
    assert order == ["finished", "committed: [7]", "forgotten: True"]


def test_is_changelog_asks_the_table_manager() -> None:
    tables = SimpleNamespace(changelog_topics={CHANGELOG.topic})
    consumer: Any = SimpleNamespace(app=SimpleNamespace(tables=tables))
    assert Consumer._is_changelog_tp(consumer, CHANGELOG)
    assert not Consumer._is_changelog_tp(consumer, INPUT)


async def test_the_workers_consumer_reads_committed_input_and_waits_shortly(consumer: Any) -> None:
    """``_isolation_level`` and ``_fetch_max_wait_ms`` reach the fetcher when it is started."""
    made = consumer._thread._create_worker_consumer(consumer.transport)
    assert isinstance(made, AIOKafkaConsumer)
    made._client.bootstrap = mock.AsyncMock()
    made._wait_topics = mock.AsyncMock()
    with (
        mock.patch.object(
            aiokafka_consumer, "Fetcher", side_effect=InterruptedError
        ) as made_fetcher,
        pytest.raises(InterruptedError),
    ):
        await made.start()
    options = made_fetcher.call_args.kwargs
    assert options["isolation_level"] == "read_committed"
    assert options["fetch_max_wait_ms"] == consumer_thread.FETCH_MAX_WAIT_MS


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.NoError, True),
        (errors.RebalanceInProgressError, True),
        (errors.UnknownMemberIdError, False),
        (errors.IllegalGenerationError, False),
        (errors.NotCoordinatorForGroupError, False),
    ],
)
async def test_a_heartbeat_tells_whether_the_group_knows_this_member(
    error: Any, expected: bool
) -> None:
    response = SimpleNamespace(error_code=error.errno)
    coordinator: Any = mock.Mock(
        group_id="g", generation=1, member_id="m", _send_req=mock.AsyncMock(return_value=response)
    )
    assert await GroupCoordinator._do_heartbeat(coordinator) is expected


async def test_the_member_beats_while_its_partitions_are_opened(consumer: Any) -> None:
    """aiokafka's heartbeats begin after ``on_partitions_assigned``, where ours are opened."""
    beaten = asyncio.Event()
    coordinator: Any = mock.Mock(
        spec=GroupCoordinator,
        member_id="m",
        _heartbeat_task=None,
        _heartbeat_interval_ms=1,
        _session_timeout_ms=10_000,
        _retry_backoff_ms=1,
        _max_poll_interval=10.0,
        _subscription=SimpleNamespace(fetcher_idle_time=0.0),
        _do_heartbeat=mock.AsyncMock(side_effect=beaten.set),
    )
    for name in ("_start_heartbeat_task", "_stop_heartbeat_task", "_heartbeat_routine"):
        bound = getattr(GroupCoordinator, name).__get__(coordinator)
        setattr(coordinator, name, bound)

    async def opening(loop: Any, assigned: Any, generation_id: int) -> None:
        await beaten.wait()

    consumer._thread._consumer = SimpleNamespace(_coordinator=coordinator)
    with mock.patch.object(consumer, "threadsafe_partitions_assigned", opening):
        await asyncio.wait_for(consumer._thread.on_partitions_assigned({INPUT}, 1), 5)
    running = coordinator._heartbeat_task
    coordinator._start_heartbeat_task()  # as aiokafka does then
    assert coordinator._heartbeat_task is running
    await coordinator._stop_heartbeat_task()


async def test_the_heartbeat_is_asked_in_the_consumers_thread(consumer: Any) -> None:
    thread = consumer._thread
    assert await consumer.is_member() is False, "not started yet"

    async def beat() -> bool:
        return True

    async def call_thread(fun: Any, *args: Any) -> Any:
        return await fun(*args)

    thread._consumer = SimpleNamespace(_coordinator=SimpleNamespace(_do_heartbeat=beat))
    assert list(inspect.signature(thread.call_thread).parameters) == ["fun", "args", "kwargs"]
    thread.call_thread = call_thread
    assert await consumer.is_member() is True


def fetched(data: bytes, mark: Any, first: int = 1) -> list[Any]:
    """What a consumer is given of a fetch, through the names the fetcher looks up."""
    tp = TopicPartition("t", 0)
    records = fetcher.MemoryRecords(data)
    read = fetcher.PartitionRecords(
        tp, records, [], first, mark, None, True, fetcher.READ_COMMITTED
    )
    found = list(read)
    assert read.next_fetch_offset == LAST + 1
    return list(chain.from_iterable(one.records for one in found)) if mark else found


@pytest.fixture
def whole_batches_read() -> None:
    whole_batches.read_whole_batches()
    users = {
        name: {"PartitionRecords", "MemoryRecords"} & set(one.__code__.co_names)
        for name, one in vars(fetcher.Fetcher).items()
        if inspect.isfunction(one)
    }
    assert {name for name, used in users.items() if used} == {"_proc_fetch_request"}
    assert users["_proc_fetch_request"] == {"PartitionRecords", "MemoryRecords"}


LAST = 5


def log_of(*batches: bytes) -> bytes:
    """Batches one after the other, three records each, as a broker places them."""
    data = bytearray()
    for number, batch in enumerate(batches):
        data += (number * 3).to_bytes(8) + batch[8:]
    return bytes(data)


@pytest.mark.parametrize("walker", walkers())
def test_a_marked_consumer_only_is_given_whole_batches(
    whole_batches_read: None, walker: Any
) -> None:
    """``Fetcher`` looks ``PartitionRecords`` up in its module; that calls ``_consumer_record``."""
    batches = []
    for base in (0, 3):
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10_000)
        for at in range(3):
            value = None if base + at == LAST else b"v%d" % (base + at)
            builder.append(at, 1000 + base + at, b"k", value, [("h", b"x")] if at else [])
        batches.append(bytes(builder.build()))
    data = log_of(*batches)
    for first in range(LAST + 1):
        found = fetched(data, whole_batches.ByBatch(walker=walker), first)
        assert [one.offset for one in found] == list(range(first, LAST + 1))
    found = fetched(data, whole_batches.ByBatch(walker=walker), 2)
    assert [(one.key, one.value, one.timestamp) for one in found] == [
        (b"k", b"v2", 1002),
        (b"k", b"v3", 1003),
        (b"k", b"v4", 1004),
        (b"k", None, 1005),
    ]
    assert [list(one.headers) for one in found] == [[("h", b"x")], [], [("h", b"x")], [("h", b"x")]]
    assert type(found[0].key) is bytes
    assert found[0].timestamp_type == 0
    assert not hasattr(found[0], "partition")
    for other in fetched(data, None):
        assert isinstance(other, ConsumerRecord)
        assert (other.topic, other.partition) == ("t", 0)


@pytest.mark.parametrize("walker", walkers())
@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4])
def test_a_header_name_of_any_bytes_is_read(
    whole_batches_read: None, codec: int, walker: Any
) -> None:
    """The C reader raises ``UnicodeDecodeError``, and again at every fetch."""
    batches = []
    for base in (0, 3):
        builder = kafka_records.DefaultRecordBatchBuilder(2, codec, False, -1, -1, -1, 100_000)
        for at in range(3):
            name = HeaderName(b"gr\xfcn") if base + at == 4 else "plain"
            builder.append(at, 1000 + at, b"k", b"v%d" % (base + at), [(name, b"x")])
        batches.append(bytes(builder.build()))
    with pytest.raises(UnicodeDecodeError):
        list(MemoryRecords(batches[1]).next_batch())
    found = fetched(log_of(*batches), whole_batches.ByBatch(walker=walker))
    assert [(one.offset, one.value) for one in found] == [
        (offset, b"v%d" % offset) for offset in range(1, LAST + 1)
    ]
    names = [name for one in found for name, _ in one.headers]
    assert names == ["plain", "plain", "plain", "gr\\xfcn", "plain"]


def test_a_wrong_length_beside_such_a_name_is_an_error(whole_batches_read: None) -> None:
    """``_DefaultRecordBatchPy`` with its compiled ``decode_varint`` reads beyond the batch."""
    builder = kafka_records.DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 100_000)
    builder.append(0, 1000, b"k", b"v", [(HeaderName(b"gr\xfcn"), b"x")])
    data = bytearray(builder.build())
    data += b"\x20\x00\x00\x02\xfe\xff\xff\xff\x0fkv"  # a key of two gigabytes
    data[57:61] = (2).to_bytes(4)
    data[23:27] = (1).to_bytes(4)
    data[8:12] = (len(data) - 12).to_bytes(4)
    data[17:21] = kafka_records.calc_crc32c(bytes(data[21:])).to_bytes(4)
    for walker in walkers():
        with pytest.raises(errors.CorruptRecordException):
            fetched(bytes(data), whole_batches.ByBatch(walker=walker), 0)


def batch_of(*offsets: int, codec: int = 0) -> bytes:
    """A batch with these of its three offsets, as compaction leaves it."""
    builder = kafka_records.DefaultRecordBatchBuilder(2, codec, False, -1, -1, -1, 10_000)
    for at in range(3):
        builder.append(at, 1000, b"k", b"v", [])
    whole = bytes(builder.build())
    if len(offsets) == 3:
        return whole
    kept = kafka_records.DefaultRecordBatchBuilder(2, codec, False, -1, -1, -1, 10_000)
    for at in offsets:
        kept.append(at, 1000, b"k", b"v", [])
    data = bytearray(kept.build())
    data[23:27] = whole[23:27]  # the last offset of the batch stays what it was
    data[17:21] = kafka_records.calc_crc32c(bytes(data[21:])).to_bytes(4)
    return bytes(data)


@pytest.mark.parametrize(
    ("batches", "first", "missing"),
    [
        ([(0, 1, 2), (0, 1, 2)], 0, []),
        ([(0, 1, 2), (0, 1, 2)], 4, []),
        ([(0, 2), (0, 1, 2)], 0, [(1, 2)]),
        ([(0, 2), (0, 1, 2)], 2, []),
        ([(1,), (0, 1, 2)], 0, [(0, 1), (2, 3)]),
        ([(0, 1, 2), (0,)], 0, [(4, 6)]),
        ([None, (2,)], 0, [(0, 3), (3, 5)]),
        ([(0, 1, 2), None, (0, 1, 2)], 1, [(3, 6)]),
    ],
)
@pytest.mark.parametrize("codec", [0, 1])
@pytest.mark.parametrize("walker", walkers())
def test_offsets_that_the_log_leaves_out_are_noticed(
    whole_batches_read: None,
    walker: Any,
    batches: list[tuple[int, ...] | None],
    first: int,
    missing: list[tuple[int, int]],
    codec: int,
) -> None:
    """``MemoryRecords.next_batch``: a batch's ``base_offset``, ``next_offset`` and records."""
    data = b"".join(
        (number * 3).to_bytes(8) + batch_of(*offsets, codec=codec)[8:]
        for number, offsets in enumerate(batches)
        if offsets is not None
    )
    heard: list[tuple[int, int]] = []
    passed: list[tuple[int, int]] = []
    mark = whole_batches.ByBatch(
        lambda _, *range_: passed.append(range_),
        lambda _, *range_: heard.append(range_),
        walker=walker,
    )
    tp = TopicPartition("t", 0)
    read = fetcher.PartitionRecords(
        tp, fetcher.MemoryRecords(data), [], first, mark, None, True, fetcher.READ_COMMITTED
    )
    found = [record.offset for batch in read for record in batch.records]
    assert heard == missing
    there = [number * 3 + at for number, offsets in enumerate(batches) for at in offsets or ()]
    assert found == [offset for offset in there if offset >= first]
    after, end = found[-1] + 1, len(batches) * 3
    assert passed == ([] if after == end else [(after, end)])
