"""Ctrl-C and similar signals as flags that are checked, not as exceptions."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Signals that are received while the context is open (main thread only)."""

    def __init__(self) -> None:
        self._received: list[int] = []
        self._any = threading.Event()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def latest(self) -> int | None:
        """The latest signal that was not handled yet, if any."""
        return self._received[-1] if self._received else None

    def take(self, number: int) -> bool:
        """Whether this signal must be handled; then it counts as handled."""
        if self.latest != number:
            return False
        self._received.clear()
        self._any.clear()
        return True

    def wait(self, seconds: float) -> None:
        """Sleep, unless there is a signal to handle."""
        self._any.wait(seconds)

    def _receive(self, number: int, _: FrameType | None) -> None:
        self._received.append(number)
        self._any.set()
