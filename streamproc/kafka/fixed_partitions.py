"""A producer that spreads keys over as many partitions as its topic had at first."""

from __future__ import annotations

from typing import Any

from streamproc.kafka.topic_watch import PartitionsChangedError


class FixedPartitions:
    """What a producer knows of its topic; it takes new partitions without a word.

    It learns of them when it asks for the topic's metadata again, and spreads keys over them from
    then on. So a look before each record is early enough, and costs no question to the broker.
    """

    def __init__(self, kafka: Any, topic: str) -> None:
        """Raises KafkaError if the topic is not known."""
        self._topic = topic
        self._count = len(kafka.partitions_for(topic))

    def check(self, kafka: Any) -> None:
        """Raises :class:`PartitionsChangedError`. The producer may be another one than at first."""
        now = len(kafka.partitions_for(self._topic))
        if now != self._count:
            raise PartitionsChangedError(self._topic, self._count, now)
