"""The cluster a country of a billion subscribers needs, calculated from measured figures.

Everything that is not measured is an assumption and stands here with its name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SUBSCRIBERS = 1_000_000_000
EVENTS_PER_SUBSCRIBER_AND_DAY = 100
"""Charging data of a busy smartphone: a usage report for each granted quota slice."""
BUSY_HOUR_SHARE = 0.08
"""Of a day's events in its busiest hour; evenly spread it would be 0.042."""
CORE_UTILIZATION = 0.5
"""Of a worker's core in the busy hour: the rest catches up after a failure."""
MEMORY_UTILIZATION = 0.6
"""Of a worker's memory for rows: the rest is for the system, growth and a second copy in flight."""
STANDBYS = 1
"""Warm copies of every partition, in another worker's memory."""
STANDBY_COST_SHARE = 0.15
"""Of an event's cost, for following the changelog."""
MACHINE_CORES = 32
MACHINE_BYTES = 128 * 2**30
EVENT_BYTES = 45
"""Of a usage event in the log, compressed."""
CHANGED_ROW_BYTES = 260
"""Of a changed row in the changelog, with key and framing."""
BROKER_BYTES_PER_SECOND = 150_000_000
"""A broker takes in, replication included, at half of its disks' and network's limit."""
REPLICATION = 3


@dataclass(frozen=True)
class Cluster:
    """What is needed in the busy hour."""

    events_per_second: float
    cores: int
    memory_gib: int
    machines_by_cores: int
    machines_by_memory: int
    machines: int
    log_bytes_per_second: float
    brokers: int

    def text(self) -> str:
        """The calculation's result in a few lines."""
        return (
            f"{SUBSCRIBERS:,} subscribers, {self.events_per_second:,.0f} events/s in the busy "
            f"hour: {self.cores:,} cores and {self.memory_gib:,} GiB in "
            f"{self.machines:,} machines of {MACHINE_CORES} cores and "
            f"{MACHINE_BYTES // 2**30} GiB ({self.machines_by_cores:,} for the cores, "
            f"{self.machines_by_memory:,} for the memory); "
            f"{self.log_bytes_per_second / 1e9:.1f} GB/s into the log, {self.brokers:,} brokers"
        )


def cluster(cpu_us_per_event: float, bytes_per_subscriber: float) -> Cluster:
    """From the measured CPU time per event and resident memory per subscriber."""
    per_second = SUBSCRIBERS * EVENTS_PER_SUBSCRIBER_AND_DAY * BUSY_HOUR_SHARE / 3600
    busy_cores = per_second * cpu_us_per_event / 1e6 * (1 + STANDBYS * STANDBY_COST_SHARE)
    cores = math.ceil(busy_cores / CORE_UTILIZATION)
    resident = SUBSCRIBERS * bytes_per_subscriber * (1 + STANDBYS) / MEMORY_UTILIZATION
    by_cores = math.ceil(cores / MACHINE_CORES)
    by_memory = math.ceil(resident / MACHINE_BYTES)
    written = per_second * (EVENT_BYTES + CHANGED_ROW_BYTES) * REPLICATION
    return Cluster(
        per_second,
        cores,
        math.ceil(resident / 2**30),
        by_cores,
        by_memory,
        max(by_cores, by_memory),
        written,
        math.ceil(written / BROKER_BYTES_PER_SECOND),
    )
