"""Reads the published versions of the rules of one application, and what is published later."""

from __future__ import annotations

from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError

from streamproc.contracts.records.version_history import VersionHistory
from streamproc.kafka.errors import TopicError
from streamproc.kafka.missing_rights import said
from streamproc.kafka.reading_on import until_the_end
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import readable_partitions
from streamproc.worker.rule_versions import PARTITION, PATIENCE_SECONDS, versions_reader


class VersionLog:
    """The history in the rules topic. Blocking; for one thread at a time."""

    def __init__(self, broker: Broker, topic: str, history: VersionHistory) -> None:
        self._broker = broker
        self._topic = topic
        self._place = TopicPartition(topic, PARTITION)
        self.history = history
        self._reader: Any = None

    def look(self) -> None:
        """Take what was published since the last look.

        Raises :class:`TopicError`, ``MissingRightError`` or ``ReachError`` if it cannot be read.
        """
        try:
            if self._reader is None and not self._begin():
                return
            for record in until_the_end(self._reader, self._place, PATIENCE_SECONDS):
                self.history.take(record.key, record.value)
        except KafkaError as error:
            self.close()
            place = f"cannot read {self._topic}"
            raise TopicError(said(error, self._broker, "Read", place)) from error
        except TopicError:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back. The next look begins again."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _begin(self) -> bool:
        """Open a reader at the beginning; False if there is no topic yet."""
        if not readable_partitions(self._broker, self._topic):
            return False
        self._reader = versions_reader(self._broker, self._topic)
        return True
