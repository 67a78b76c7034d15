"""Ends a process whose orderly end takes longer than promised, whatever it waits for."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import structlog

from streamproc.supervision import start_thread

log = structlog.get_logger(__name__)

STOP_LIMIT_SECONDS = 14.0
"""Longer than an orderly stop takes: the last commit can wait for a slow broker."""
LAST_WORDS_SECONDS = 1.0
ENDED_HARD = 70
"""The exit status then."""
INTERPRETER_SECONDS = 2.0
"""For the interpreter's own end, which waits for threads that a library holds."""


class HardEnd:
    """Begun when the process is told to stop.

    It has a thread of its own. So a blocked event loop, a library that waits for ever and the
    interpreter's own end do not hold it up.
    """

    def __init__(self, process: str, last_words: Callable[[], object] = lambda: None) -> None:
        """``process``: what it is, in words. ``last_words`` is called before a hard end."""
        self._process = process
        self._last_words = last_words
        self._has_begun = False
        self._is_done = threading.Event()
        self._waiting = threading.Lock()
        self._waiting.acquire()
        start_thread(self._wait, "hard end")

    def begin(self) -> None:
        """The process ends within the limit from the first call. Signal handlers may call it."""
        if not self._has_begun:
            self._has_begun = True
            self._waiting.release()

    def done(self) -> None:
        """The orderly stop is over. A thread that still closes a client holds up nothing."""
        self._is_done.set()

    def _wait(self) -> None:
        self._waiting.acquire()
        if self._is_done.wait(STOP_LIMIT_SECONDS):
            time.sleep(INTERPRETER_SECONDS)
            os._exit(0)
        self._end()

    def _end(self) -> None:
        # Nobody may read the log any more, and a full pipe waits for ever.
        start_thread(self._say, "last words").join(LAST_WORDS_SECONDS)
        os._exit(ENDED_HARD)

    def _say(self) -> None:
        log.critical(
            f"the stop took too long, so the {self._process} ends at once; nothing committed is "
            f"lost",
            limit_seconds=STOP_LIMIT_SECONDS,
        )
        self._last_words()
