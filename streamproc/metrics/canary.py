"""The metrics of the canary. ``tools/canary/observing.py`` counts them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from streamproc.metrics.declaring import Metrics
from streamproc.metrics.worker import TIMELY_SECONDS

WAY = "`usage` (an event that crosses a threshold) or `timed` (a reminder of an instant)"
STAGE = "`sent`, `readable`, `accepted` or `delivered`"


class CanaryMetrics(Metrics):
    """What the canary has proved."""

    subsystem = "canary"
    counted_in = "tools/canary/observing.py"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.beats = self.counter(
            "streamproc_canary_beats_total",
            "Messages that were waited for until their deadline, by their result.",
            {"way": WAY, "outcome": "`arrived`, or the first stage that was missing"},
        )
        self.stage_seconds = self.histogram(
            "streamproc_canary_stage_seconds",
            "Time that a stage took after the one before it.",
            TIMELY_SECONDS,
            {"way": WAY, "stage": STAGE},
        )
        self.recent_seconds = self.gauge(
            "streamproc_canary_recent_seconds",
            "The same of the last 600 messages, as quantiles.",
            {"way": WAY, "stage": STAGE, "quantile": "`0.5` or `0.99`"},
        )
        self.broken = self.gauge(
            "streamproc_canary_broken_partitions",
            "Partitions whose last message did not get through this stage in time.",
            {"way": WAY, "stage": STAGE},
        )
        self.standstill = self.gauge(
            "streamproc_canary_standstill_seconds", "Time since the loop of the canary turned last."
        )
        self.build = self.info(
            "streamproc_canary_build_info", "What runs here.", {"version": "of streamproc"}
        )
