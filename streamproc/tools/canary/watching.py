"""Sends beats to Kafka, reads what follows, and judges. Blocking, in one thread."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from streamproc.canaries import CANARY_KEY
from streamproc.contracts.records.codec import (
    UNREADABLE,
    decode_reject,
    decode_reminder,
)
from streamproc.contracts.records.receipts import decode_receipt
from streamproc.core.state.events import SubscriberEvent
from streamproc.kafka.clients import kafka_consumer, kafka_producer
from streamproc.kafka.errors import TopicError
from streamproc.kafka.missing_rights import said
from streamproc.kafka.packed import force_close
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import open_admin, partition_count
from streamproc.tools.canary.beats import Beats, Stage, Verdict
from streamproc.tools.canary.canary_events import (
    BEAT_SECONDS,
    OFFSET_SECONDS,
    beat_events,
    beat_mark,
    canaries_of,
    encoded,
    end_event,
    mark_of,
    timed_mark,
)

log = structlog.get_logger(__name__)

POLL_MS: Final = 100
BLOCK_MS: Final = 2_000
"""While the broker is away, a turn takes no longer: verdicts must come in time."""
RETRY_SECONDS: Final = 2.0
MOST_ENDED: Final = 100_000
"""Canaries of others that a run ends. Kafka has no topic of so many partitions."""
BEAT_MS: Final = BEAT_SECONDS * 1000


@dataclass(frozen=True)
class CanarySettings:
    """Topics and promises."""

    broker: Broker
    events: str
    reminders: str
    rejects: str
    receipts: str
    deadline_seconds: float = 30.0
    until: Stage = "delivered"


class Told(Protocol):
    """Gets every verdict."""

    def __call__(self, verdicts: list[Verdict], beats: Beats) -> None: ...


class CanaryWatch:
    """A run of the canary. ``now_ms`` is the wall clock."""

    def __init__(
        self,
        settings: CanarySettings,
        told: Told,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings = settings
        self._told = told
        self._now_ms = now_ms
        self._run = f"canary-{secrets.token_hex(4)}"
        self.beats = Beats(int(settings.deadline_seconds * 1000), settings.until)
        self.has_judged = False
        self.turns = 0
        """How often the loop has turned."""
        self._producer: Any = None
        self._reader: Any = None
        self._partitions = 0
        self._living: dict[int, str] = {}
        """The canary of each partition that this run has begun."""
        self._ended: set[str] = set()
        """Canaries of other days or runs that this run has ended."""
        self._minute = 0
        self._slot_ms = 0
        self._is_away = False

    def run(self, is_over: Callable[[], bool], *, once: bool = False) -> list[Verdict]:
        """Beat each minute until it is over; with ``once`` only once, and at once.

        Returns the last verdicts. Raises :class:`TopicError` if the topics cannot be used at the
        start.
        """
        self._open()
        last: list[Verdict] = []
        first_ms = self._now_ms()
        self._slot_ms = (first_ms // BEAT_MS + 1) * BEAT_MS
        self._minute = (first_ms - OFFSET_SECONDS * 1000) // BEAT_MS - 1
        if once:
            self._beat(first_ms)
        try:
            while not is_over():
                self.turns += 1
                self._turn(once=once)
                verdicts = self.beats.judge(self._now_ms())
                if verdicts:
                    self.has_judged = True
                    last = verdicts if not once else [*last, *verdicts]
                    self._told(verdicts, self.beats)
                if once and len(last) >= self._partitions:
                    break
        finally:
            self._end()
        return last

    def _turn(self, *, once: bool) -> None:
        now_ms = self._now_ms()
        minute = (now_ms - OFFSET_SECONDS * 1000) // BEAT_MS
        try:
            if self._reader is None:
                self._open()
            if not once and minute > self._minute:
                self._minute = minute
                self._beat(now_ms)
            if not once and now_ms >= self._slot_ms:
                self._begin_timed(self._slot_ms)
                self._slot_ms += BEAT_MS
            self._read()
            self._is_away = False
        except (KafkaError, TopicError) as error:
            # The beats that are begun are judged nevertheless: that is what they are for.
            if not self._is_away:
                log.warning("the canary cannot reach its topics; it tries again", why=str(error))
            self._is_away = True
            self._close()
            time.sleep(RETRY_SECONDS)

    def _open(self) -> None:
        settings = self._settings
        try:
            counts = self._look()
            self._producer = kafka_producer(
                settings.broker, acks="all", linger_ms=0, max_block_ms=BLOCK_MS
            )
            self._reader = kafka_consumer(
                settings.broker,
                enable_auto_commit=False,
                isolation_level="read_committed",
                fetch_max_wait_ms=50,
            )
            self._partitions = counts.pop(settings.events)
            places = [
                TopicPartition(topic, number)
                for topic, count in counts.items()
                for number in range(count)
            ]
            self._reader.assign(places)
            self._reader.seek_to_end(*places)
            for place in places:
                self._reader.position(place)
        except KafkaError as error:
            words = said(error, settings.broker, "Read or Write", "the canary cannot start")
            raise TopicError(words) from error

    def _look(self) -> dict[str, int]:
        """The partitions of each topic. Raises :class:`TopicError` if one is missing, and
        ``MissingRightError``."""
        settings = self._settings
        needs = dict.fromkeys((settings.reminders, settings.rejects, settings.receipts), "Read")
        needs[settings.events] = "Write"
        admin = open_admin(settings.broker)
        try:
            counts = {
                topic: partition_count(admin, topic, settings.broker, (operation,))
                for topic, operation in needs.items()
            }
        finally:
            admin.close()
        missing = [topic for topic, count in counts.items() if not count]
        if missing:
            raise TopicError(
                f"no such topic: {', '.join(missing)}; streamproc topics create makes it"
            )
        return counts

    def _beat(self, now_ms: int) -> None:
        for partition, subscriber in enumerate(canaries_of(now_ms, self._partitions)):
            mark = beat_mark(self._run, self._minute, partition)
            self.beats.begin("usage", partition, mark, now_ms)
            before = self._living.get(partition)
            is_first = before != subscriber
            if before is not None and is_first:
                self._send(partition, end_event(before, now_ms))
            events = beat_events(subscriber, mark, now_ms, is_first=is_first)
            for event in events[:-1]:
                self._send(partition, event)
            self._living[partition] = subscriber
            self._send(partition, events[-1], mark)

    def _begin_timed(self, slot_ms: int) -> None:
        """A canary that lives since the minute before gets a message at this instant."""
        for partition, subscriber in self._living.items():
            self.beats.begin("timed", partition, timed_mark(subscriber, slot_ms), slot_ms)

    def _send(self, partition: int, event: SubscriberEvent, mark: str = "") -> None:
        key, value = encoded(event)
        sent = self._producer.send(self._settings.events, key=key, value=value, partition=partition)
        if mark:
            sent.add_callback(lambda _: self.beats.sent(mark, self._now_ms()))

    def _read(self) -> None:
        polled = self._reader.poll(timeout_ms=POLL_MS)
        now_ms = self._now_ms()
        for place, records in polled.items():
            for record in records:
                try:
                    self._take(place.topic, record, now_ms)
                except UNREADABLE:
                    continue  # nobody's record is for the canary

    def _take(self, topic: str, record: Any, now_ms: int) -> None:
        key, value = record.key or b"", record.value or b""
        settings = self._settings
        if topic == settings.reminders:
            if not key.startswith(CANARY_KEY):
                return
            reminder = decode_reminder(value)
            if reminder.subscriber.encode() != key:
                return  # it is of somebody else, whose contract the canary must not end
            mark = mark_of(reminder)
            if mark is not None:
                self.beats.readable(mark, reminder.id, now_ms)
            self._end_others(record.partition, reminder.subscriber, now_ms)
        elif topic == settings.receipts:
            reminder_id = key.decode()
            if self.beats.knows(reminder_id):
                receipt = decode_receipt(value)
                why = receipt.error_code if isinstance(receipt.error_code, str) else ""
                self.beats.receipt(reminder_id, receipt.status, now_ms, why)
        elif self._run.encode() in value:
            reject = decode_reject(value)
            event_id = reject.event_id if isinstance(reject.event_id, str) else ""
            mark = event_id.removesuffix("-begin")
            self.beats.hint(mark, f"rejected: {reject.reason}: {reject.detail}")

    def _end_others(self, partition: int, subscriber: str, now_ms: int) -> None:
        """A canary of another day that still gets messages: the one that began it was killed."""
        if subscriber in self._living.values() or subscriber in self._ended:
            return
        if len(self._ended) >= MOST_ENDED:
            return
        if partition not in self._living:
            return  # it may be the one of this day, and this run has not begun yet
        self._ended.add(subscriber)
        self._send(partition, end_event(subscriber, now_ms))

    def _end(self) -> None:
        """End the contracts of this run's canaries, so that nothing more falls due for them."""
        try:
            if self._producer is not None:
                for partition, subscriber in self._living.items():
                    self._send(partition, end_event(subscriber, self._now_ms()))
                self._producer.flush(BLOCK_MS / 1000)
        except KafkaError as error:
            log.warning("the canary could not end its contracts", why=str(error))
        self._close()

    def _close(self) -> None:
        reader, self._reader = self._reader, None
        producer, self._producer = self._producer, None
        if reader is not None:
            reader.close()
        if producer is not None:
            force_close(producer)
