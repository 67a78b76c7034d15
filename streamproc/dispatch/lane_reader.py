"""Reads reminders with one cursor for each lane, so that summaries never delay low balances.

The group's consumer reads the most urgent lane, and its assignment decides which partitions this
process owns. Each other lane, and the topic of resends, has a follower that reads the same
partitions at its own pace. A follower never overtakes the most urgent cursor, so earlier and more
urgent messages are known.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from kafka import ConsumerRebalanceListener, TopicPartition

from streamproc.dispatch.deleted_messages import Gaps
from streamproc.dispatch.fetching import FetchCheck
from streamproc.dispatch.ledger import Cursor
from streamproc.dispatch.membership import poll_member
from streamproc.dispatch.peers import NamingAssignor
from streamproc.dispatch.settings import DispatchSettings
from streamproc.kafka.clients import kafka_consumer

POLL_MS = 50
FOLLOWER_POLL_MS = 10
IDLE_POLLS = 10
"""If a lane is full, only every tenth poll is a real one."""
METADATA_MAX_AGE_MS = 5_000
"""A member that joins before it knows a new topic gets no partitions, and checks again only after
this time. The client's default of five minutes is too long for reminders."""


class Readers:
    """Blocking. Everything except the listener's callbacks runs in the thread that owns it."""

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
        self._is_asking = False
        self._kept: dict[tuple[Cursor, int], deque[Any]] = {}
        self._passed: dict[int, int] = {}
        self._idle_polls = 0
        self._gaps = Gaps()
        self.assigned: deque[int] = deque()
        """Partitions that the group assigned and that are not opened yet."""
        self._main = self._consumer(
            settings.group,
            partition_assignment_strategy=[NamingAssignor(settings.name)],
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
        self._checks = {cursor: FetchCheck() for cursor, _ in self._all()}
        # The leader assigns from its metadata. Without metadata of the topic it assigns nothing,
        # and the client may not notice when the metadata arrives.
        self._main.partitions_for_topic(self._topic)
        self._main.subscribe([self._topic], listener=_Listener(self, on_revoked))

    def open(self, partition: int) -> dict[Cursor, int]:
        """Begin a partition; returns the position at which each cursor reads."""
        found: dict[Cursor, int] = {}
        self._open.add(partition)
        try:
            self._begin(partition, found)
        except BaseException:
            self._open.discard(partition)
            raise
        self._passed[partition] = found[0, self._topic]
        return found

    def _begin(self, partition: int, found: dict[Cursor, int]) -> None:
        for cursor, consumer in self._all():
            place = TopicPartition(cursor[1], partition)
            if consumer is not self._main:
                self._assign(cursor, consumer)
            # Retention can have deleted records before the committed position.
            offset = consumer.committed(place)
            begin = consumer.beginning_offsets([place])[place]
            found[cursor] = max(offset or 0, begin)
            self._gaps.begin(cursor, partition, offset, found[cursor])
            consumer.seek(place, found[cursor])
            self._kept[cursor, partition] = deque()

    def close(self, partition: int) -> None:
        """End a partition (from the listener's thread, while no poll runs, or after it)."""
        self._open.discard(partition)

    def ask_again(self) -> None:
        """Let the group assign the partitions again (from any thread)."""
        self._is_asking = True

    def poll(self, held: list[int]) -> Iterator[tuple[Cursor, Any]]:
        """Records of open partitions, most urgent lane first; lanes that hold enough messages are
        skipped.

        No partition is ever paused: kafka-python 3.0.12 keeps parsed records of a paused partition
        and may never deliver them. Instead a consumer is simply not polled.
        """
        if self._is_asking:
            self._is_asking = False
            self._main._coordinator.request_rejoin()  # tests/contract checks this private name
        limit = self._settings.held_messages
        yield from self._records((0, self._topic), self._main, held[0] < limit)
        for cursor, consumer in self._followers.items():
            self._assign(cursor, consumer)
            if consumer.assignment():
                yield from self._records(cursor, consumer, not cursor[0] or held[cursor[0]] < limit)
        self._gaps.tell(self._main.beginning_offsets)

    @property
    def stopped(self) -> str:
        """Which fetches have stopped for good; empty if none."""
        return "; ".join(one.stopped for one in self._checks.values() if one.stopped)

    def shut(self) -> None:
        """Leave the group; the listener is called first."""
        self._main.close(autocommit=False)
        for consumer in self._followers.values():
            consumer.close(autocommit=False)

    def _records(
        self, cursor: Cursor, consumer: Any, has_room: bool
    ) -> Iterator[tuple[Cursor, Any]]:
        for place, records in self._fetched(cursor, consumer, has_room).items():
            if place.partition in self._open:
                self._gaps.read(cursor, place.partition, records)
                self._kept[cursor, place.partition].extend(records)
        for partition in sorted(self._open):
            kept = self._kept[cursor, partition]
            # A follower must not overtake the most urgent cursor (see the docstring of the module).
            while has_room and kept and self._may_pass(cursor, partition, kept[0].offset):
                record = kept.popleft()
                if cursor == (0, self._topic):
                    self._passed[partition] = record.offset + 1
                yield cursor, record

    def _fetched(self, cursor: Cursor, consumer: Any, has_room: bool) -> dict[Any, Any]:
        """Records to add to the kept ones; none while there are enough of them."""
        is_main = consumer is self._main
        waiting = any(self._kept[cursor, partition] for partition in sorted(self._open))
        found: dict[Any, Any] = {}
        if has_room and (is_main or not waiting):
            self._checks[cursor].before_poll(consumer)  # what it raises loses no records
            found = poll_member(consumer, POLL_MS) if is_main else consumer.poll(FOLLOWER_POLL_MS)
        elif is_main:
            # A member of the group must be polled, or it misses rebalances; so poll for a
            # very short time.
            time.sleep(POLL_MS / 1000)
            self._idle_polls += 1
            if self._idle_polls % IDLE_POLLS == 0:
                found = poll_member(consumer, 0, max_records=1)
        return found

    def _may_pass(self, cursor: Cursor, partition: int, offset: int) -> bool:
        return cursor[0] == 0 or offset < self._passed[partition]

    def _assign(self, cursor: Cursor, consumer: Any) -> None:
        """Follow exactly the open partitions, each at its position."""
        wanted = {TopicPartition(cursor[1], partition) for partition in sorted(self._open)}
        had = consumer.assignment()
        if wanted == had:
            return
        # ``assign`` forgets positions, so they are set again.
        positions = {place: consumer.position(place) for place in wanted & had}
        consumer.assign(sorted(wanted))
        for place, offset in positions.items():
            consumer.seek(place, offset)

    def _all(self) -> list[tuple[Cursor, Any]]:
        return [((0, self._topic), self._main), *self._followers.items()]

    def _consumer(self, group: str, **settings: Any) -> Any:
        return kafka_consumer(
            self._settings.broker,
            group_id=group,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            **settings,
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
