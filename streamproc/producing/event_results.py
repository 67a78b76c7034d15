"""The result of an event that was handed over."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

from streamproc.core.state.events import SubscriberEvent
from streamproc.errors import StreamprocError


class Placed(NamedTuple):
    """The place of an event in Kafka."""

    topic: str
    partition: int
    offset: int


class DeliveryFailedError(StreamprocError):
    """Events that are not in Kafka, with the reasons; ``failures`` contains all of them."""

    def __init__(self, failures: Sequence[tuple[SubscriberEvent, BaseException]]) -> None:
        self.failures = list(failures)
        event, error = self.failures[0]
        count = len(self.failures)
        which = f"event {event.id} was" if count == 1 else f"{count} events were"
        super().__init__(
            f"{which} not delivered ({type(error).__name__}: {error}); "
            "send them again with the same ids, see .failures"
        )


class NotAcceptedError(StreamprocError):
    """The producer is full and stayed full. ``event`` was not accepted; send it again later."""

    def __init__(self, event: SubscriberEvent, seconds: float) -> None:
        super().__init__(
            f"event {event.id} was not taken: the broker took nothing for {seconds:g} s and the "
            "buffer is full; look at the broker, or give the producer a spool"
        )
        self.event = event


class Delivery:
    """The result of one event. Thread-safe."""

    __slots__ = ("__weakref__", "_done", "_error", "_placed", "event")

    def __init__(self, event: SubscriberEvent) -> None:
        self.event = event
        self._done = threading.Event()
        self._placed: Placed | None = None
        self._error: BaseException | None = None

    @property
    def done(self) -> bool:
        """Whether the result is known."""
        return self._done.is_set()

    @property
    def error(self) -> BaseException | None:
        """Why it failed; None if it did not, or if the result is unknown."""
        return self._error

    def wait(self, timeout_seconds: float | None = None) -> Placed:
        """Wait for the place of the event in Kafka: every in-sync replica has it then.

        Raises :class:`DeliveryFailedError`, or TimeoutError if the result is not known in time.
        """
        if not self._done.wait(timeout_seconds):
            raise TimeoutError(f"event {self.event.id}: no result after {timeout_seconds} s")
        if self._error is not None:
            raise DeliveryFailedError([(self.event, self._error)]) from self._error
        assert self._placed is not None
        return self._placed

    def succeed(self, placed: Placed) -> None:
        self._placed = placed
        self._done.set()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._done.set()
