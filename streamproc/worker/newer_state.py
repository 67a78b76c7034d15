"""Refuses the state of a newer release at the start, before this worker joins the group.

A worker that joined and refused then would stop the others at each of its attempts.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from kafka import TopicPartition
from kafka.errors import KafkaError

from streamproc.engine.changelog import PROGRESS_KEY, decode_progress
from streamproc.engine.forms import FIRST_LOOK_RECORDS, WIDER
from streamproc.kafka.clients import kafka_consumer
from streamproc.kafka.errors import TopicError
from streamproc.kafka.missing_rights import said
from streamproc.kafka.settings import Broker
from streamproc.worker.settings import WorkerSettings

PATIENCE_SECONDS = 60.0
POLL_MS = 100


def refuse_newer_state(settings: WorkerSettings, partitions: int) -> None:
    """Look at the last commit of each partition. Blocking; it only reads.

    Raises :class:`NewerFormError`, or :class:`TopicError` if the changelog cannot be read.
    """
    if settings.embedded:
        return
    for found in last_progress(settings.broker, settings.changelog, range(partitions)).values():
        # What is damaged is refused by the engine, when it opens the partition.
        with contextlib.suppress(msgspec.DecodeError):
            decode_progress(found)


def last_progress(broker: Broker, changelog: str, partitions: Iterable[int]) -> dict[int, bytes]:
    """The last progress record of each partition that has one. Blocking.

    Raises :class:`TopicError` or ``MissingRightError`` if the changelog cannot be read.
    """
    reader: Any = kafka_consumer(
        broker, enable_auto_commit=False, isolation_level="read_committed", fetch_max_wait_ms=50
    )
    try:
        found = _last_progress(reader, [TopicPartition(changelog, one) for one in partitions])
    except KafkaError as error:
        raise TopicError(said(error, broker, "Read", f"cannot read {changelog}")) from error
    finally:
        reader.close()
    return {place.partition: progress for place, progress in found.items()}


def _last_progress(reader: Any, places: list[TopicPartition]) -> dict[TopicPartition, bytes]:
    reader.assign(places)
    firsts, ends = reader.beginning_offsets(places), reader.end_offsets(places)
    left = {place for place in places if ends[place] > firsts[place]}
    told: dict[TopicPartition, bytes] = {}
    reach = FIRST_LOOK_RECORDS
    while left:
        starts = {place: max(firsts[place], ends[place] - reach) for place in left}
        told |= _progress_from(reader, starts, ends)
        left = {place for place in left - told.keys() if starts[place] > firsts[place]}
        reach *= WIDER
    return told


def _progress_from(
    reader: Any, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, bytes]:
    """The last progress record of each partition between its two offsets."""
    reader.assign(list(starts))
    for place, start in starts.items():
        reader.seek(place, start)
    found: dict[TopicPartition, bytes] = {}
    until = time.monotonic() + PATIENCE_SECONDS
    # Compare positions, not records: transaction markers are never delivered.
    while any(reader.position(place) < ends[place] for place in starts):
        if time.monotonic() > until:
            raise TopicError(f"the changelog was not read within {PATIENCE_SECONDS:.0f} s")
        for place, records in reader.poll(timeout_ms=POLL_MS).items():
            for record in records:
                if record.key == PROGRESS_KEY and record.value is not None:
                    found[place] = record.value
    return found
