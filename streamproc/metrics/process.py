"""Figures of the process itself: memory, processor time, open files, the collector of garbage."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector


def register_process(registry: CollectorRegistry) -> None:
    """Add what every client of Prometheus has under these names (`process_...`, `python_...`)."""
    # The library registers them in its global registry only; each process here has its own.
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
