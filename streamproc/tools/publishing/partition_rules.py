"""Which rules the states of each partition were calculated with, as the changelog says it."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from streamproc.engine.changelog import decode_progress
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
    found = last_progress(broker, changelog, numbers)
    return {number: _fingerprint(found.get(number)) for number in numbers}


def _fingerprint(progress: bytes | None) -> int | None:
    if progress is None:
        return None
    try:
        epochs = decode_progress(progress).epochs
    except msgspec.DecodeError:
        return None
    return epochs[-1] if epochs is not UNSET and epochs else None
