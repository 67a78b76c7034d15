"""Warns before the kernel kills the worker for its memory."""

from __future__ import annotations

import resource
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

CHECK_SECONDS = 5.0
NEAR_SHARE = 0.85
TOLD_EVERY_SECONDS = 60.0
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_MIB = 1 << 20
_UNLIMITED_BYTES = 1 << 60
"""A larger number means "no limit": version 1 of cgroups has such a number."""


def limit_bytes(limit_mb: int | None) -> int | None:
    """The limit in force: the given one, the control group's, or the machine's memory."""
    if limit_mb is not None:
        return limit_mb * _MIB
    for path in _CGROUP_LIMITS:
        found = _number(path)
        if found is not None and found < _UNLIMITED_BYTES:
            return found
    return _machine_bytes()


def used_bytes() -> int:
    """Memory of this process that is resident now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


class MemoryWatch:
    """Checks at regular intervals how much memory is in use."""

    def __init__(self, limit_mb: int | None) -> None:
        self._limit_bytes = limit_bytes(limit_mb)
        self._told_at = -TOLD_EVERY_SECONDS

    def look(self, now: float) -> bool:
        """Log if the limit is near; returns whether it is. ``now`` is monotonic."""
        limit = self._limit_bytes
        used = used_bytes()
        if limit is None or used < limit * NEAR_SHARE:
            return False
        if now - self._told_at >= TOLD_EVERY_SECONDS:
            self._told_at = now
            log.critical(
                "memory is nearly used up: give this worker more, or start another one beside it. "
                "If the kernel kills it, nothing is lost, but its partitions wait for a restart",
                used_mb=used // _MIB,
                limit_mb=limit // _MIB,
            )
        return True


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _machine_bytes() -> int | None:
    try:
        first = Path("/proc/meminfo").read_text().splitlines()[0]
        return int(first.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
