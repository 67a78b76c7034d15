"""Writes down that somebody is shown numbers or messages of subscribers, before it happens.

It is for those who keep the rules: who may read the topics can read them with other programs, too.
"""

from __future__ import annotations

import os
import pwd
import socket
import time
import uuid
from collections.abc import Collection
from typing import Any, Final, Self

from kafka.errors import KafkaError

from streamproc.contracts.records.alarms import SAMPLE_LIMIT
from streamproc.contracts.records.reveals import DataRevealed, RevealCommand, encode_reveal
from streamproc.core.instants import from_ms
from streamproc.core.privacy import mask
from streamproc.core.subscribers import is_canary
from streamproc.kafka.clients import kafka_producer
from streamproc.kafka.errors import TopicError
from streamproc.kafka.missing_rights import said
from streamproc.kafka.packed import force_close
from streamproc.kafka.settings import Broker, settings_of
from streamproc.kafka.topics import open_admin, partition_count

PATIENCE_SECONDS: Final = 10.0
MOST_LETTERS: Final = 64
UNKNOWN: Final = "unknown"


class Reveals:
    """Writes what one command shows. Raises :class:`TopicError` if it cannot: show nothing then."""

    def __init__(self, broker: Broker, topic: str, command: RevealCommand) -> None:
        self._broker = broker
        self._topic = topic
        self._command = command
        self._producer: Any = None
        try:
            self._check()
            self._producer = kafka_producer(
                broker, acks="all", linger_ms=0, max_block_ms=int(PATIENCE_SECONDS * 1000)
            )
        except KafkaError as error:
            raise self._told(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        producer, self._producer = self._producer, None
        if producer is not None:
            force_close(producer)  # each was waited for

    def write(self, subscribers: Collection[str]) -> None:
        """Write that something of these is about to be shown. Canaries are nobody."""
        people = [one for one in dict.fromkeys(subscribers) if not is_canary(one)]
        if not people:
            return
        reveal = DataRevealed(
            uuid.uuid4().hex,
            from_ms(time.time_ns() // 1_000_000),
            self._command,
            _name(_system_user()),
            _name(socket.gethostname()),
            _name(settings_of(self._broker).user),
            len(people),
            [mask(one) for one in people[:SAMPLE_LIMIT]],
        )
        try:
            sent = self._producer.send(
                self._topic, key=reveal.key, value=encode_reveal(reveal), partition=0
            )
            sent.get(PATIENCE_SECONDS)
        except KafkaError as error:
            raise self._told(error) from error

    def _check(self) -> None:
        """A broker that makes topics by itself would make it with other settings."""
        admin = open_admin(self._broker)
        try:
            count = partition_count(admin, self._topic, self._broker, ("Write",))
        finally:
            admin.close()
        if not count:
            raise TopicError(
                f"there is no topic {self._topic}, in which it is written down who is shown "
                "numbers; make it: streamproc topics create"
            )

    def _told(self, error: KafkaError) -> TopicError:
        words = f"cannot write down in {self._topic} who is shown numbers"
        return TopicError(said(error, self._broker, "Write", words))


def _system_user() -> str:
    """Not of a variable of the environment, which anybody can set."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user of a container without a name
        return f"uid {os.getuid()}"


def _name(text: str) -> str:
    return text[:MOST_LETTERS] or UNKNOWN
