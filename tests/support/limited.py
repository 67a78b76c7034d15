"""Runs a command for so long at most, and lets it clean up if the time is over."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial

CLEAN_UP_SECONDS = 60.0


def run_limited(
    command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None
) -> int | None:
    """The exit code; None if it had to be ended.

    It is interrupted first: pytest then ends its brokers and other programs. A process that is
    killed at once would leave them behind.
    """
    # A shell starts what runs in the background with this signal ignored.
    hears_interrupts = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, env=environment, preexec_fn=hears_interrupts)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        return None
    finally:
        # Ctrl-C on a terminal interrupts the command, too.
        try:
            process.wait(CLEAN_UP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
