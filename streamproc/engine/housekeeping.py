"""Memory of the process: settings of Python's cycle collector and of the C library's heap.

The collector tracks every fetched record. None is part of a cycle, and tens of thousands are alive
at once. By default the collector looks through the youngest objects after every 700 allocations and
through all of them from time to time: that took a tenth of a worker's time and found nothing.
"""

from __future__ import annotations

import ctypes
import gc

YOUNG_OBJECTS = 100_000
"""Some chunks of records; cycles (tracebacks, tasks) are rare and may wait so long."""


def relax_collector() -> None:
    """For the whole process, at the start of a worker: what is there by now stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)


def give_memory_back() -> bool:
    """Return to the kernel what loading a state took; whether the C library can do so.

    Answers of megabytes come and go between objects that stay, and glibc keeps what is free in
    between. A client that has been stopped is a cycle, with the answers that nobody took. Together
    that is two thirds of the state again. Takes some tens of milliseconds.
    """
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):  # of glibc only
        return False
    trim(0)
    return True
