"""The workers of an application, and the supervisor that starts again what ends by itself."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streamproc.engine import crashpoints
from tests.faults import clocked
from tests.faults.brokers import SLOTS, Cluster
from tests.support.cluster import Names, WorkerProcess

WATCH_SECONDS = 0.1
STOP_LIMIT_SECONDS = 30.0
"""After which Kubernetes kills."""
SLOW = -1


@dataclass
class Ending:
    """A worker that ended although nobody had asked it to."""

    slot: int
    code: int
    said: str


@dataclass(frozen=True)
class Program:
    """A release that a worker can run."""

    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)


THIS = Program()
"""The tree that the tests are part of."""


class Slot:
    """One place for a worker: its process, and whether there should be one."""

    def __init__(
        self, number: int, bootstrap: str, names: Names, directory: Path, options: Sequence[str]
    ) -> None:
        self.number = number
        self.wanted = False
        """Whether there should be a worker."""
        self.watched = False
        """Whether the supervisor starts it again."""
        self.program = THIS
        """What its next worker runs."""
        self.clock = directory / f"slot{number}.clock"
        self.worker = WorkerProcess(bootstrap, names, directory, f"slot{number}", *options)

    def is_frozen(self) -> bool:
        """Whether a signal has stopped the process."""
        process = self.worker.process
        assert process is not None
        try:
            stat = Path(f"/proc/{process.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] == "T"


class Fleet:
    """The slots, watched by a thread."""

    def __init__(
        self, cluster: Cluster, names: Names, directory: Path, options: Sequence[Sequence[str]]
    ) -> None:
        """``options`` are the workers', by slot."""
        self.slots = [
            Slot(number, cluster.worker_bootstrap(number), names, directory, options[number])
            for number in range(SLOTS)
        ]
        self.endings: list[Ending] = []
        self.slow_stops = 0
        self._lock = threading.RLock()
        self._ending = False
        self._thread = threading.Thread(target=self._watch, daemon=True, name="fleet")
        self._thread.start()

    def running(self) -> list[Slot]:
        """Slots that should have a worker."""
        return [slot for slot in self.slots if slot.wanted]

    def idle(self) -> list[Slot]:
        return [slot for slot in self.slots if not slot.wanted]

    def start(self, slot: Slot, crash_at: str = "", turned_clock: bool = False) -> None:
        """Start the slot's worker unless it runs; one with a crash plan is not watched."""
        environment = {}
        if crash_at:
            environment[crashpoints.VARIABLE] = crash_at
        if turned_clock:
            environment[clocked.VARIABLE] = str(slot.clock)
        with self._lock:
            if slot.worker.is_alive and slot.wanted:
                return  # another fault of the same moment was faster
            slot.wanted, slot.watched = True, not crash_at
            slot.worker.command[2] = "tests.faults.clocked" if turned_clock else "streamproc"
            self._run(slot, environment)

    def kill(self, slot: Slot) -> None:
        """SIGKILL; the slot stays empty until it is started."""
        with self._lock:
            slot.wanted = slot.watched = False
            if slot.worker.is_alive:
                slot.worker.kill()

    def stop(self, slot: Slot) -> int:
        """Graceful end; returns the exit code. One that takes too long is noted, and killed."""
        with self._lock:
            slot.wanted = slot.watched = False
        try:
            return slot.worker.stop(STOP_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process = slot.worker.process
            assert process is not None
            process.send_signal(signal.SIGUSR1)  # the worker says what its tasks wait for
            time.sleep(1.0)  # it takes no longer, and says nothing when it has
            self.slow_stops += 1
            slot.worker.kill()
            return SLOW

    def close(self) -> None:
        """Kill everybody."""
        self._ending = True
        self._thread.join(10)
        for slot in self.slots:
            self.kill(slot)

    def _watch(self) -> None:
        while not self._ending:
            for slot in self.slots:
                with self._lock:
                    if slot.watched and not slot.worker.is_alive:
                        self._start_again(slot)
            time.sleep(WATCH_SECONDS)  # and looks again

    def _start_again(self, slot: Slot) -> None:
        process = slot.worker.process
        assert process is not None
        self.endings.append(Ending(slot.number, process.returncode, slot.worker.tail(15)))
        self._run(slot, {})

    @staticmethod
    def _run(slot: Slot, environment: Mapping[str, str]) -> None:
        slot.worker.command[0] = slot.program.python
        slot.worker.start(**slot.program.environment, **environment)
