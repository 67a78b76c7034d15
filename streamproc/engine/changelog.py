"""Reads a changelog partition in bulk, with the progress record in it.

Each changelog partition has one record per row, records of identities (``ids.py``), and one record
under :data:`PROGRESS_KEY`: the next input offset of every input topic (law 2) and the partition's
clock.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable
from typing import Any

import msgspec
import structlog
from msgspec import UNSET, Struct, UnsetType

from streamproc.engine.cluster import FetchedBatch, LogReader, Place
from streamproc.engine.rows import Rows
from streamproc.errors import StreamprocError

log = structlog.get_logger(__name__)

PROGRESS_KEY = b"\0progress"
_OWN = b"\0"
"""How keys begin that belong to no row. No subscriber has such a name."""
PROGRESS_VERSION = 2
"""The newest form that this release reads (``forms.py``). 2: identities of events are in records of
their own (``ids.py``), no longer in the rows."""
RELEASE_LENGTH = 40
"""So much of a release's name is shown."""
UNKNOWN_EPOCH = -1
KEPT_EPOCHS = 16


def is_row(key: bytes) -> bool:
    """Whether a record of the changelog with this key is a row."""
    return not key.startswith(_OWN)


class Progress(Struct, gc=False):
    """The part of the input that the rows of a partition contain."""

    version: int = 1
    """An open partition sets it: what it writes is of the present version."""
    positions: dict[str, int] = {}
    """Next offset to read, by input topic."""
    clock_ms: int = 0
    """Latest record timestamp applied."""
    marks: dict[str, int] = {}
    """Fingerprint of the record before each position (:func:`mark_of`), by input topic."""
    partitions: int = 0
    """How many partitions the topics had; 0 in a record that was written before this was noted."""
    epochs: list[int] | UnsetType = UNSET
    """Under what the application calculated the rows (:attr:`Processor.epoch`), in order and
    without repeats; :data:`UNKNOWN_EPOCH` for what was not noted."""
    written_by: str = ""
    """The release that wrote the record; empty if it was 0.1.0, which does not say so."""

    def note(self, epoch: int) -> None:
        """The rows are calculated under this from now on."""
        if self.epochs is UNSET:
            self.epochs = [UNKNOWN_EPOCH] if self.positions else []
        if not self.epochs or self.epochs[-1] != epoch:
            self.epochs.append(epoch)
        if len(self.epochs) > KEPT_EPOCHS:
            self.epochs = [UNKNOWN_EPOCH, *self.epochs[2:]]


class ProgressError(StreamprocError):
    """The progress record does not fit the cluster. To continue would lose or duplicate input."""


class NewerFormError(ProgressError):
    """A newer release wrote the state. To change it would destroy what that release stored."""

    def __init__(self, version: int, release: str) -> None:
        by = f" (streamproc {release} wrote it)" if release else ""
        super().__init__(
            f"the changelog's progress record has version {version}, this streamproc reads up to "
            f"{PROGRESS_VERSION}; run the newer release{by}. Nothing was changed: "
            f"docs/upgrade.md#a-rollback-that-is-refused says what else can be done"
        )


class InputMadeAnewError(ProgressError):
    """The input topic is not the one from which the state was calculated."""

    def __init__(self, topic: str, partition: int, position: int, found: str) -> None:
        super().__init__(
            f"the state of {topic}-{partition} contains input to offset {position}, but {found}: "
            f"the topic was deleted and created again. Restore the topic, or start with another "
            f"--app-id (or delete the changelog) to begin from an empty state"
        )


class PartitionsMovedError(ProgressError):
    """The state was made when the topics had another number of partitions."""

    def __init__(self, changelog: str, partition: int, before: int, now: int) -> None:
        super().__init__(
            f"the state in {changelog}-{partition} was made when the topics had {before} "
            f"partitions, and they have {now} now: keys have moved between partitions, and most "
            f"states would not be found. docs/operations.md#partitions-were-added says how to go on"
        )


def tell_deleted_input(topic: str, partition: int, lost_records: int) -> None:
    """Log it and continue: the records are gone, and a worker that stops would lose more every
    hour."""
    log.critical(
        "input was deleted before it was read: raise the topic's retention and replay the records",
        topic=topic,
        partition=partition,
        lost_records=lost_records,
    )


def tell_compacted_input(topic: str, partition: int, missing: int, first_offset: int) -> None:
    """Log it and continue: the records that compaction removed are gone."""
    log.critical(
        "input was removed before it was read, in the middle of the log: the topic is or was "
        "compacted; set its cleanup.policy to delete and replay the records",
        topic=topic,
        partition=partition,
        lost_records=missing,
        first_offset=first_offset,
    )


def mark_of(record: Any) -> int:
    """A fingerprint that identifies an input record."""
    return zlib.crc32(record.value or b"", zlib.crc32(record.key or b"", record.timestamp & _CRC))


_CRC = 0xFFFFFFFF

encode_progress = msgspec.msgpack.Encoder().encode
_decode_progress = msgspec.msgpack.Decoder(Progress).decode


class _AnyVersion(Struct, gc=False):
    version: int = PROGRESS_VERSION
    written_by: Any = ""


_decode_version = msgspec.msgpack.Decoder(_AnyVersion).decode


def decode_progress(data: bytes) -> Progress:
    """Decode a progress record.

    Raises :class:`NewerFormError` for a record of a newer streamproc, else the errors of msgspec.
    """
    try:
        return _progress_of(data)
    except (UnicodeDecodeError, RecursionError) as error:  # damaged; msgspec has two more errors
        raise msgspec.DecodeError(str(error)) from error


def _progress_of(data: bytes) -> Progress:
    found = _decode_version(data)  # first, because a newer record can have another shape
    if found.version > PROGRESS_VERSION:
        raise NewerFormError(found.version, str(found.written_by)[:RELEASE_LENGTH])
    return _decode_progress(data)


PATIENCE_MS = 20
STANDSTILL_SECONDS = 20.0
"""A reader whose position does not move for so long does not move again: a fetcher can stop without
an error, also of a broker that answers. The caller makes another reader."""


def load_batches(rows: Rows[Any], batches: Iterable[FetchedBatch], progress: Progress) -> Progress:
    """Store changelog records in rows; returns the progress after them."""
    for batch in batches:
        found = {record.key: record.value for record in batch.records}
        kept = found.pop(PROGRESS_KEY, None)
        if kept is not None:
            progress = decode_progress(kept)
        rows.load(found)
    return progress


async def read_to_end(
    reader: LogReader, topic: str, partition: int, start: int, rows: Rows[Any], progress: Progress
) -> tuple[Progress, int]:
    """Load ``rows`` from changelog offset ``start`` to its present end.

    Returns the progress found (``progress`` if there was none) and the next changelog offset. The
    end is reached when the position passes it: the last offsets are transaction markers, which are
    never delivered as records. Raises TimeoutError if the reader stops before it.
    """
    place = Place(topic, partition)
    reader.assign([place])
    end = (await reader.end_offsets([place]))[place]
    first = (await reader.beginning_offsets([place]))[place]
    position = max(start, first)
    if position >= end:
        return progress, end
    reader.seek(place, position)
    try:
        async with asyncio.timeout(STANDSTILL_SECONDS) as limit:
            while position < end:
                # If a marker comes alone, the position moves, but getmany waits for its whole
                # timeout. So the timeout is short.
                for batches in (await reader.getmany(timeout_ms=PATIENCE_MS)).values():
                    progress = load_batches(rows, batches, progress)
                before, position = position, await reader.position(place)
                if position > before:
                    limit.reschedule(asyncio.get_running_loop().time() + STANDSTILL_SECONDS)
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimeoutError(
            f"reading {topic}-{partition} has stopped at offset {position} of {end}"
        ) from None
    return progress, position
