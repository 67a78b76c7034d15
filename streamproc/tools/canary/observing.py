"""Tells what the canary finds: in its metrics, and one log line for each change."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from streamproc import __version__
from streamproc.metrics.canary import CanaryMetrics
from streamproc.tools.canary.beats import WAYS, Beats, Stage, Verdict, Way, stage_seconds

log = structlog.get_logger(__name__)


class CanaryObserver:
    """Gets every verdict."""

    def __init__(self, metrics: CanaryMetrics) -> None:
        self._metrics = metrics
        self._told: Mapping[tuple[Way, Stage], list[int]] = {}
        metrics.build.info({"version": __version__})

    def __call__(self, verdicts: list[Verdict], beats: Beats) -> None:
        metrics = self._metrics
        for verdict in verdicts:
            metrics.beats.labels(verdict.beat.way, verdict.broken or "arrived").inc()
            for stage, seconds in stage_seconds(verdict.beat).items():
                metrics.stage_seconds.labels(verdict.beat.way, stage).observe(seconds)
        broken = beats.broken()
        for way in WAYS:
            for stage in beats.stages:
                metrics.broken.labels(way, stage).set(len(broken.get((way, stage), ())))
                for share in (0.5, 0.99):
                    seconds = beats.recent_seconds(way, stage, share)
                    metrics.recent_seconds.labels(way, stage, str(share)).set(seconds)
        self._tell(broken, verdicts)

    def refresh(self, still_seconds: float) -> None:
        """Before each reading."""
        self._metrics.standstill.set(still_seconds)

    def _tell(self, broken: Mapping[tuple[Way, Stage], list[int]], verdicts: list[Verdict]) -> None:
        whys = {one.beat.way: one.why for one in verdicts if one.why}
        for (way, stage), partitions in broken.items():
            if self._told.get((way, stage)) != partitions:
                log.critical(
                    "the canary failed",
                    way=way,
                    stage=stage,
                    partitions=partitions,
                    why=whys.get(way, "no answer in time"),
                )
        for way, stage in self._told:
            if (way, stage) not in broken:
                log.info("the canary is well again", way=way, stage=stage)
        self._told = broken
