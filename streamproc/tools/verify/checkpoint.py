"""Checkpoints: a recalculation continues where an earlier one ended, also after years of input.

A checkpoint is a file for each partition: the recalculated states at one place of the input. It
counts only for the same rules, clock, topics and sample; otherwise the recalculation begins again.

While a partition is recalculated, a second file is written now and then. A run that was killed
continues there. The first file stays until the comparison, because the order of events and timers
is judged from the last place that was compared.

A third file says how far the reminders were read.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import zstandard
from msgspec import Struct

from streamproc.engine.changelog import Progress
from streamproc.errors import StreamprocError
from streamproc.private_files import make_private_directory, open_private, write_private
from streamproc.tools.verify.losses import LookedThrough, Missing
from streamproc.tools.verify.sample import SubscriberSample

Kind = TypeVar("Kind", bound=Struct)

VERSION: Final = 3
MOST_TIMES: Final = 1_000
"""A checkpoint is at most so many times larger than its file: the ids in it are random."""
EVERY_SECONDS: Final = 60.0


class CheckpointError(StreamprocError):
    """A checkpoint cannot be read or written."""


class Checkpoint(Struct):
    """Recalculated states of a partition, and the place up to which they contain the input."""

    made_for: str
    """What they depend on beside the input (:func:`made_for`)."""
    version: int = VERSION
    positions: dict[str, int] = {}
    marks: dict[str, int] = {}
    """Fingerprint of the record before each position, by topic."""
    clock_ms: int = 0
    rows: dict[bytes, bytes] = {}
    """Also the records of identities (``engine/ids.py``)."""
    topic_of: dict[bytes, str] = {}
    """With several input topics: the first topic of each subscriber."""
    in_several: list[bytes] = []
    excused: list[bytes] = []
    """Subscribers of whom it was not known whether an event or a timer was first."""
    missing: dict[str, Missing] = {}
    """What the input before the place has lost, by topic."""
    begun_at: dict[str, int] = {}
    """Where an unfinished recalculation began. The checkpoint of that place is needed."""
    records: int = 0
    """How many records an unfinished recalculation has applied."""
    elsewhere: int = 0
    """How many of these were outside the partition of their key."""


def made_for(
    fingerprint: int, clock: str, topics: tuple[str, ...], sample: SubscriberSample, ids_key: bytes
) -> str:
    """What recalculated states depend on beside the input."""
    some = b",".join(sorted(sample.subscribers)).decode(errors="replace")
    listed = ",".join(sorted(topics))
    return f"{fingerprint} {clock} {listed} {ids_key.hex()} {sample.share} {some}"


@contextmanager
def in_use(folder: Path | None, app_id: str) -> Iterator[None]:
    """Keep other runs out of the checkpoints of an application; None: there are none.

    A run that takes longer than the hour until the next one must not write into its files. Raises
    :class:`CheckpointError`.
    """
    if folder is None:
        yield
        return
    try:
        make_private_directory(folder)
        lock = open_private(folder / f"{app_id}.lock", "ab")
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be written ({error})") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CheckpointError(
                f"{folder}: another comparison of {app_id} uses these checkpoints; let it end, or "
                "name another directory"
            ) from error
        yield


def path_of(folder: Path, app_id: str, partition: int) -> Path:
    """The file of a partition."""
    return folder / f"{app_id}-{partition}.checkpoint"


def unfinished_path_of(path: Path) -> Path:
    """The file of a recalculation that is not finished yet."""
    return path.with_suffix(".unfinished")


def reminders_path_of(folder: Path, app_id: str, partition: int) -> Path:
    """The file that says how far the reminders of a partition were read."""
    return folder / f"{app_id}-{partition}.reminders"


def load_looked_through(path: Path, topic: str) -> LookedThrough:
    """How far a topic was read; from the beginning on if there is no file, or it is of another one.

    Raises :class:`CheckpointError` for a file that says something else.
    """
    if not path.exists():
        return LookedThrough(topic)
    found = _read(path, LookedThrough)
    return found if found.topic == topic else LookedThrough(topic)


def load_unfinished(path: Path, begin: Checkpoint, progress: Progress) -> Checkpoint | None:
    """The place at which a recalculation from ``begin`` was interrupted; None if there is none.

    Raises :class:`CheckpointError` for a file that is not a checkpoint.
    """
    found, why_not = load(unfinished_path_of(path), begin.made_for, progress)
    if why_not or not found.positions or found.begun_at != begin.positions:
        return None
    return found


def finish(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint of a partition that was compared. Raises :class:`CheckpointError`."""
    save(path, checkpoint)
    unfinished_path_of(path).unlink(missing_ok=True)


def load(path: Path, wanted: str, progress: Progress) -> tuple[Checkpoint, str]:
    """The checkpoint to use, and why it is not the one in the file (empty if it is).

    Raises :class:`CheckpointError` for a file that is not a checkpoint.
    """
    fresh = Checkpoint(wanted)
    if not path.exists():
        return fresh, ""
    found = _read(path, Checkpoint)
    if found.version != VERSION or found.made_for != wanted:
        return fresh, "it is of other rules, topics or subscribers, or of another release"
    if any(at > progress.positions.get(topic, 0) for topic, at in found.positions.items()):
        return fresh, "it is ahead of the state"
    return found, ""


def _read(path: Path, kind: type[Kind]) -> Kind:
    try:
        packed = path.read_bytes()
        if zstandard.frame_content_size(packed) > MOST_TIMES * len(packed):
            raise zstandard.ZstdError("its length is wrong")  # memory is taken by it
        return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=kind)
    except (
        *(OSError, zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError),
    ) as error:
        raise CheckpointError(f"{path}: is not a checkpoint ({error}); delete it") from error


def save(path: Path, checkpoint: Checkpoint | LookedThrough) -> None:
    """Write it in place of the one before. Raises :class:`CheckpointError`."""
    packed = zstandard.ZstdCompressor(level=3).compress(msgspec.msgpack.encode(checkpoint))
    try:
        make_private_directory(path.parent)
        write_private(path, packed)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written ({error})") from error
