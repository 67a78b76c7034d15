"""A chunk of fetched records. It passes Faust's conductor, queue and stream as if it were one
record.

The agent gets it as ``event.value``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from streamproc.engine.cluster import Place


class Chunk:
    """Consecutive records of one input partition. Faust treats it like a consumer record."""

    __slots__ = (
        "begins_again",
        "checksum",
        "epoch",
        "fetched_ns",
        "follows",
        "headers",
        "key",
        "offset",
        "partition",
        "records",
        "serialized_key_size",
        "serialized_value_size",
        "timestamp",
        "timestamp_type",
        "topic",
    )

    def __init__(
        self,
        place: Place,
        records: Sequence[Any],
        epoch: int,
        begins_again: bool = False,
        follows: int = 0,
    ) -> None:
        """``begins_again``: the client delivered older offsets although nothing had rewound it.

        ``follows``: the offset at which the chunk before it ended; 0 for the first of an epoch.
        """
        self.follows = follows
        self.fetched_ns = time.time_ns()
        last = records[-1]
        self.begins_again = begins_again
        self.topic: str = place.topic
        self.partition: int = place.partition
        self.offset: int = last.offset
        self.timestamp = last.timestamp
        self.timestamp_type = last.timestamp_type
        self.records = records
        self.epoch = epoch
        self.key = None
        self.headers = ()
        self.checksum = None
        self.serialized_key_size = 0
        self.serialized_value_size = 0

    @property
    def value(self) -> Chunk:
        """Faust passes on the value of a record; here that is the chunk itself."""
        return self
