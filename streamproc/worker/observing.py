"""Counts the work of workers: connects engine, processor and the metrics of workers."""

from __future__ import annotations

from collections import Counter
from typing import Any

from streamproc import __version__
from streamproc.engine.engine import Engine
from streamproc.engine.life import State
from streamproc.engine.observer import Counts
from streamproc.metrics.worker import WorkerMetrics
from streamproc.worker.processor import QuotaProcessor


class WorkerObserver:
    """The engine's ``Observer``: adds each commit to counters. :meth:`refresh` sets the gauges."""

    def __init__(self, metrics: WorkerMetrics) -> None:
        self._metrics = metrics
        self._counters = {
            "events": metrics.events,
            "rejects": metrics.rejects,
            "reminders": metrics.reminders,
        }
        """Counters by the first word of the processor's counts; the other words are the labels."""

    def assigned(self) -> None:
        self._metrics.rebalances.inc()

    def opened(self, changelog_offsets: int, seconds: float) -> None:
        self._metrics.opening_seconds.observe(seconds)
        self._metrics.changelog_read.inc(changelog_offsets)

    def committed(self, seconds: float, counts: Counts) -> None:
        self._metrics.commit_seconds.observe(seconds)
        for (name, *labels), count in counts.items():
            if count:
                counter = self._counters[name]
                (counter.labels(*labels) if labels else counter).inc(count)

    def commit_failed(self) -> None:
        self._metrics.transactions_failed.inc()

    def set_aside(self) -> None:
        self._metrics.work_set_aside.inc()

    def refresh(self, engine: Engine[Any], processor: QuotaProcessor, now_ms: int) -> None:
        """Set the gauges to their present values."""
        metrics = self._metrics
        native = "yes" if processor.is_native else "no"
        rules = str(processor.rules.fingerprint)
        metrics.build.info({"version": __version__, "native": native, "rules": rules})
        states = Counter(engine.partitions.states.values())
        for state in State:
            if state is not State.CLOSED:
                metrics.partitions.labels(state.value).set(states[state])
        metrics.rows.set(sum(len(opened.rows) for opened in engine.partitions.opened))
        # A partition that another worker owns by now must not keep its last lag here.
        metrics.lag_records.clear()
        metrics.lag_seconds.clear()
        for partition in engine.partitions:
            if partition.state is not State.RUNNING or partition.opened is None:
                continue
            waiting = 0
            for topic in engine.settings.input_topics:
                lag = engine.lag_records(partition, topic)
                if lag is not None:
                    metrics.lag_records.labels(topic, str(partition.number)).set(lag)
                    waiting += lag
            behind_ms = now_ms - partition.opened.progress.clock_ms if waiting else 0
            metrics.lag_seconds.labels(str(partition.number)).set(max(behind_ms, 0) / 1000)
