"""Asks a process to end, once it can hear that."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.support.waiting import came


def stop_in_order(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, as soon as the process handles it. Before that, the signal would end it at once,
    with another exit code."""
    if process.poll() is None:
        came(lambda: process.poll() is not None or handles(process.pid, signal.SIGTERM))
        process.send_signal(signal.SIGTERM)


def handles(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal; on Linux only."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # another system, or the process has ended
        return True
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
