"""The parts of kafka-python and aiokafka that kafka reaches into are as it takes them to be.

What they do is shown on a broker by tests/integration/test_replay_*; here a new version is caught
before that, with a name.
"""

from __future__ import annotations

import gc
import inspect
import os
import threading
from collections import deque
from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.codec import has_gzip, has_lz4, has_snappy, has_zstd
from kafka.consumer import fetcher
from kafka.coordinator.base import BaseCoordinator
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import CorruptRecordError, InvalidProducerEpochError, KafkaError
from kafka.producer.producer_batch import ProducerBatch
from kafka.producer.record_accumulator import IncompleteProducerBatches, RecordAccumulator
from kafka.producer.sender import Sender
from kafka.producer.transaction_manager import InitProducerIdHandler, TransactionManager
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.record.util import crc32c_c

from streamproc.kafka import clients
from streamproc.kafka.any_headers import AnyRecords, HeaderName
from streamproc.kafka.clients import kafka_admin, kafka_consumer, kafka_producer
from streamproc.kafka.fencing import stay_fenced
from streamproc.kafka.packed import CODECS, PackedRecords

Headers = list[tuple[str, bytes | None]]
Row = tuple[int, bytes | None, bytes | None, Headers]


def test_the_versions_are_the_ones_that_were_read() -> None:
    assert version("kafka-python") == "3.0.12"
    assert version("aiokafka") == "0.14.0"


def test_every_codec_and_the_compiled_checksum_are_there() -> None:
    assert has_gzip()
    assert has_lz4()
    assert has_snappy()
    assert has_zstd()
    # In pure Python a checksum takes longer than everything else together.
    assert crc32c_c is not None


def test_a_producer_that_was_fenced_does_not_fence_its_successor() -> None:
    """The recovery that is switched off begins anew without the stale epoch, which fences."""
    source = inspect.getsource(InitProducerIdHandler)
    assert "_restart_epoch_bump_without_producer_id" in source
    manager = TransactionManager("app-0", 10_000, 100, (4, 0), None)
    stale = InvalidProducerEpochError()
    assert manager.classify_batch_error(stale, None) == manager.ERROR_CLASS_NEEDS_EPOCH_BUMP
    stay_fenced(SimpleNamespace(_transaction_manager=manager))
    assert manager.classify_batch_error(stale, None) == manager.ERROR_CLASS_FATAL
    assert "self._transaction_manager = " in inspect.getsource(KafkaProducer)


def test_a_request_to_rejoin_stays_until_a_join_has_ended() -> None:
    """What dispatch/membership.py rests on; what it mends is shown on a broker."""
    join = inspect.getsource(BaseCoordinator.join_group_async)
    assert "while self.need_rejoin():" in join
    assert "self.rejoining = True" in join
    assert join.index("self.rejoining = False") < join.index("self.rejoin_needed = False")
    assert "super().need_rejoin()" in inspect.getsource(ConsumerCoordinator.need_rejoin)
    assert inspect.getsource(BaseCoordinator.request_rejoin).endswith("self.rejoin_needed = True\n")
    assert "self._coordinator = ConsumerCoordinator(" in inspect.getsource(KafkaConsumer.__init__)


def test_a_member_that_was_fenced_stays_stable_without_heartbeats() -> None:
    """So it can be told from one that joins: there, both change under one lock."""
    beat = inspect.getsource(BaseCoordinator._do_heartbeat)
    fenced = beat.partition("FencedInstanceIdError")[2].partition("else:")[0]
    assert "self._disable_heartbeat()" in fenced
    assert "raise" not in fenced
    assert "self._heartbeat_enabled = False" in inspect.getsource(
        BaseCoordinator._disable_heartbeat
    )
    stable = inspect.getsource(BaseCoordinator.stable)
    assert "MemberState.STABLE" in stable


def test_packed_records_stand_in_for_a_builder() -> None:
    used = {"next_offset", "size_in_bytes", "set_producer_state", "close", "buffer", "is_full",
            "compression_rate", "producer_id", "producer_epoch", "base_sequence"}  # fmt: skip
    assert used <= {name for name in dir(MemoryRecordsBuilder) if not name.startswith("_")}
    assert used <= {name for name in dir(PackedRecords) if not name.startswith("_")}
    ours = inspect.signature(PackedRecords.set_producer_state).parameters
    assert list(ours) == list(inspect.signature(MemoryRecordsBuilder.set_producer_state).parameters)


def test_a_packed_batch_is_what_kafka_python_reads() -> None:
    rows: list[Row] = [
        (5, b"k1", b"v" * 300, [("h", b"x")]),
        (4, None, None, []),
        (9, b"k2", b"", []),
    ]
    for codec in CODECS.values():
        packed = PackedRecords(codec, 1 << 16, True)
        for number, (at_ms, key, value, headers) in enumerate(rows):
            assert packed.append(number, at_ms, key, value, headers) is not None
        packed.seal(len(rows))
        packed.set_producer_state(77, 3, 1000, True)
        packed.close()
        packed.close()  # a retried batch is closed again
        (batch,) = MemoryRecords(packed.buffer())
        assert batch.validate_crc()
        assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (77, 3, 1000)
        assert batch.is_transactional
        found = [(one.timestamp, one.key, one.value, one.headers) for one in batch]
        assert found == rows


def test_header_names_of_any_bytes_are_read_and_written() -> None:
    name = HeaderName(b"gr\xfcn")
    for codec in CODECS.values():
        packed = PackedRecords(codec, 1 << 16, False, any_names=True)
        for number in range(4):
            headers: Headers = [(name, None), ("h", b"1")] if number % 2 else [("green", b"x")]
            assert packed.append(number, 5, b"k", b"v", headers) is not None
        packed.seal(4)
        packed.close()
        data = packed.buffer()

        with pytest.raises(CorruptRecordError) as caught:
            [list(batch) for batch in MemoryRecords(data)]
        assert isinstance(caught.value.__context__, UnicodeDecodeError)
        (batch,) = AnyRecords(data)
        assert batch.validate_crc()
        read = [[(one.encode(), value) for one, value in record.headers] for record in batch]
        assert read == [[(b"green", b"x")], [(b"gr\xfcn", None), (b"h", b"1")]] * 2
    assert name == r"gr\xfcn"
    assert "MemoryRecords(completed_fetch.partition_data.records)" in inspect.getsource(
        fetcher.Fetcher._parse_fetched_data
    )


def test_a_poll_takes_records_in_the_places_where_they_are_counted() -> None:
    """What the bound of a poll in any_headers.py rests on; a unit test shows that it holds."""
    polled = inspect.getsource(fetcher.Fetcher.fetched_records)
    assert "while records_remaining > 0:" in polled
    assert "records_remaining -= self._append(drained," in polled
    assert "self.PartitionRecords(" in inspect.getsource(fetcher.Fetcher._parse_fetched_data)
    took = inspect.getsource(fetcher.Fetcher.PartitionRecords.__mro__[-2].take)
    assert "itertools.islice(self.record_iterator, 0, n)" in took
    assert "self._maybe_raise_next_inline_exception()" in took
    assert "self._next_inline_exception = e" in took


def test_the_places_where_batches_are_put_exist() -> None:
    accumulator = RecordAccumulator()
    place = TopicPartition("t", 0)
    assert isinstance(accumulator._batches[place], deque)
    assert isinstance(accumulator._incomplete, IncompleteProducerBatches)
    with accumulator._tp_lock(place):
        pass
    assert list(inspect.signature(ProducerBatch.__init__).parameters)[1:3] == ["tp", "records"]
    batch = ProducerBatch(place, PackedRecords(0, 100, False))
    seen: list[tuple[int, object, Callable[[int], object]]] = []
    batch.produce_future.add_callback(seen.append)
    batch.abort(RuntimeError("no"))
    ((base, _, errors),) = seen
    assert base == -1
    assert str(errors(0)) == "no"
    source = inspect.getsource(KafkaProducer.__init__)
    for name in ("_accumulator", "_sender", "_transaction_manager"):
        assert f"self.{name} =" in source
    for owner, name in (
        (Sender, "wakeup"), (Sender, "force_close"),
        (TransactionManager, "is_transactional"),
        (TransactionManager, "maybe_add_partition_to_transaction"),
    ):  # fmt: skip
        assert callable(getattr(owner, name))


def test_a_failed_batch_is_not_split_behind_our_back() -> None:
    # Sender._can_split asks for record_count > 1; _WholeBatch says 1.
    assert "batch.record_count > 1" in inspect.getsource(Sender._can_split)
    # Sequence numbers must not come from it.
    drained = inspect.getsource(RecordAccumulator.drain_batches_for_one_node)
    assert "batch.records.next_offset()" in drained
    assert "record_count" not in drained


@pytest.mark.parametrize("make", [kafka_admin, kafka_consumer, kafka_producer])
def test_a_client_that_reaches_no_broker_leaves_no_thread_and_no_file(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The constructors of the library leave both; what asks a silent broker would collect them."""
    monkeypatch.setattr(clients, "refuse_unreachable", lambda _: None)
    gc.collect()
    before = {one.ident for one in threading.enumerate()}
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        with pytest.raises(KafkaError):
            make("127.0.0.1:1", bootstrap_timeout_ms=20)
    gc.collect()
    assert not [one for one in threading.enumerate() if one.ident not in before]
    assert len(os.listdir("/proc/self/fd")) <= files
