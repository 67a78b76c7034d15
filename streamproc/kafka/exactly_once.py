"""Writes records, and the position in their source, in one transaction.

The position is stored in Kafka next to the records: as the metadata of a consumer group's committed
offset, in the same transaction. A run that is killed leaves an open transaction. The next run with
the same id aborts it, fences the old process, and continues from the position of the last commit.
So each record is in the topic once for ``read_committed`` consumers, whenever a process is killed.

Kafka forgets the offsets of a group without members after ``offsets.retention.minutes`` (7 days by
default). A run that was interrupted for longer starts from the beginning.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any, Self, TypeVar

import msgspec
from kafka import TopicPartition
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    InvalidProducerEpochError,
    KafkaError,
    NotCoordinatorError,
    ProducerFencedError,
    TransactionalIdAuthorizationFailedError,
)
from kafka.structs import OffsetAndMetadata

from streamproc.kafka.clients import kafka_producer
from streamproc.kafka.errors import DeliveryError, RunFencedError, TopicError
from streamproc.kafka.fencing import stay_fenced
from streamproc.kafka.missing_rights import Lack, MissingRightError, said
from streamproc.kafka.producer import BulkProducer
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import open_admin
from streamproc.supervision import one_thread

TRANSACTION_TIMEOUT_MS = 60_000
MAX_POSITION_BYTES = 4096
"""The broker's default ``offset.metadata.max.bytes``."""

COORDINATOR_LIMIT_SECONDS = 30.0
NOT_YET = (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError)

T = TypeVar("T")


def check_run(bootstrap: Broker, name: str) -> None:
    """Raise :class:`TopicError` if a run of that name could not write in transactions, or not
    remember its position. It ends an earlier run of the name, as the run itself does."""
    run = f"streamproc-{name}"
    try:
        producer = kafka_producer(
            bootstrap, transactional_id=run, transaction_timeout_ms=TRANSACTION_TIMEOUT_MS
        )
        try:
            take_over(producer, bootstrap, run)
        finally:
            producer.close()
    except KafkaError as error:
        raise TopicError(said(error, bootstrap, place="transactions do not work")) from error
    _offsets_of(bootstrap, run, [])


class ExactlyOnceProducer:
    """A :class:`BulkProducer` whose records become visible together with their position.

    ``name`` identifies the run. One process at a time writes under it: the one that started last.
    """

    def __init__(self, bootstrap: Broker, topic: str, name: str, **settings: Any) -> None:
        """Ends any earlier run of that name. Raises :class:`TopicError`."""
        self.name = f"streamproc-{name}"
        self._bootstrap = bootstrap
        self.topic = topic
        self._place = TopicPartition(topic, 0)
        self._open = False
        self._failed = False
        self._commits = 0
        self._committed = 0
        self._pending: Future[None] | None = None
        # One thread, so that commits keep their order.
        self._background = one_thread("commit")
        self.bulk = BulkProducer(
            bootstrap,
            topic,
            transactional_id=self.name,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            before_sending=self._begin,
            **settings,
        )
        self.append = self.bulk.append
        try:
            take_over(self.bulk.kafka, bootstrap, self.name)
        except TopicError:
            self.bulk.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def position(self, kind: type[T]) -> T | None:
        """The position of the last commit under this name; None if there is none."""
        entry = _offsets_of(self._bootstrap, self.name, [self._place]).get(self._place)
        if entry is None or entry.offset < 0 or not entry.metadata:
            return None
        # The offset field counts the commits; the position itself is in the metadata.
        self._commits = entry.offset
        return msgspec.json.decode(entry.metadata, type=kind)

    @property
    def is_open(self) -> bool:
        """Whether records were appended since the last commit."""
        return self.bulk.appended > self._committed

    def commit(self, position: object) -> None:
        """Make the records since the last commit visible, and the position durable with them.

        The commit runs in the background while the next records are accepted; :meth:`settle` waits
        for it. Raises, here, there or at the next records, :class:`RunFencedError` if another run
        has started, and :class:`DeliveryError` if the records could not be written. Then nothing of
        the transaction is visible.
        """
        encoded = msgspec.json.encode(position).decode()
        if len(encoded) > MAX_POSITION_BYTES:
            raise DeliveryError(
                f"the position of this run takes {len(encoded)} bytes, more than Kafka stores"
            )
        self.bulk.release()
        self._begin()  # there may have been no record
        self._commits += 1
        self._committed = self.bulk.appended
        self._pending = self._background.submit(self._finish, encoded, self._commits)

    def settle(self) -> None:
        """Return when the last commit is durable. Raises the same errors as :meth:`commit`."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            try:
                pending.result()
            except BaseException:
                self._failed = True
                raise

    def close(self) -> None:
        """Abandon what is not committed. It is not aborted here: the next run with this name does
        that."""
        abandoned = self._open or self._failed
        if self._pending is not None:
            abandoned |= self._pending.exception() is not None or self.is_open
        self._background.shutdown()
        self.bulk.close(abandon=abandoned)

    def _begin(self) -> None:
        """Begin a transaction, unless there is one, before a batch is sent."""
        if self._open and self._pending is None:
            return
        # Only one transaction can be open, so the last commit must be complete.
        self.settle()
        try:
            self.bulk.kafka.begin_transaction()
        except (ProducerFencedError, InvalidProducerEpochError) as error:
            raise RunFencedError(f"another run of {self.name} took over") from error
        self._open = True

    def _finish(self, encoded: str, serial: int) -> None:
        kafka = self.bulk.kafka
        try:
            # This comes before the position, so that the position never includes a refused batch.
            self.bulk.await_sent()
            kafka.send_offsets_to_transaction(
                {self._place: OffsetAndMetadata(serial, encoded, -1)}, self.name
            )
            kafka.commit_transaction()
        except (ProducerFencedError, InvalidProducerEpochError) as error:
            raise RunFencedError(
                f"another run of {self.name} took over, or this one was stopped for more than "
                f"{TRANSACTION_TIMEOUT_MS // 1000} s; run the command again to continue"
            ) from error
        except DeliveryError as error:
            if isinstance(error.__cause__, (ProducerFencedError, InvalidProducerEpochError)):
                raise RunFencedError(f"another run of {self.name} took over") from error
            raise
        except KafkaError as error:
            raise DeliveryError(
                said(error, self._bootstrap, "Write", "the transaction failed")
            ) from error
        self._open = False


def take_over(producer: Any, bootstrap: Broker, name: str) -> None:
    """End any earlier run of that name. Raises :class:`TopicError`."""
    try:
        stay_fenced(producer)
        producer.init_transactions()
    except TransactionalIdAuthorizationFailedError as error:
        raise MissingRightError(bootstrap, [Lack("Write", "transactional id", name)]) from error
    except KafkaError as error:
        raise TopicError(said(error, bootstrap, place="transactions do not work")) from error


def _offsets_of(bootstrap: Broker, group: str, places: list[TopicPartition]) -> dict[Any, Any]:
    """The offsets that a group has committed. Raises :class:`TopicError`."""
    admin = open_admin(bootstrap)
    deadline = time.monotonic() + COORDINATOR_LIMIT_SECONDS
    try:
        while True:
            try:
                found: dict[Any, Any] = admin.list_group_offsets({group: places})[group]
                return found
            except NOT_YET:
                # A broker without any group must first create its coordinator.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
    except KafkaError as error:
        place = f"the position of {group}"
        raise TopicError(said(error, bootstrap, place=place)) from error
    finally:
        admin.close()
