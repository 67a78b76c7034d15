"""One Kafka transaction per partition and commit (laws 1 and 3).

The transactional id names the input partition. So opening the producer fences a predecessor and
aborts its open transaction. The steps of a commit have the numbers of engine/README.md;
``open_partition.py`` does steps 1 and 7:

1. take what the commit covers;
2. begin a transaction;
3. append changed rows to the changelog, and the progress record as the last one;
4. append reminders, audit, rejects, and records that belong in other partitions;
5. wait until the broker has every batch;
6. commit;
7. acknowledge the covered chunks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from streamproc.engine import crashpoints
from streamproc.engine.cluster import (
    NO_HEADERS,
    Copy,
    HeadersByIndex,
    Place,
    Producer,
    Records,
)

COMMIT_LIMIT_SECONDS = 30.0
NO_COPIES: Mapping[Place, Iterable[Copy]] = MappingProxyType({})
NONE_HAS_HEADERS: Mapping[str, HeadersByIndex] = MappingProxyType({})


class PartitionWriter:
    """Writes the commits of one input partition."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def open(self) -> None:
        """Fence the predecessor and abort its open transaction.

        Raises :class:`ForbiddenError`, TimeoutError, or what the producer's library raises.
        """
        await self._producer.start()

    async def close(self) -> None:
        """Close without committing. An open transaction is aborted later by the broker or the next
        owner."""
        await self._producer.close()

    async def commit(
        self,
        changelog: str,
        changes: Records,
        outputs: Mapping[str, Records],
        copies: Mapping[Place, Iterable[Copy]] = NO_COPIES,
        headers: Mapping[str, HeadersByIndex] = NONE_HAS_HEADERS,
    ) -> None:
        """Write everything or nothing. Returns when a ``read_committed`` reader can see it.

        ``headers`` are those of ``outputs``, by topic.

        Raises :class:`TakenOverError`, :class:`ForbiddenError`, TimeoutError after
        ``COMMIT_LIMIT_SECONDS``, or the errors of the producer's library. After any error nothing
        is certain, not even that nothing was committed: close this writer, open a new one and load
        the state again (law 4).
        """
        try:
            async with asyncio.timeout(COMMIT_LIMIT_SECONDS):
                await self._commit(changelog, changes, outputs, copies, headers)
        except Exception as error:
            meaning = self._producer.meaning_of(error)
            if meaning is None:
                raise
            raise meaning from error

    async def _commit(
        self,
        changelog: str,
        changes: Records,
        outputs: Mapping[str, Records],
        copies: Mapping[Place, Iterable[Copy]],
        headers: Mapping[str, HeadersByIndex],
    ) -> None:
        producer = self._producer
        # 2 Begin.
        await producer.begin()
        crashpoints.reached("commit", "2")
        # 3 Changed rows, and the progress record after them.
        sent = await producer.append(changelog, changes)
        crashpoints.reached("commit", "3")
        # 4 Reminders, audit, rejects; records that belong in other partitions.
        for topic, records in outputs.items():
            sent += await producer.append(topic, records, headers.get(topic, NO_HEADERS))
        for place, moved in copies.items():
            sent += await producer.append_copies(place, moved)
        crashpoints.reached("commit", "4")
        # 5 Wait: the library would commit even if the broker has refused a batch.
        await asyncio.gather(*sent)
        crashpoints.reached("commit", "5")
        # 6 Commit.
        await producer.commit()
        crashpoints.reached("commit", "6")
