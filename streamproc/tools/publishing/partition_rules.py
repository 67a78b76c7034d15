"""Which rules the states of each partition were calculated with, as the changelog says it."""

from __future__ import annotations

from typing import Any

import msgspec
from kafka import TopicPartition
from kafka.errors import KafkaError
from msgspec import UNSET

from streamproc.engine.changelog import decode_progress
from streamproc.kafka.clients import kafka_consumer
from streamproc.kafka.errors import TopicError
from streamproc.kafka.missing_rights import said
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import readable_partitions
from streamproc.worker.newer_state import last_progress


def fingerprints(broker: Broker, changelog: str) -> dict[int, int | None]:
    """The fingerprint of the rules of each partition's last commit; None: it has no commit, or a
    release before this one wrote it.

    Raises :class:`TopicError`, ``ProgressError`` for a state of a newer release.
    """
    numbers = readable_partitions(broker, changelog)
    if not numbers:
        return {}
    reader: Any = kafka_consumer(
        broker, enable_auto_commit=False, isolation_level="read_committed", fetch_max_wait_ms=50
    )
    try:
        places = [TopicPartition(changelog, one) for one in numbers]
        found = {place.partition: one for place, one in last_progress(reader, places).items()}
    except KafkaError as error:
        raise TopicError(said(error, broker, "Read", f"cannot read {changelog}")) from error
    finally:
        reader.close()
    return {number: _fingerprint(found.get(number)) for number in numbers}


def _fingerprint(progress: bytes | None) -> int | None:
    if progress is None:
        return None
    try:
        epochs = decode_progress(progress).epochs
    except msgspec.DecodeError:
        return None
    return epochs[-1] if epochs is not UNSET and epochs else None
