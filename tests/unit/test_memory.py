"""A worker whose memory runs out says so before the kernel does."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from streamproc.worker import memory_warning
from streamproc.worker.memory_warning import MemoryWatch, limit_bytes, used_bytes

MIB = 1 << 20


def test_it_warns_near_the_limit_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = MemoryWatch(100)
    used = 84 * MIB
    monkeypatch.setattr(memory_warning, "used_bytes", lambda: used)
    with capture_logs() as lines:
        assert not watch.look(0.0)
        used = 86 * MIB
        assert watch.look(5.0)
        assert watch.look(60.0)
        assert watch.look(66.0)
    assert [(one["log_level"], one["used_mb"], one["limit_mb"]) for one in lines] == [
        ("critical", 86, 100)
    ] * 2


def test_the_containers_limit_is_taken_and_no_limit_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory_warning, "_CGROUP_LIMITS", (tmp_path / "missing", limit))
    limit.write_text(f"{512 * MIB}\n")
    assert limit_bytes(None) == 512 * MIB
    assert limit_bytes(7) == 7 * MIB
    for unlimited in ("max\n", "9223372036854771712\n"):
        limit.write_text(unlimited)
        machine = limit_bytes(None)
        assert machine is not None
        assert 64 * MIB < machine < 1 << 50


def test_the_memory_in_use_is_measured() -> None:
    before = used_bytes()
    ballast = bytearray(64 * MIB)
    ballast[::4096] = b"x" * len(ballast[::4096])
    assert used_bytes() - before > 50 * MIB
