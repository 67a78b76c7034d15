"""A command of streamproc on a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from functools import partial
from pathlib import Path


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, *arguments: str | Path, columns: int = 120, lines: int = 24) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamproc", *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": str(columns), "LINES": str(lines)},
            # A shell starts what runs in the background with this signal ignored, tests too.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        os.close(theirs)
        self.shown = ""

    def press(self, key: str) -> None:
        os.write(self._ours, key.encode())

    def wait_for(self, pattern: str, timeout_seconds: float = 60) -> None:
        """Read on until what is shown from here on matches."""
        start, deadline = len(self.shown), time.monotonic() + timeout_seconds
        while not re.search(pattern, self.shown[start:]):
            assert time.monotonic() < deadline, self.shown
            if select.select([self._ours], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self._ours, 65_536).decode(errors="replace")
                except OSError:  # the process is gone
                    break
        assert re.search(pattern, self.shown[start:]), self.shown

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
