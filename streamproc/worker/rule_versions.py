"""The rules topic: a worker keeps the rules that it takes there, and finds the last good ones.

Every worker writes what it has in force, unless the last version of its application is the same. So
a worker on a new machine, with a wrong rules file and no disk of its own, can begin with the last
good rules (``worker --last-good-rules``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any, Final

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError
from msgspec import UNSET

from streamproc.contracts.records.rule_versions import (
    RulesPublished,
    encode_rules,
    version_id,
    version_in,
)
from streamproc.core.instants import from_ms
from streamproc.errors import StreamprocError
from streamproc.kafka.clients import kafka_consumer, kafka_producer
from streamproc.kafka.errors import TopicError
from streamproc.kafka.missing_rights import said
from streamproc.kafka.packed import close_within
from streamproc.kafka.reading_on import until_the_end
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import readable_partitions
from streamproc.supervision import cancel_task, start_task, tell
from streamproc.worker.rules import InForce, KeptRules, RulesSource

log = structlog.get_logger(__name__)

PARTITION: Final = 0
"""All versions are in one partition, so that they have an order."""
PATIENCE_SECONDS: Final = 30.0
"""How long it takes at most to read or write a version."""
LARGEST_BYTES: Final = 32 << 20
"""More than the largest rules file and its texts. The broker's limit counts packed bytes."""
LOOK_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 30.0
NAME_LENGTH: Final = 64


def versions_reader(broker: Broker, topic: str) -> Any:
    """A consumer at the beginning of the rules topic. Raises ``KafkaError``."""
    reader: Any = kafka_consumer(
        broker, enable_auto_commit=False, isolation_level="read_committed", fetch_max_wait_ms=50
    )
    place = TopicPartition(topic, PARTITION)
    reader.assign([place])
    reader.seek_to_beginning(place)
    return reader


class RuleVersions:
    """The versions of one application in the rules topic. Blocking."""

    def __init__(self, broker: Broker, topic: str, app_id: str, source: str = "") -> None:
        """``source``: the name of this process in what it writes."""
        self._broker = broker
        self._topic = topic
        self._app_id = app_id
        self._source = source[:NAME_LENGTH] or "worker"
        self._has_published = False
        """Whether the topic has versions of ``streamproc rules publish``, too."""

    def last_good(self) -> KeptRules | None:
        """The rules that a worker of the application took last; None if none are kept.

        Raises :class:`StreamprocError` if the topic cannot be read.
        """
        found = self.last()
        return None if found is None else KeptRules(Path(found.file), found.content())

    def last(self) -> RulesPublished | None:
        """The last version. Raises :class:`TopicError`, ``MissingRightError``, ``ReachError``."""
        if not readable_partitions(self._broker, self._topic):
            return None
        try:
            return self._read()
        except KafkaError as error:
            place = f"cannot read {self._topic}"
            raise TopicError(said(error, self._broker, "Read", place)) from error

    def publish(self, rules: InForce) -> str:
        """Write a version durably, unless it is the last one; returns its id.

        Raises :class:`StreamprocError` if it cannot be written.
        """
        version = self._version(rules)
        last = self.last()
        if self._has_published:
            log.warning(
                "versions of the rules are published, and this worker follows its own rules file",
                topic=self._topic,
                advice="leave out --rules to follow what `streamproc rules publish` writes",
            )
        if last is not None and last.id == version.id:
            return version.id
        try:
            self._write(version)
        except KafkaError as error:
            place = f"cannot write to {self._topic}"
            raise TopicError(said(error, self._broker, "Write", place)) from error
        log.info("the rules in force are kept", topic=self._topic, version=version.id)
        return version.id

    def _version(self, rules: InForce) -> RulesPublished:
        name, content = rules.path.name, rules.content
        try:
            name.encode()
            return RulesPublished(
                version_id(name, content),
                self._app_id,
                from_ms(int(time.time() * 1000)),
                self._source,
                rules.fingerprint,
                name,
                content.rules.decode(),
                {PurePath(path).name: text.decode() for path, text in content.texts.items()},
            )
        except UnicodeError:  # the path of the file is not UTF-8
            raise StreamprocError(f"a name in {rules.path!r} is not UTF-8") from None

    def _write(self, version: RulesPublished) -> None:
        producer: Any = kafka_producer(
            self._broker,
            acks="all",
            compression_type="zstd",
            max_request_size=LARGEST_BYTES,
            max_block_ms=int(PATIENCE_SECONDS * 1_000),
        )
        try:
            value, key = encode_rules(version), version.key
            sent = producer.send(self._topic, key=key, value=value, partition=PARTITION)
            sent.get(PATIENCE_SECONDS)
        finally:
            close_within(producer, 1)

    def _read(self) -> RulesPublished | None:
        reader = versions_reader(self._broker, self._topic)
        try:
            place, found = TopicPartition(self._topic, PARTITION), None
            for record in until_the_end(reader, place, PATIENCE_SECONDS):
                found = self._of(record) or found
            return found
        finally:
            reader.close()

    def _of(self, record: Any) -> RulesPublished | None:
        """The version in a record, if it is one of this application."""
        if record.value is None:
            return None
        version = version_in(record.value)
        if version is None:
            log.warning(
                "a record is not a version of rules; it is ignored",
                topic=self._topic,
                partition=PARTITION,
                offset=record.offset,
            )
            return None
        if version.app_id != self._app_id:
            return None
        if version.number is not UNSET:  # somebody has published it, no worker has taken it
            self._has_published = True
            return None
        return version


class RulesKeeper:
    """Runs beside a worker, and keeps the rules in force in the rules topic."""

    def __init__(
        self, rules: RulesSource, versions: RuleVersions, is_running: Callable[[], bool]
    ) -> None:
        """``is_running``: whether the worker applies input with these rules."""
        self._is_running = is_running
        self._rules = rules
        self._versions = versions
        self._kept: InForce | None = None
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Keep them from now on."""
        self._task = start_task(self._run(), "keeping of rules", lambda _: None)

    async def close(self) -> None:
        """Stop; what is being written is left to its thread."""
        if self._task is not None:
            await cancel_task(self._task)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:  # the task must not end: nothing would be kept any more
                tell("keeping of rules", error)
                self._is_failing = True
            await asyncio.sleep(RETRY_SECONDS if self._is_failing else LOOK_SECONDS)

    async def look(self) -> None:
        """Keep the rules in force, if they are not kept yet. A failure is logged once."""
        now = self._rules.in_force
        if now is None or now == self._kept or not self._is_running():
            return
        try:
            await asyncio.to_thread(self._versions.publish, now)
        except StreamprocError as error:
            if not self._is_failing:
                log.error(
                    "the rules in force cannot be kept: a start with --last-good-rules would not "
                    "find them",
                    why=str(error),
                )
            self._is_failing = True
            return
        self._kept, self._is_failing = now, False
