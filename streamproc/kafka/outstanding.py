"""What was handed to kafka-python and has no outcome yet, counted here.

``KafkaProducer.flush`` waits for batches, and a batch may be done while the callbacks of its
records still run in the sender's thread. It also gives up, with UnknownError, when a batch that it
waits for is split. So flush only makes the library send at once; who needs the outcomes counts
them.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from kafka.errors import KafkaError


class Outstanding:
    """Counts records from :meth:`take` to :meth:`settle`. For any number of threads.

    Each record belongs to the round in which it was taken. Who wants to wait ends the round first,
    so that the wait does not go on for records that other threads take meanwhile.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        """Told of each settled record. Its lock may guard what its owner counts besides."""
        self.count = 0
        self._round = 0
        self._of_round: dict[int, int] = {}

    def take(self) -> int:
        """Count a record; returns its round, which :meth:`settle` asks for."""
        with self.changed:
            self.count += 1
            self._of_round[self._round] = self._of_round.get(self._round, 0) + 1
            return self._round

    def settle(self, round_taken: int) -> None:
        """A record's outcome is known, and everybody who asked was told."""
        with self.changed:
            self.count -= 1
            self._of_round[round_taken] -= 1
            if not self._of_round[round_taken]:
                del self._of_round[round_taken]
            self.changed.notify_all()

    def end_round(self) -> int:
        """What is taken from now on belongs to a later round than the returned one."""
        with self.changed:
            self._round += 1
            return self._round - 1

    def wait(self, last_round: int, timeout_seconds: float | None = None) -> int:
        """Return once all of the rounds so far is settled: how many are not after that time."""
        with self.changed:
            self.changed.wait_for(lambda: not self._until(last_round), timeout_seconds)
            return self._until(last_round)

    def _until(self, last: int) -> int:
        return sum(count for number, count in self._of_round.items() if number <= last)


def send_now(producer: Any, timeout_seconds: float | None = None) -> None:
    """Have a ``KafkaProducer`` send what it holds; mostly, but not surely, returns when it has."""
    with suppress(KafkaError):
        producer.flush(timeout_seconds)
