"""A circuit breaker: a gateway that keeps failing gets a pause, then one message as a test."""

from __future__ import annotations


class Breaker:
    """Opens after ``failures`` in a row, for ``open_ms``, which doubles up to ``max_open_ms``."""

    def __init__(self, failures: int = 5, open_ms: int = 5_000, max_open_ms: int = 120_000) -> None:
        self._limit = failures
        self._first_open_ms = open_ms
        self._max_open_ms = max_open_ms
        self._open_ms = open_ms
        self._failures = 0
        self._probing = False
        self.open_until_ms = 0
        self.openings = 0
        """How often it opened, or a test failed."""

    @property
    def state(self) -> str:
        """``closed``, ``open`` (until ``open_until_ms``) or ``half_open`` (one message is the
        test)."""
        if not self.open_until_ms:
            return "closed"
        return "half_open" if self._probing else "open"

    def allows(self, now_ms: int) -> bool:
        """Whether a message may be sent; if it is, call :meth:`started`."""
        return not self.open_until_ms or (now_ms >= self.open_until_ms and not self._probing)

    def started(self) -> None:
        """A message is sent; if the breaker was open, it is the test."""
        if self.open_until_ms:
            self._probing = True

    def succeeded(self) -> None:
        """The gateway answered correctly."""
        self._failures = 0
        self._probing = False
        self.open_until_ms = 0
        self._open_ms = self._first_open_ms

    def failed(self, now_ms: int) -> None:
        """The gateway failed. A refusal of one message for its content is not a failure."""
        self._failures += 1
        if self._probing:
            self._open_ms = min(self._open_ms * 2, self._max_open_ms)
        elif self.open_until_ms or self._failures < self._limit:
            return  # counted; answers to older messages change nothing while it is open
        self._probing = False
        self.open_until_ms = now_ms + self._open_ms
        self.openings += 1

    def unsettled(self) -> None:
        """The answer to the test says nothing about the gateway, so the next message is the
        test."""
        self._probing = False
