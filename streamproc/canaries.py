"""Canaries: subscribers who are nobody, one for each partition and day.

A new one each day keeps their states small: an account remembers the ids of all its events.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
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


def canaries_until(day: date, partition: int, partitions: int, days: int) -> Iterator[bytes]:
    """The keys of a partition's canaries in the days before, and on the day."""
    for back in range(days):
        yield canary_of(day - timedelta(days=back), partition, partitions).encode()
