"""The parts of the demo: threads here, and processes that end with it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from streamproc.supervision import start_thread

log = logging.getLogger(__name__)

TAIL_LINES = 15

# If the demo is killed without a chance to clean up, Linux kills its children.
_LEASH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class BackgroundThread:
    """Work in a thread beside other work. An exception ends it and is stored as ``failure``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.failure: Exception | None = None
        self.stopping = threading.Event()
        """Set to end the work at once."""
        self._thread: threading.Thread | None = None

    def work(self) -> None:
        """Each part implements it: return when done, or soon after ``stopping`` is set."""
        raise NotImplementedError

    def start(self) -> None:
        self._thread = start_thread(self._run, self.name)

    @property
    def is_done(self) -> bool:
        """Whether the work is over, with or without an error."""
        return self._thread is not None and not self._thread.is_alive()

    def join(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self.work()
        except Exception as error:
            if not self.stopping.is_set():
                log.exception("the %s died", self.name)
                self.failure = error


class ChildProcess:
    """A Python process whose output is written to a file. It ends when the demo ends.

    It has a session of its own: Ctrl-C reaches only the demo, which ends its children in order.
    Start it from the main thread, because Linux ends it when that thread ends.
    """

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        arguments: Sequence[str],
        *,
        piped: bool = False,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Run ``python`` with arguments; ``piped`` keeps its standard input and output.

        ``variables`` are added to the environment, of which it gets no other of ours.
        """
        # A user's settings of streamproc must not change the demo's processes.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("STREAMPROC_")
        }
        environment["STREAMPROC_CONFIG"] = os.devnull
        environment.update(variables)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                # The leash ends the child if the demo is killed and cannot end it.
                [sys.executable, "-c", _LEASH, str(os.getpid()), sys.executable, *arguments],
                env=environment,
                start_new_session=True,
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else output,
                stderr=output,
            )

    @property
    def exit_code(self) -> int | None:
        """None before the start and while it runs."""
        return self.process.poll() if self.process else None

    @property
    def fate(self) -> str:
        """How it ended, in words."""
        code = self.exit_code or 0
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def ask_to_end(self) -> None:
        if self.process is not None and self.exit_code is None:
            self.process.send_signal(signal.SIGTERM)

    def stop(self, seconds: float) -> None:
        """Ask it to end, and kill it if it does not end in time."""
        if self.process is None:
            return
        self.ask_to_end()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def tail(self) -> str:
        """The last lines of its output."""
        return tail_of(self.log)


def tail_of(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a file; empty if there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
