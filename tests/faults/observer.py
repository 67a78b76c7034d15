"""What any consumer sees of an application: its topics, read committed, with another client.

librdkafka, not aiokafka: a mistake in the workers' client must not hide itself here.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streamproc.engine.changelog import PROGRESS_KEY, Progress, is_row
from tests.faults.oracle import KINDS, LogEntry, Sequences
from tests.support.cluster import PARTITIONS, Names

_decode_progress = msgspec.msgpack.Decoder(Progress).decode
"""Also of a newer release, which workers refuse."""


class Observer:
    """A thread that follows input, changelog and outputs from their beginnings."""

    def __init__(
        self, bootstrap: str, names: Names, left_out: frozenset[str] = frozenset()
    ) -> None:
        """``left_out``: kinds of outputs that do not follow from the input."""
        self.lock = threading.Lock()
        """Held while a batch is filed; hold it to read several fields as of one moment."""
        self.log: list[LogEntry] = []
        self.states: dict[bytes, bytes] = {}
        self.id_records: list[dict[bytes, bytes]] = [{} for _ in range(PARTITIONS)]
        """By partition: the records of identities that compaction would keep."""
        self.homes: dict[bytes, set[int]] = defaultdict(set)
        """By subscriber: the partitions of the changelog that have an account of them."""
        self.forwarded = [0] * PARTITIONS
        """Offset after the last forwarded record, by partition."""
        self.forwarded_positions = [0] * PARTITIONS
        self.changelog_records = 0
        self.positions = [0] * PARTITIONS
        self.clocks = [0] * PARTITIONS
        self.forms: list[set[int]] = [set() for _ in range(PARTITIONS)]
        """By partition: the forms of the state that were written."""
        self.releases: list[set[str]] = [set() for _ in range(PARTITIONS)]
        """By partition: the releases that wrote; release 0.1.0 says an empty name."""
        self.passed: list[list[tuple[float, int]]] = [[] for _ in range(PARTITIONS)]
        """By partition: instants (monotonic) and the input position committed then."""
        self.outputs: dict[str, Sequences] = {kind: defaultdict(list) for kind in KINDS}
        self.totals = dict.fromkeys(KINDS, 0)
        self._names = names
        self._left_out = left_out
        self._kinds = {names.worker.by_field()[kind]: kind for kind in KINDS}
        self._at_end: dict[tuple[str, int], int] = {}
        topics = [names.events, names.changelog, *self._kinds]
        self._places = [TopicPartition(t, n) for t in topics for n in range(PARTITIONS)]
        self._bootstrap = bootstrap
        self._consumer = _consumer(bootstrap, f"observer-{names.app_id}")
        self._ending = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="observer")

    def start(self) -> Observer:
        """Follow; all topics must exist."""
        self._consumer.assign(
            [TopicPartition(tp.topic, tp.partition, OFFSET_BEGINNING) for tp in self._places]
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        self._ending = True
        self._thread.join(10)
        self._consumer.close()

    def take_log(self) -> list[LogEntry]:
        """The input records read since the last call."""
        with self.lock:
            log, self.log = self.log, []
        return log

    def passed_at(self, partition: int, position: int) -> float | None:
        """When (monotonic) this input position was first committed; None: not yet."""
        for instant, reached in self.passed[partition]:
            if reached >= position:
                return instant
        return None

    def behind(self) -> list[str]:
        """Partitions of which not everything readable has been read, or readable: open ends.

        A transaction that nobody ends holds ``read_committed`` readers back before the true end:
        such a partition stays on this list.
        """
        latest = {tp: OffsetSpec.latest() for tp in self._places}
        found = []
        # A new one each time: librdkafka's would go on with the leader epochs it once learned.
        admin = AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0})
        for tp, future in admin.list_offsets(latest, request_timeout=10).items():
            try:
                end = future.result(15).offset
            except KafkaException as error:
                found.append(f"{tp.topic}-{tp.partition}: {error}")
                continue
            at = self._at_end.get((tp.topic, tp.partition), 0)
            if at < end:
                found.append(f"{tp.topic}-{tp.partition}: read to {at} of {end}")
        return found

    def _run(self) -> None:
        while not self._ending:
            messages = self._consumer.consume(2000, timeout=0.1)
            if messages:
                now = time.monotonic()
                with self.lock:
                    for message in messages:
                        self._file(message, now)

    def _file(self, message: Any, now: float) -> None:
        topic, number, error = message.topic(), message.partition(), message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self._at_end[topic, number] = message.offset()
            return
        key, value = message.key(), message.value()
        if topic == self._names.events:
            entry = LogEntry(number, message.offset(), key, value, message.timestamp()[1])
            self.log.append(entry)
        elif topic == self._names.changelog:
            self.changelog_records += 1
            self._file_row(number, key, value, now)
        else:
            kind = self._kinds[topic]
            if kind in self._left_out:
                return
            self.totals[kind] += 1
            self.outputs[kind][number, key].append(value)
            if kind == "forwarded":
                self.forwarded[number] = message.offset() + 1

    def _file_row(self, number: int, key: bytes, value: bytes | None, now: float) -> None:
        if key == PROGRESS_KEY:
            assert value is not None
            progress = _decode_progress(value)
            self.forms[number].add(progress.version)
            self.releases[number].add(progress.written_by)
            self.positions[number] = progress.positions.get(self._names.events, 0)
            forwarded = self._names.worker.forwarded
            self.forwarded_positions[number] = progress.positions.get(forwarded, 0)
            self.clocks[number] = progress.clock_ms
            self.passed[number].append((now, self.positions[number]))
        elif not is_row(key):
            if value is None:
                self.id_records[number].pop(key, None)
            else:
                self.id_records[number][key] = value
        elif value is None:
            self.states.pop(key, None)
            self.homes[key].discard(number)
        else:
            self.states[key] = value
            self.homes[key].add(number)


def count_records(bootstrap: str, topic: str) -> int:
    """How many committed records a topic holds now."""
    consumer = _consumer(bootstrap, f"counter-{topic}")
    try:
        consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(PARTITIONS)])
        count, ended = 0, set[int]()
        while len(ended) < PARTITIONS:
            for message in consumer.consume(2000, timeout=0.5):
                if message.error() is None:
                    count += 1
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
        return count
    finally:
        consumer.close()


def _consumer(bootstrap: str, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,  # demanded, not used: partitions are assigned by hand
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 100,
            "reconnect.backoff.max.ms": 500,
            "topic.metadata.refresh.interval.ms": 2000,
            "log_level": 0,
        }
    )
