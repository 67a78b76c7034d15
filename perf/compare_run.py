"""Runs one peer over one input and measures it from outside, the same way for every peer.

Measured from the peer's first event (it prints ``first``) until its group has committed the whole
input, in wall time and in CPU time of its process tree. Start-up is measured by itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError

from perf.compare_task import PARTITIONS, Input
from perf.machine import cpu_seconds

START_LIMIT_SECONDS = 60.0
RUN_LIMIT_SECONDS = 600.0
STOP_LIMIT_SECONDS = 30.0
FAR_SECONDS, NEAR_SECONDS = 0.1, 0.02
"""Between two looks at the group's offsets, before and after 90 % of the input."""


class PeerError(RuntimeError):
    """A peer did not finish, or gave wrong reminders; the message ends with its log's tail."""


@dataclass(frozen=True)
class Run:
    """One measured run."""

    start_seconds: float
    """From the start of the process to its first event."""
    seconds: float
    cpu_seconds: float
    events: int
    resident_bytes: int
    """Of the process tree, when the input was done."""
    loaded_bytes: int = 0
    """Resident before the first event was applied: with the state that it started from."""

    @property
    def per_second(self) -> float:
        return self.events / self.seconds

    @property
    def per_cpu_second(self) -> float:
        return self.events / self.cpu_seconds


class PeerProcess:
    """A peer in a process group of its own, with a directory for its state and its log."""

    def __init__(self, name: str, command: Callable[[Path], Sequence[str]]) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"streamproc-perf-{name}-"))
        self.first: tuple[float, float] | None = None
        """Monotonic time and CPU seconds at the first event."""
        self.began = time.monotonic()
        with (self.directory / "peer.log").open("wb") as log:
            self.process = subprocess.Popen(
                command(self.directory), stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == b"first" and self.first is None:
                self.first = time.monotonic(), self.cpu_seconds()

    def cpu_seconds(self) -> float:
        """User and system time of the process and its descendants."""
        return sum(_cpu_seconds(pid) for pid in _tree(self.process.pid))

    def resident_bytes(self) -> int:
        return sum(_resident_bytes(pid) for pid in _tree(self.process.pid))

    def check(self, limit: float) -> None:
        """Raises PeerError if the peer failed, or the monotonic ``limit`` is over."""
        code = self.process.poll()
        if code not in (None, 0):
            raise PeerError(f"it ended with {code}:\n{self.tail()}")
        if time.monotonic() > limit:
            raise PeerError(f"it did not finish in time:\n{self.tail()}")

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    def log(self) -> str:
        return (self.directory / "peer.log").read_text(errors="replace")

    def stop(self) -> None:
        """End it in order, SIGKILL after a while; its directory is removed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._reader.join(5)
        shutil.rmtree(self.directory, ignore_errors=True)


def measure(
    bootstrap: str,
    group: str,
    given: Input,
    command: Callable[[Path], Sequence[str]],
    take_log: Callable[[str], object] = len,
) -> Run:
    """Run a peer over an input until its group has committed all of it; raises PeerError.

    ``take_log`` gets its log at the end.
    """
    offsets = GroupOffsets(bootstrap, group, given.topic)
    peer = PeerProcess(group, command)
    try:
        limit = time.monotonic() + START_LIMIT_SECONDS
        while peer.first is None:
            peer.check(limit)
            time.sleep(0.01)
        limit = time.monotonic() + RUN_LIMIT_SECONDS
        cpu, resident, loaded = peer.cpu_seconds(), 0, peer.resident_bytes()
        while (at := offsets.committed()) < given.events:
            peer.check(limit)
            # Looked at before the end, for a peer may end itself when it is done.
            cpu, resident = peer.cpu_seconds(), peer.resident_bytes() or resident
            time.sleep(NEAR_SECONDS if at > 0.9 * given.events else FAR_SECONDS)
        ended = time.monotonic()
        cpu = max(cpu, peer.cpu_seconds())
        began, cpu_began = peer.first
        take_log(peer.log())
        return Run(
            began - peer.began, ended - began, cpu - cpu_began, given.events, resident, loaded
        )
    finally:
        peer.stop()


class GroupOffsets:
    """How far a group has committed a topic."""

    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        # Not confluent-kafka's: librdkafka crashes where the group's coordinator is not ready.
        self._admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        self._group = group
        self._places = [TopicPartition(topic, number) for number in range(PARTITIONS)]

    def committed(self) -> int:
        """Records of the topic that are committed, transaction markers not counted."""
        try:
            found = self._admin.list_group_offsets({self._group: self._places})[self._group]
        except KafkaError:
            return 0  # the group does not exist yet
        return sum(max(one.offset, 0) for one in found.values())


def _tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                found.extend(int(child) for child in (task / "children").read_text().split())
        except OSError:
            continue
    return found


def _cpu_seconds(pid: int) -> float:
    """0 for a process that has ended meanwhile."""
    try:
        return cpu_seconds(pid)
    except OSError:
        return 0.0


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
