"""Counts records that were handed to kafka-python and have no result yet.

``KafkaProducer.flush`` waits for batches. But a batch can be done while the callbacks of its
records still run in the sender's thread. flush also ends early, with UnknownError, if a batch
is split. So flush is only used to make the library send at once, and records without a result
are counted here.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from kafka.errors import KafkaError


class OutstandingRecords:
    """Counts records from :meth:`take` to :meth:`settle`. Any number of threads can use it.

    Each record belongs to the round in which it was taken. A thread that wants to wait ends the
    round first, so that it does not also wait for records that other threads take meanwhile.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        """Notified of each settled record. Its lock can also protect other counts of the owner."""
        self.count = 0
        self._round = 0
        self._of_round: dict[int, int] = {}

    def take(self) -> int:
        """Count a record; returns its round, which :meth:`settle` needs."""
        with self.changed:
            self.count += 1
            self._of_round[self._round] = self._of_round.get(self._round, 0) + 1
            return self._round

    def settle(self, round_taken: int) -> None:
        """The result of a record is known, and all callbacks were called."""
        with self.changed:
            self.count -= 1
            self._of_round[round_taken] -= 1
            if not self._of_round[round_taken]:
                del self._of_round[round_taken]
            self.changed.notify_all()

    def end_round(self) -> int:
        """End the round and return its number. Later records belong to later rounds."""
        with self.changed:
            self._round += 1
            return self._round - 1

    def wait(self, last_round: int, timeout_seconds: float | None = None) -> int:
        """Wait until all rounds so far are settled; returns how many records are not after that
        time."""
        with self.changed:
            self.changed.wait_for(lambda: not self._until(last_round), timeout_seconds)
            return self._until(last_round)

    def _until(self, last: int) -> int:
        return sum(count for number, count in self._of_round.items() if number <= last)


def send_now(producer: Any, timeout_seconds: float | None = None) -> None:
    """Make a ``KafkaProducer`` send what it holds. It usually returns when that is done, but not
    always."""
    with suppress(KafkaError):
        producer.flush(timeout_seconds)
