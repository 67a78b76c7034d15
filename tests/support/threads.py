"""Threads that a test leaves running: their lines would come into the output of other tests."""

from __future__ import annotations

import threading
import time

LASTING = ("hard end", "kafka-io-")
"""How the names of threads begin that may last: ``hard_end.py``'s, and those of kafka-python's
closed clients, which still wait for a broker that is gone."""
GRACE_SECONDS = 10.0
"""A thread that was told to end may look for that now and then only."""


class ThreadsLeft:
    """Remembers what tests have started, and names what has not ended some seconds later."""

    def __init__(self) -> None:
        self._before: set[threading.Thread] = set()
        self._seen: list[tuple[float, threading.Thread, str]] = []

    def begin(self) -> None:
        """A test begins; what its fixtures have started may be for others, too."""
        self._before = set(threading.enumerate())

    def end(self, test: str) -> None:
        """The test is over, its fixtures are not."""
        now = time.monotonic()
        for thread in threading.enumerate():
            if thread not in self._before and not thread.name.startswith(LASTING):
                self._seen.append((now, thread, test))

    def running(self) -> list[str]:
        """Threads that should have ended by now, each named once, with their tests."""
        if not self._seen:
            return []
        now = time.monotonic()
        self._seen = [one for one in self._seen if one[1].is_alive()]
        late = [one for one in self._seen if now - one[0] > GRACE_SECONDS]
        self._seen = [one for one in self._seen if one not in late]
        return [f"{thread.name!r}, started by {test}" for _, thread, test in late]
