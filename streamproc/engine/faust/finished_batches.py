"""Record batches that are finished outside aiokafka and sent by its producer.

aiokafka appends record by record, from Python, which was a tenth of a worker's time. But its
sender needs of a batch only the few methods of its ``BatchBuilder`` that :class:`SealedLater` has.
"""

from __future__ import annotations

from streamproc.engine.cluster import Finished


class SealedLater:
    """A finished batch where aiokafka expects its ``BatchBuilder``."""

    __slots__ = ("_batch", "_buffer")

    def __init__(self, batch: Finished) -> None:
        self._batch = batch
        self._buffer: bytes | None = None

    def record_count(self) -> int:
        return self._batch.record_count()

    def size(self) -> int:
        return self._batch.size()

    def closed(self) -> bool:
        """Nothing is appended to it."""
        return True

    def close(self) -> None:
        pass

    def _set_producer_state(
        self, producer_id: int, producer_epoch: int, base_sequence: int
    ) -> None:
        self._batch.seal(producer_id, producer_epoch, base_sequence)

    def _build(self) -> bytes:
        """The same bytes at every call: a repeated request must send the same."""
        if self._buffer is None:
            self._buffer = self._batch.data()
        return self._buffer
