"""The forms of what a partition keeps in its changelog: which is read, which is written, and when.

One number stands for the form of all records of a partition: rows, identities and progress. It is
the version in the progress record, which is the last record of each commit. So a reader that knows
this record knows all of them.

A new form is written only when all workers of the group read it. Each worker tells the group which
form it reads (``faust/assignor.py``), and each assignment brings the least of these numbers.
docs/upgrade.md says what follows for operators, README.md how a form is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from streamproc.engine.changelog import (
    PATIENCE_MS,
    PROGRESS_KEY,
    STANDSTILL_SECONDS,
    decode_progress,
)
from streamproc.engine.cluster import LogReader, Place

WRITES_FORM: Final = 2
"""The newest form that this release writes. The release before this one reads it, so that a
rollback by one release always works (``tests/house/test_releases.py``)."""
SILENT_FORM: Final = 2
"""What workers read that do not say it: those of release 0.1.0."""
FIRST_LOOK_RECORDS: Final = 16
"""So many offsets before its end the search in a changelog begins: usually one fetch."""
WIDER: Final = 16
"""Each further look reaches back so many times as far."""


def agreed_form(reads: Iterable[int], writes: int = WRITES_FORM) -> int:
    """The form to write: the newest that this release writes and all these workers read."""
    return min(writes, *reads)


async def refuse_newer(reader: LogReader, topic: str, partition: int) -> None:
    """Raise :class:`NewerFormError` if a newer release wrote the last commit of a partition.

    It only reads, so it is done before the partition's former owner is fenced.
    """
    place = Place(topic, partition)
    reader.assign([place])
    end = (await reader.end_offsets([place]))[place]
    first = (await reader.beginning_offsets([place]))[place]
    reach = FIRST_LOOK_RECORDS
    start = end
    while start > first:
        until, start = start, max(first, end - reach)
        found = await _last_progress(reader, place, start, until)
        if found is not None:
            decode_progress(found)
            return
        reach *= WIDER


async def _last_progress(reader: LogReader, place: Place, start: int, until: int) -> bytes | None:
    """The last progress record from an offset up to another one."""
    found: bytes | None = None
    position = start
    reader.seek(place, start)
    async with asyncio.timeout(STANDSTILL_SECONDS):
        while position < until:
            for batches in (await reader.getmany(timeout_ms=PATIENCE_MS)).values():
                for batch in batches:
                    for record in batch.records:
                        if record.key == PROGRESS_KEY and record.value is not None:
                            found = record.value
            position = await reader.position(place)
    return found
