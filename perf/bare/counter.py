"""The common task as an engine ``Processor``: a counter per subscriber, three thresholds.

A row is the counter in eight bytes; the engine packs it, writes it to the changelog and commits
it together with the reminders and the input position. Plain Python, no native helper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from perf.compare_task import THRESHOLDS
from streamproc.engine.decoded_rows import DecodedRows
from streamproc.engine.due import NEVER_DUE
from streamproc.engine.processor import Outbox, PoisonError
from streamproc.engine.rows import Rows

FIRST, LAST = THRESHOLDS[0], THRESHOLDS[-1]


class Usage(Struct, gc=False):
    """What of the event the task needs; other fields are passed over, as in the other peers."""

    subscriber: str
    total_bytes: int


class Reminder(Struct, gc=False):
    """One output record, the same fields as the other peers write."""

    subscriber: str
    threshold: int
    used_bytes: int


decode = msgspec.json.Decoder(Usage).decode
_encode = msgspec.json.Encoder().encode


class CountUsage:
    """Counts ``total_bytes`` per record key."""

    def __init__(self, reminders_topic: str) -> None:
        self._reminders_topic = reminders_topic

    def new_rows(self) -> Rows[int]:
        return DecodedRows(self)

    # RowCodec
    @staticmethod
    def pack(row: int) -> bytes:
        return row.to_bytes(8, "big")

    @staticmethod
    def unpack(data: bytes) -> int:
        return int.from_bytes(data, "big")

    @staticmethod
    def due_ms(row: int) -> int:
        return NEVER_DUE

    def apply(
        self,
        topic: str,
        partition: int,
        records: Sequence[Any],
        rows: Rows[int],
        outbox: Outbox,
        clock_ms: int,
    ) -> int:
        """Apply records of one partition in order; the clock is not used."""
        get, put = rows.get, rows.put
        for record in records:
            usage = decode(record.value)
            key = record.key
            before = get(key) or 0
            after = before + usage.total_bytes
            put(key, after)
            if before < LAST and after >= FIRST:
                for threshold in THRESHOLDS:
                    if before < threshold <= after:
                        reminder = Reminder(usage.subscriber, threshold, after)
                        outbox.put(self._reminders_topic, key, _encode(reminder))
        return clock_ms

    def tick(self, rows: Rows[int], outbox: Outbox, clock_ms: int, now_ms: int, limit: int) -> None:
        """Nothing falls due in this task."""

    @property
    def epoch(self) -> int:
        return 1

    def set_aside(self, poison: PoisonError) -> None:
        """The input of the task is all well-formed."""
        raise poison
