"""Python's cycle collector, told what a stream of records is.

Every fetched record is an object the collector tracks, none is part of a cycle, and tens of
thousands are alive at once. By default it looks through the youngest after every 700 allocations
and through all of them ever so often: a tenth of a worker's time, for nothing.
"""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 100_000
"""Some chunks of records; cycles (tracebacks, tasks) are rare and may wait so long."""


def relax_collector() -> None:
    """For the whole process, at the start of a worker: what is there by now stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
