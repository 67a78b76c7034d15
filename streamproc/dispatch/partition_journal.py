"""A partition's journal in Kafka: fenced, read completely, written in transactions."""

from __future__ import annotations

import time
from typing import Any

import structlog
from kafka import TopicPartition
from kafka.errors import (
    InvalidProducerEpochError,
    KafkaError,
    OutOfOrderSequenceNumberError,
    ProducerFencedError,
    TransactionalIdAuthorizationFailedError,
)
from kafka.structs import OffsetAndMetadata

from streamproc.contracts.records.receipts import encode_receipt
from streamproc.dispatch.journal import (
    REPORTS_KEY,
    JournalContent,
    encode,
    read_journal,
)
from streamproc.dispatch.ledger import JournalTransaction
from streamproc.dispatch.settings import DispatchSettings
from streamproc.errors import StreamprocError
from streamproc.kafka.clients import kafka_consumer, kafka_producer
from streamproc.kafka.fencing import stay_fenced
from streamproc.kafka.missing_rights import Lack, MissingRightError, missing_right
from streamproc.kafka.outstanding import send_now
from streamproc.kafka.packed import close_within
from streamproc.kafka.reading_on import Standstill

log = structlog.get_logger(__name__)

TRANSACTION_TIMEOUT_MS = 20_000
"""An open transaction of a killed dispatcher delays readers no longer than this."""

TOLD_IDS = 5
"""Ids that a log line names."""

FENCED = (ProducerFencedError, InvalidProducerEpochError, OutOfOrderSequenceNumberError)


class DispatcherFencedError(StreamprocError):
    """Another dispatcher owns the partition now. Nothing was written."""


class JournalLostError(StreamprocError):
    """This producer cannot write any more, such as after a broker that did not answer for long.

    Nobody knows whether the last batch was written. A new producer could fence an owner that has
    come since. So the partition may be opened again only when the group has assigned it again.
    """


class PartitionJournal:
    """Blocking; one thread at a time. Order: ``open``, ``load``, ``commit``..., ``close``.

    The transactional id names group and partition, so opening fences the former owner.
    """

    def __init__(
        self, settings: DispatchSettings, lane_names: tuple[str, ...], partition: int
    ) -> None:
        self.partition = partition
        self._settings = settings
        self._lane_names = lane_names
        self._producer: Any = None

    def open(self) -> None:
        """Fence the partition's former owner and end its open transaction."""
        self._producer = kafka_producer(
            self._settings.broker,
            transactional_id=self._transactional_id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            acks="all",
            linger_ms=0,
            retry_backoff_ms=20,
        )
        stay_fenced(self._producer)
        try:
            self._producer.init_transactions()
        except KafkaError as error:
            self._end_if_forbidden(error)
            raise

    def load(self) -> JournalContent:
        """All entries, and the positions from which the reports topic must still be read."""
        topic = TopicPartition(self._settings.topics.journal, self.partition)
        values: dict[bytes | None, tuple[bytes, int]] = {}
        reader: Any = kafka_consumer(
            self._settings.broker,
            isolation_level="read_committed",
            enable_auto_commit=False,
            max_poll_records=5_000,
            fetch_max_wait_ms=50,
        )
        try:
            reader.assign([topic])
            reader.seek_to_beginning(topic)
            end = reader.end_offsets([topic])[topic]
            # Compare positions, not records: transaction markers are never delivered.
            standstill = Standstill(str(topic.topic), end)
            while not standstill.is_read(reader.position(topic)):
                for record in reader.poll(timeout_ms=200).get(topic, []):
                    if record.value is None:
                        values.pop(record.key, None)
                    else:
                        values[record.key] = record.value, record.timestamp
        finally:
            reader.close()
        content = read_journal(values)
        if content.unread or content.ignored:
            log.error(
                "the journal holds records that no dispatcher of this release wrote: messages "
                "whose entry cannot be read are not sent again, their receipts say uncertain",
                topic=topic.topic,
                partition=self.partition,
                unread=len(content.unread),
                ids=content.unread[:TOLD_IDS],
                ignored=content.ignored,
            )
        return content

    def commit(self, batch: JournalTransaction) -> None:
        """Write a batch completely or not at all.

        Raises :class:`DispatcherFencedError`, :class:`JournalLostError`, or KafkaError after which
        the same batch can be tried again, and :class:`BrokenError`.
        """
        began = time.monotonic()
        try:
            self._producer.begin_transaction()
            written = self._write(batch)
            send_now(self._producer)
            for one in written:
                one.get()  # if a record was refused, the transaction must not be committed
            self._producer.commit_transaction()
        except FENCED as error:
            raise _fenced(error, began) from error
        except KafkaError as error:
            self._end_if_forbidden(error)
            self._abort(error, began)
            raise

    @property
    def _transactional_id(self) -> str:
        return f"{self._settings.group}-{self.partition}"

    def _end_if_forbidden(self, error: KafkaError) -> None:
        """Raise :class:`BrokenError` if a right is missing: to try again does not bring it back."""
        broker = self._settings.broker
        if isinstance(error, TransactionalIdAuthorizationFailedError):
            # The library does not say which one.
            lack = Lack("Write", "transactional id", self._transactional_id)
            raise BrokenError(str(MissingRightError(broker, [lack]))) from error
        refusal = missing_right(error, broker, "Write")
        if refusal is not None:
            raise BrokenError(refusal) from error

    def close(self) -> None:
        if self._producer is not None:
            close_within(self._producer, 2)
            self._producer = None

    def _write(self, batch: JournalTransaction) -> list[Any]:
        topics = self._settings.topics
        sent = []
        for message_id, value in batch.entries.items():
            sent.append(self._send(topics.journal, message_id.encode(), value))
        if batch.reports:
            sent.append(self._send(topics.journal, REPORTS_KEY, encode(batch.reports)))
        for receipt in batch.receipts:
            key = receipt.reminder_id.encode()
            sent.append(self._send(topics.receipts, key, encode_receipt(receipt)))
        for letter in batch.dead_letters:
            key = str(letter.reminder_id or "").encode()
            sent.append(self._send(topics.dead_letters, key or None, encode_receipt(letter)))
        by_group: dict[str, dict[TopicPartition, OffsetAndMetadata]] = {}
        for (lane, topic), offset in batch.positions.items():
            group = self._settings.lane_group(lane, self._lane_names[lane])
            place = TopicPartition(topic, self.partition)
            by_group.setdefault(group, {})[place] = OffsetAndMetadata(offset, "", -1)
        # The positions are in the same transaction as the entries, so a crash cannot separate them.
        for group, offsets in by_group.items():
            self._producer.send_offsets_to_transaction(offsets, group)
        return sent

    def _send(self, topic: str, key: bytes | None, value: bytes | None) -> Any:
        return self._producer.send(topic, key=key, value=value, partition=self.partition)

    def _abort(self, cause: KafkaError, began: float) -> None:
        try:
            self._producer.abort_transaction()
        except FENCED as error:
            raise _fenced(error, began) from error
        except KafkaError as error:
            raise JournalLostError(str(cause)) from error


class BrokenError(StreamprocError):
    """This process may not write the journal."""


def _fenced(error: KafkaError, began: float) -> StreamprocError:
    """Who has taken the transactional id. The broker itself takes it from a transaction that lasts
    too long."""
    if time.monotonic() - began >= TRANSACTION_TIMEOUT_MS / 1000:
        return JournalLostError(f"its transaction lasted too long: {error}")
    return DispatcherFencedError(str(error))
