"""``python -m tests.faults.clocked worker ...``: streamproc with a wall clock that a test can turn.

``$STREAMPROC_LAB_CLOCK`` names a file that holds seconds to add to the time of day. What measures
durations (``time.monotonic``) is left alone, as a turned clock leaves it alone.
"""

from __future__ import annotations

import os
import time

VARIABLE = "STREAMPROC_LAB_CLOCK"


def turn_clock(path: str) -> None:
    """From now on add the file's seconds to the time of day."""
    true_time = time.time

    def turned() -> float:
        try:
            with open(path) as file:
                return true_time() + float(file.read())
        except (OSError, ValueError):
            return true_time()

    time.time = turned


if __name__ == "__main__":
    turn_clock(os.environ[VARIABLE])  # before anybody takes a reference
    from streamproc.__main__ import run

    run()
