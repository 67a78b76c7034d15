"""Processes of tests are told to end when they can hear it: else the exit code is the signal's."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.support.signals import handles, stop_in_order

PROGRAM = """
import signal, sys
sys.stdin.readline()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print(flush=True)
sys.stdin.readline()
"""


def test_a_process_is_told_to_end_after_its_handler_stands() -> None:
    command = [sys.executable, "-I", "-S", "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert not handles(process.pid, signal.SIGTERM)
        process.stdin.write(b"\n")
        process.stdin.flush()
        stop_in_order(process)
        assert process.wait(30) == 7
    assert handles(process.pid, signal.SIGTERM), "it has ended: nothing to wait for"
