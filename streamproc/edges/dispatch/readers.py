"""Reading reminders: one cursor per lane, so that no backlog of summaries hides a low balance.

The group's consumer reads the most urgent lane and decides which partitions are ours. Each other
lane, and the topic of resends, has a follower that reads the same partitions at its own pace.
A follower never overtakes the most urgent cursor, so what is earlier and more urgent is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor

from streamproc.edges.dispatch.ledger import Cursor
from streamproc.edges.dispatch.settings import DispatchSettings

POLL_MS = 50
FOLLOWER_POLL_MS = 10


class Readers:
    """Blocking; everything but the listener's callbacks runs in the one thread that owns it."""

    def __init__(
        self,
        settings: DispatchSettings,
        lane_names: tuple[str, ...],
        on_revoked: Callable[[list[int]], None],
    ) -> None:
        topics = settings.topics
        self._topic = topics.reminders
        self._settings = settings
        self._open: set[int] = set()
        self._kept: dict[tuple[Cursor, int], deque[Any]] = {}
        self._passed: dict[int, int] = {}
        self.assigned: deque[int] = deque()
        """Partitions that the group gave us and that are not opened yet."""
        self._main = self._consumer(
            settings.group,
            partition_assignment_strategy=[RangePartitionAssignor],
            group_instance_id=settings.instance_id,
            session_timeout_ms=int(settings.session_timeout_seconds * 1000),
            heartbeat_interval_ms=int(settings.session_timeout_seconds * 1000 / 5),
        )
        self._followers: dict[Cursor, Any] = {
            (lane, self._topic): self._consumer(settings.lane_group(lane, name))
            for lane, name in enumerate(lane_names)
            if lane
        }
        self._followers[0, topics.resends] = self._consumer(settings.lane_group(0, ""))
        # The leader assigns from the metadata it has: without the topic's, nothing is assigned,
        # and the client may not notice when they come.
        self._main.partitions_for_topic(self._topic)
        self._main.subscribe([self._topic], listener=_Listener(self, on_revoked))

    def open(self, partition: int) -> dict[Cursor, int]:
        """Begin a partition; returns from where each cursor reads."""
        found: dict[Cursor, int] = {}
        self._open.add(partition)
        for cursor, consumer in self._all():
            place = TopicPartition(cursor[1], partition)
            if consumer is not self._main:
                self._assign(cursor, consumer)
            offset = consumer.committed(place)
            begin = consumer.beginning_offsets([place])[place]
            found[cursor] = max(offset or 0, begin)
            consumer.seek(place, found[cursor])
            self._kept[cursor, partition] = deque()
        self._passed[partition] = found[0, self._topic]
        return found

    def close(self, partition: int) -> None:
        """End a partition (from the listener's thread, while no poll runs, or after it)."""
        self._open.discard(partition)

    def poll(self, held: list[int]) -> Iterator[tuple[Cursor, Any]]:
        """Records of open partitions, most urgent lane first; lanes with enough held are left."""
        limit = self._settings.held_messages
        place = [TopicPartition(self._topic, partition) for partition in self._main_partitions()]
        if held[0] >= limit:
            self._main.pause(*place)
        else:
            self._main.resume(*place)
        yield from self._records((0, self._topic), self._main, POLL_MS)
        for cursor, consumer in self._followers.items():
            if cursor[0] and held[cursor[0]] >= limit:
                continue
            self._assign(cursor, consumer)
            if consumer.assignment():
                yield from self._records(cursor, consumer, FOLLOWER_POLL_MS)

    def shut(self) -> None:
        """Leave the group; the listener hears of it first."""
        self._main.close(autocommit=False)
        for consumer in self._followers.values():
            consumer.close(autocommit=False)

    def _records(
        self, cursor: Cursor, consumer: Any, timeout_ms: int
    ) -> Iterator[tuple[Cursor, Any]]:
        polled = consumer.poll(timeout_ms=timeout_ms)
        for place, records in polled.items():
            if place.partition in self._open:
                self._kept[cursor, place.partition].extend(records)
        for partition in sorted(self._open):
            kept = self._kept[cursor, partition]
            while kept and self._may_pass(cursor, partition, kept[0].offset):
                record = kept.popleft()
                if cursor == (0, self._topic):
                    self._passed[partition] = record.offset + 1
                yield cursor, record
        if consumer is not self._main:
            self._hold_back(cursor, consumer)

    def _may_pass(self, cursor: Cursor, partition: int, offset: int) -> bool:
        return cursor[0] == 0 or offset < self._passed[partition]

    def _hold_back(self, cursor: Cursor, consumer: Any) -> None:
        """Do not fetch more for a follower that waits for the urgent cursor."""
        for place in consumer.assignment():
            if self._kept.get((cursor, place.partition)):
                consumer.pause(place)
            else:
                consumer.resume(place)

    def _assign(self, cursor: Cursor, consumer: Any) -> None:
        """Follow exactly the open partitions, each at the position it has."""
        wanted = {TopicPartition(cursor[1], partition) for partition in self._open}
        had = consumer.assignment()
        if wanted == had:
            return
        positions = {place: consumer.position(place) for place in wanted & had}
        consumer.assign(sorted(wanted))
        for place, offset in positions.items():
            consumer.seek(place, offset)

    def _main_partitions(self) -> set[int]:
        return {place.partition for place in self._main.assignment()} & self._open

    def _all(self) -> list[tuple[Cursor, Any]]:
        return [((0, self._topic), self._main), *self._followers.items()]

    def _consumer(self, group: str, **settings: Any) -> Any:
        return KafkaConsumer(
            bootstrap_servers=self._settings.broker,
            group_id=group,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
            **settings,
            **self._settings.kafka,
        )


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # untyped library
    def __init__(self, readers: Readers, on_revoked: Callable[[list[int]], None]) -> None:
        self._readers = readers
        self._on_revoked = on_revoked

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._readers.assigned.extend(sorted(place.partition for place in assigned))

    def on_partitions_revoked(self, revoked: Any) -> None:
        partitions = sorted(place.partition for place in revoked)
        for partition in partitions:
            self._readers.close(partition)
            while partition in self._readers.assigned:
                self._readers.assigned.remove(partition)
        if partitions:
            self._on_revoked(partitions)
