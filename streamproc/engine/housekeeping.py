"""Memory of the process: settings of Python's cycle collector and of the C library's heap.

The collector tracks every fetched record. Tens of thousands are alive at once, and none is part of
a cycle. By default the collector checks the youngest objects after every 700 allocations, and all
objects from time to time. That took a tenth of a worker's time and found nothing.
"""

from __future__ import annotations

import ctypes
import gc

YOUNG_OBJECTS = 100_000
"""The objects of some chunks of records. Cycles (tracebacks, tasks) are rare and can wait that
long."""


def relax_collector() -> None:
    """Apply the settings to the whole process, at the start of a worker. Existing objects are never
    checked: of a hundred thousand, one in a hundred is garbage."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)


def give_memory_back() -> bool:
    """Return to the kernel the memory that loading needed; returns whether the C library can do
    that.

    Answers of megabytes are allocated and freed between objects that stay, and glibc keeps the free
    memory. A stopped client is a cycle that holds answers which nobody read. Together that is two
    thirds of the size of the state. The call takes some tens of milliseconds.
    """
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):  # the function exists in glibc only
        return False
    trim(0)
    return True
