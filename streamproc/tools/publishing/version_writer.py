"""Writes versions of the rules, so that no number is written by two publishers.

The transactional id belongs to the application. Who opens it fences an earlier publisher, and then
reads the topic to its end: what that one has committed is seen, and it commits nothing any more.
"""

from __future__ import annotations

from typing import Any, Self

from kafka.errors import InvalidProducerEpochError, KafkaError, ProducerFencedError

from streamproc.contracts.records.rule_versions import RulesPublished, encode_rules
from streamproc.contracts.records.version_history import VersionHistory
from streamproc.contracts.rights import publishing_id
from streamproc.kafka.errors import RunFencedError, TopicError
from streamproc.kafka.exactly_once import TRANSACTION_TIMEOUT_MS, take_over
from streamproc.kafka.missing_rights import said
from streamproc.kafka.open_producer import open_producer
from streamproc.kafka.packed import close_within
from streamproc.kafka.settings import Broker
from streamproc.worker.rule_versions import LARGEST_BYTES, PARTITION, PATIENCE_SECONDS
from streamproc.worker.version_log import VersionLog


class VersionWriter:
    """The one publisher of an application. ``history`` is complete from the beginning on."""

    def __init__(self, broker: Broker, topic: str, history: VersionHistory) -> None:
        """Raises :class:`TopicError`, ``MissingRightError``."""
        self._broker = broker
        self._topic = topic
        self.history = history
        self._producer: Any = open_producer(
            topic,
            broker,
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            max_request_size=LARGEST_BYTES,
            max_block_ms=int(PATIENCE_SECONDS * 1_000),
            transactional_id=publishing_id(history.app_id),
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        )
        try:
            take_over(self._producer, broker, publishing_id(history.app_id))
            self._versions = VersionLog(broker, topic, history)
            self._versions.look()
        except BaseException:
            close_within(self._producer, 1)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._versions.close()
        close_within(self._producer, 1)

    def write(self, version: RulesPublished) -> None:
        """Write a version durably, and take it into the history.

        Raises :class:`RunFencedError` if somebody else publishes, :class:`TopicError`.
        """
        key, value = version.key, encode_rules(version)
        try:
            self._producer.begin_transaction()
            sent = self._producer.send(self._topic, key=key, value=value, partition=PARTITION)
            sent.get(PATIENCE_SECONDS)
            self._producer.commit_transaction()
        except (ProducerFencedError, InvalidProducerEpochError) as error:
            raise RunFencedError(
                "somebody else publishes rules at this moment, and nothing was written: look at "
                "`streamproc rules list`, and try again"
            ) from error
        except KafkaError as error:
            place = f"cannot write to {self._topic}"
            raise TopicError(said(error, self._broker, "Write", place)) from error
        self.history.take(key, value)
