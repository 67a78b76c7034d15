"""Counts the work of workers: connects engine, processor and the metrics of workers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from streamproc import __version__
from streamproc.engine.engine import Engine
from streamproc.engine.life import State
from streamproc.engine.processor import Outbox
from streamproc.metrics.worker import WorkerMetrics
from streamproc.tracing.spans import Tracer
from streamproc.worker.alarm_share import WorkerShare, due_behind_ms, lag_ms
from streamproc.worker.counting import SLOT, TRANSPORT, USAGE, class_of
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.traced import CommitSpans


class WorkerFacts(NamedTuple):
    """What the worker knows beside engine and processor."""

    broker_silent_seconds: float = 0.0
    memory_limit_bytes: int | None = None
    has_refused_rules: bool = False
    alarms: tuple[tuple[str, str, str], ...] = ()
    """Name, gateway and tier of each alarm that is raised, if this worker decides."""
    revealed: Mapping[str, int] = MappingProxyType({})
    """Of how many subscribers something was shown, by command, if this worker decides."""
    behind: Callable[[str, int], int] = lambda topic, partition: 0
    """How many records the broker has beyond the fetch of a partition."""


class WorkerObserver:
    """The engine's ``Observer``: adds each commit to counters. :meth:`refresh` sets the gauges."""

    def __init__(
        self,
        metrics: WorkerMetrics,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        share: WorkerShare | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        """``share`` counts for alarms what is counted here. ``tracer``: None makes no spans."""
        self._spans = CommitSpans(tracer) if tracer is not None else None
        self._share = share
        self._metrics = metrics
        self._now_ms = now_ms
        self._counters = {
            "events": metrics.events,
            "rejects": metrics.rejects,
            "reminders": metrics.reminders,
            "decisions": metrics.decisions,
            "applied": metrics.applied_by,
        }
        """Counters by the first word of the processor's counts; the other words are the labels."""
        self._times = {
            TRANSPORT: metrics.transport,
            USAGE: metrics.arrival_to_reminder,
            SLOT: metrics.lateness,
        }

    def assigned(self) -> None:
        self._metrics.rebalances.inc()

    def group_has(self, releases: Mapping[str, int]) -> None:
        self._metrics.group_workers.clear()
        for release, count in releases.items():
            self._metrics.group_workers.labels(release).set(count)

    def opened(self, changelog_offsets: int, seconds: float) -> None:
        self._metrics.opening_seconds.observe(seconds)
        self._metrics.changelog_read.inc(changelog_offsets)

    def committed(self, seconds: float, outbox: Outbox) -> None:
        if self._spans is not None:
            self._spans.ended(seconds, outbox)
        self._metrics.commit_seconds.observe(seconds)
        for (name, *labels), count in outbox.counts.items():
            if count:
                counter = self._counters[name]
                (counter.labels(*labels) if labels else counter).inc(count)
        for kind, times_ms in outbox.times_ms.items():
            for time_ms in times_ms:
                self._times[kind].add(time_ms / 1000)
        if outbox.since_ms:
            now_ms = self._now_ms()
            for kind, instants_ms in outbox.since_ms.items():
                add = self._times[kind].add
                for since_ms, count in instants_ms.items():
                    add(max(now_ms - since_ms, 0) / 1000, count)
        if self._share is not None:
            self._share.committed(outbox, self._now_ms())

    def commit_failed(self, seconds: float, outbox: Outbox, error: BaseException) -> None:
        if self._spans is not None:
            self._spans.ended(seconds, outbox, error)
        self._metrics.transactions_failed.inc()
        if self._share is not None:
            self._share.commit_failed(self._now_ms())

    def set_aside(self) -> None:
        self._metrics.work_set_aside.inc()
        if self._share is not None:
            self._share.set_aside()

    def refresh(
        self, engine: Engine[Any], processor: QuotaProcessor, now_ms: int, facts: WorkerFacts
    ) -> None:
        """Set the gauges to their present values."""
        metrics = self._metrics
        native = "yes" if processor.is_native else "no"
        rules = str(processor.rules.fingerprint)
        metrics.build.info({"version": __version__, "native": native, "rules": rules})
        metrics.broker_silent.set(facts.broker_silent_seconds)
        metrics.memory_limit.set(facts.memory_limit_bytes or 0)
        metrics.rules_refused.set(int(facts.has_refused_rules))
        metrics.clock.set(now_ms / 1000)
        metrics.alarms.clear()
        for labels in facts.alarms:
            metrics.alarms.labels(*labels).set(1)
        metrics.revealed.clear()
        for command, count in facts.revealed.items():
            metrics.revealed.labels(command).set(count)
        metrics.input_partitions.set(engine.settings.partitions)
        states = Counter(engine.partitions.states.values())
        for state in State:
            if state is not State.CLOSED:
                metrics.partitions.labels(state.value).set(states[state])
        self._refresh_lag(engine, now_ms, facts)
        self._refresh_rows(engine, processor, now_ms)

    def _refresh_lag(self, engine: Engine[Any], now_ms: int, facts: WorkerFacts) -> None:
        metrics = self._metrics
        # A partition that another worker owns by now must not keep its last lag here.
        metrics.lag_records.clear()
        metrics.lag_seconds.clear()
        for partition in engine.partitions:
            if partition.state is not State.RUNNING or partition.opened is None:
                continue
            for topic in engine.settings.input_topics:
                lag = engine.lag_records(partition, topic)
                behind = facts.behind(topic, partition.number)
                if behind:
                    # The fetch itself does not know, if it has stopped.
                    lag = max(lag or 0, behind)
                if lag is not None:
                    metrics.lag_records.labels(topic, str(partition.number)).set(lag)
            behind_ms = lag_ms(engine, partition, now_ms)
            metrics.lag_seconds.labels(str(partition.number)).set(behind_ms / 1000)

    def _refresh_rows(self, engine: Engine[Any], processor: QuotaProcessor, now_ms: int) -> None:
        metrics = self._metrics
        metrics.rows.clear()
        metrics.due_behind.clear()
        storms: dict[int, tuple[int, int]] = {}
        for opened in engine.partitions.opened:
            rows, partition = opened.rows, str(opened.number)
            metrics.rows.labels(partition).set(processor.customers_in(rows))
            behind_ms = due_behind_ms(processor, opened, now_ms)
            metrics.due_behind.labels(partition).set(behind_ms / 1000)
            pace = processor.storm_of(rows)
            for urgency, (count, due_ms) in (pace.waiting if pace is not None else {}).items():
                before, oldest_ms = storms.get(urgency, (0, due_ms))
                storms[urgency] = before + count, min(oldest_ms, due_ms)
        metrics.ids.set(sum(len(opened.rows.ids) for opened in engine.partitions.opened))
        metrics.storm_waiting.clear()
        metrics.storm_oldest.clear()
        for urgency, (count, due_ms) in storms.items():
            metrics.storm_waiting.labels(class_of(urgency)).set(count)
            metrics.storm_oldest.labels(class_of(urgency)).set(max(now_ms - due_ms, 0) / 1000)
