"""Acme's call data records, one a line: ``number|begin|bytes|record``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from streamproc.core.state.events import UsageRecorded
from streamproc.producing.events import InvalidEventError, build, checked
from streamproc.producing.readers.formats import InputForm
from streamproc.producing.readers.record_results import BadRecord, Read, ReadEvent


def read(content: BinaryIO, identity: str) -> Iterator[Read]:
    """The events of a file; ``identity`` is for records that have no id of their own."""
    for line, text in enumerate(content, 1):
        fields = text.decode().strip().split("|")
        if len(fields) != 4:
            yield BadRecord(line, "has not four fields")
            continue
        subscriber, begin, used, record = fields
        try:
            event = build(
                UsageRecorded,
                subscriber=subscriber,
                source="acme-cdr",
                id=record,
                time=datetime.fromisoformat(begin),
                total_bytes=int(used),
            )
            yield ReadEvent(line, *checked(event))
        except InvalidEventError as error:
            yield BadRecord(line, str(error))
        except ValueError:
            yield BadRecord(line, "has a time or an amount that cannot be read")


FORM = InputForm(
    "pipe-cdr",
    "Acme's call data records: number|begin|bytes|record",
    lambda settings: read,
    suffixes=(".cdr",),
)
