"""Reads shares and writes what changes: each change once, on whichever worker.

The worker that runs partition 0 decides. Its transactional id is the same wherever that is, so a
new one fences the former one, and then reads which alarms are raised. Blocking; one thread at a
time. Order: ``open``, ``turn``..., ``close``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError, TransactionalIdAuthorizationFailedError

from streamproc.alarms.deciding import Deciding
from streamproc.alarms.fleet import AlarmKey, Fleet
from streamproc.alarms.shares import UNREADABLE as NO_SHARE
from streamproc.alarms.shares import decode_share
from streamproc.alarms.table import LONGEST_WINDOW_SECONDS, Bounds
from streamproc.contracts.records.alarms import (
    UNREADABLE,
    AlarmChanged,
    decode_alarm,
    encode_alarm,
)
from streamproc.contracts.records.reveals import UNREADABLE as NO_REVEAL
from streamproc.contracts.records.reveals import decode_reveal
from streamproc.contracts.rights import alarms_id
from streamproc.core.instants import LAST_MS
from streamproc.kafka.clients import kafka_consumer, kafka_producer
from streamproc.kafka.errors import TopicError
from streamproc.kafka.fencing import stay_fenced
from streamproc.kafka.missing_rights import Lack, MissingRightError, said
from streamproc.kafka.outstanding import send_now
from streamproc.kafka.packed import force_close
from streamproc.kafka.reading_on import until_the_end
from streamproc.kafka.settings import Broker

log = structlog.get_logger(__name__)

PARTITION: Final = 0
TRANSACTION_TIMEOUT_MS: Final = 20_000
"""An open transaction of a killed worker delays readers no longer than this."""
PATIENCE_SECONDS: Final = 30.0
CREATE_TIME: Final = 0
"""Kafka's ``timestamp_type`` of a time that the sender has given."""


class PlacedChange(NamedTuple):
    """A change, and where it stands in the topic."""

    offset: int
    record: AlarmChanged


@dataclass(frozen=True)
class AlarmPlace:
    """Whose alarms they are, and their topics."""

    broker: Broker
    alarms: str
    shares: str
    app_id: str
    process: str
    """The name of this worker."""
    reveals: str = ""
    """Empty: they are not looked at."""


class Decider:
    """The alarms of one application, while this worker decides."""

    def __init__(self, place: AlarmPlace, bounds: Bounds) -> None:
        self._place = place
        self._bounds = bounds
        self._producer: Any = None
        self._reader: Any = None
        self._reveal_reader: Any = None
        self._fleet = Fleet(place.app_id)
        self._deciding = Deciding(place.app_id, place.process, bounds)
        self._told_once: set[str] = set()

    @property
    def told_offset(self) -> int | None:
        """The first change that no webhook has sent yet, as far as a share says so."""
        return self._fleet.told_offset

    @property
    def raised(self) -> tuple[tuple[str, str, str], ...]:
        """Name, gateway and tier of each alarm that is raised."""
        return tuple((*key, tier) for key, tier in self._deciding.raised.items())

    @property
    def revealed(self) -> dict[str, int]:
        """Of how many subscribers something was shown in the last minutes, by command."""
        return self._fleet.revealed() if self._place.reveals else {}

    def open(self) -> list[PlacedChange]:
        """Fence the worker that decided before; returns all changes that the topic still has.

        Raises :class:`TopicError`.
        """
        place = self._place
        try:
            self._producer = kafka_producer(
                place.broker,
                transactional_id=alarms_id(place.app_id),
                transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
                acks="all",
                linger_ms=0,
                retry_backoff_ms=20,
                max_block_ms=int(PATIENCE_SECONDS * 1000),
            )
            stay_fenced(self._producer)
            self._producer.init_transactions()
            self._reader = self._new_reader()
            placed = self._decided()
            changes = [one.record for one in placed]
            self._deciding = Deciding(place.app_id, place.process, self._bounds, changes)
            gone = AlarmKey("ProcessDown") in self._deciding.raised
            self._fleet = Fleet(place.app_id, had_dispatchers=gone)
            self._begin(self._reader, place.shares)
            if place.reveals:
                self._reveal_reader = self._new_reader()
                self._begin(self._reveal_reader, place.reveals)
            self._take_new()
        except KafkaError as error:
            raise self._told(error) from error
        return placed

    def turn(self) -> list[PlacedChange]:
        """Take new shares, decide, and write what changes. Raises :class:`TopicError`: then close
        it, and begin with a new one."""
        try:
            self._take_new()
            changes = self._deciding.decide(self._fleet.figures(), self._fleet.now_ms)
            return self._write(changes) if changes else []
        except KafkaError as error:
            raise self._told(error) from error

    def close(self) -> None:
        """Give the clients back."""
        readers = self._reader, self._reveal_reader
        self._reader = self._reveal_reader = None
        producer, self._producer = self._producer, None
        try:
            if producer is not None:
                force_close(producer)  # what is not committed was not decided
            for reader in readers:
                if reader is not None:
                    reader.close()
        except KafkaError as error:  # nothing more is lost by it
            log.debug("a client of the alarms did not close", why=str(error))

    def _told(self, error: KafkaError) -> TopicError:
        place = self._place
        if isinstance(error, TransactionalIdAuthorizationFailedError):
            # The library does not say which one.
            lack = Lack("Write", "transactional id", alarms_id(place.app_id))
            return MissingRightError(place.broker, [lack])
        broker, words = place.broker, f"cannot decide alarms with {place.alarms}"
        return TopicError(said(error, broker, "Read or Write", words))

    def _decided(self) -> list[PlacedChange]:
        """All changes of this application."""
        found = []
        topic = TopicPartition(self._place.alarms, PARTITION)
        self._reader.assign([topic])
        self._reader.seek_to_beginning(topic)
        for record in until_the_end(self._reader, topic, PATIENCE_SECONDS):
            try:
                change = decode_alarm(record.value or b"")
            except UNREADABLE:
                log.warning("a record is not an alarm; it is ignored", offset=record.offset)
                continue
            if change.app_id == self._place.app_id:
                found.append(PlacedChange(record.offset, change))
        return found

    def _new_reader(self) -> Any:
        return kafka_consumer(
            self._place.broker,
            isolation_level="read_committed",
            enable_auto_commit=False,
            fetch_max_wait_ms=50,
        )

    @staticmethod
    def _begin(reader: Any, name: str) -> None:
        """Begin with the last minutes, so that windows are as full as before."""
        topic = TopicPartition(name, PARTITION)
        reader.assign([topic])
        since_ms = int((time.time() - LONGEST_WINDOW_SECONDS) * 1000)
        found = reader.offsets_for_times({topic: since_ms}).get(topic)
        if found is None:
            reader.seek_to_end(topic)
            reader.position(topic)
        else:
            reader.seek(topic, found.offset)

    def _take_new(self) -> None:
        for reader, topic, take in (
            (self._reader, self._place.shares, self._take),
            (self._reveal_reader, self._place.reveals, self._take_reveal),
        ):
            if reader is not None:
                place = TopicPartition(topic, PARTITION)
                for record in until_the_end(reader, place, PATIENCE_SECONDS):
                    take(record)

    def _take(self, record: Any) -> None:
        try:
            share = decode_share(record.value or b"")
        except NO_SHARE:
            self._tell("a record is not a share of alarms; it is ignored", offset=record.offset)
            return
        self._fleet.take(share, self._time_of(record, self._place.shares))
        if self._fleet.is_full:
            self._tell(
                "there are more shares of alarms than a fleet can have; some do not count",
                topic=self._place.shares,
            )

    def _take_reveal(self, record: Any) -> None:
        try:
            reveal = decode_reveal(record.value or b"")
        except NO_REVEAL:
            self._tell("a record is not a reveal; it is ignored", offset=record.offset)
            return
        self._fleet.take_reveal(reveal, self._time_of(record, self._place.reveals))

    def _time_of(self, record: Any, topic: str) -> int:
        at_ms: int = record.timestamp
        if record.timestamp_type == CREATE_TIME:
            # A sender whose clock is ahead would make all others seem silent.
            self._tell(
                "records have the times of their senders, so a wrong clock is not found; set "
                "message.timestamp.type of the topic to LogAppendTime",
                topic=topic,
            )
            at_ms = min(at_ms, int(time.time() * 1000))
        return min(max(at_ms, 0), LAST_MS)

    def _tell(self, what: str, **fields: Any) -> None:
        """Warn once: as many records as somebody writes would be as many lines."""
        if what not in self._told_once:
            self._told_once.add(what)
            log.warning(what, **fields)

    def _write(self, changes: list[AlarmChanged]) -> list[PlacedChange]:
        self._producer.begin_transaction()
        sent = [
            self._producer.send(
                self._place.alarms, key=one.key, value=encode_alarm(one), partition=PARTITION
            )
            for one in changes
        ]
        send_now(self._producer)
        written = [one.get(PATIENCE_SECONDS) for one in sent]
        self._producer.commit_transaction()
        for one in changes:
            level = log.info if one.change in ("cleared", "lowered") else log.critical
            level(
                f"an alarm was {one.change}",
                alarm=one.alarm,
                tier=one.tier,
                concerned=one.concerned,
                summary=one.summary,
            )
        return [PlacedChange(at.offset, one) for at, one in zip(written, changes, strict=True)]
