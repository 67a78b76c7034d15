"""Canaries: subscribers who are nobody, one for each partition and day.

A new one each day, so that no account of theirs grows without an end.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from itertools import count
from typing import Final

from streamproc.core.subscribers import CANARY_PREFIX
from streamproc.partitioner import partition_of

CANARY_KEY: Final = CANARY_PREFIX.encode()
"""How their keys begin."""


@lru_cache(maxsize=100_000)
def canary_of(day: date, partition: int, partitions: int) -> str:
    """The canary of a partition on a day."""
    for number in count():
        name = f"{CANARY_PREFIX}{day:%Y%m%d}-{partition}-{number}"
        if partition_of(name.encode(), partitions) == partition:
            return name
    raise AssertionError("there is always one")
