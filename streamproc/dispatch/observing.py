"""Counts the work of dispatchers: connects scheduler, journals and the metrics of dispatchers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, get_args

from streamproc import __version__
from streamproc.contracts.records.receipts import Status
from streamproc.core.instants import to_ms
from streamproc.core.subscribers import is_canary
from streamproc.dispatch.alarm_share import DispatcherShare
from streamproc.dispatch.gateways.base import SmsRefusedError
from streamproc.dispatch.health import DispatchHealth
from streamproc.dispatch.ledger import JournalTransaction
from streamproc.dispatch.model import Accepted, Outcome, Refused
from streamproc.dispatch.scheduler import Scheduler
from streamproc.dispatch.traced import DispatchSpans
from streamproc.metrics.dispatch import DispatchMetrics

BREAKER_STATES = ("closed", "half_open", "open")
NONE = "none"
"""Label of results without a gateway."""


class JournalObserver(Protocol):
    """Called at each commit and each answer. It must not fail and must be fast."""

    def committed(self, batch: JournalTransaction) -> None:
        """A transaction of a journal is committed."""

    def commit_failed(self) -> None:
        """A transaction failed. It will be tried again."""

    def answered(self, gateway: str, lane: int, outcome: Outcome, seconds: float) -> None:
        """A gateway answered, or its time is over."""


class DispatchObserver:
    """Adds to counters. :meth:`refresh` sets the gauges."""

    def __init__(
        self,
        metrics: DispatchMetrics,
        now_ms: Callable[[], int] = lambda: 0,
        stall_seconds: float = 60.0,
        share: DispatcherShare | None = None,
        spans: DispatchSpans | None = None,
    ) -> None:
        """``share`` counts for alarms what is counted here. ``spans``: None makes none."""
        self._spans = spans
        self._share = share
        self._metrics = metrics
        self._now_ms = now_ms
        self.canary_gateways: frozenset[str] = frozenset()
        """What they do is counted by the canary, and nowhere else."""
        self.health = DispatchHealth(self, int(stall_seconds * 1000))
        self._openings: Counter[str] = Counter()
        metrics.build.info({"version": __version__})

    def committed(self, batch: JournalTransaction) -> None:
        metrics = self._metrics
        for receipt in batch.receipts:
            if is_canary(receipt.subscriber):
                continue
            metrics.receipts.labels(receipt.gateway or NONE, receipt.status).inc()
            if receipt.status in ("accepted", "delivered"):
                since_event_s = receipt.event_to_status_ms / 1000
                metrics.since_event.labels(receipt.status).observe(since_event_s)
                since_reminder_s = receipt.reminder_to_status_ms / 1000
                metrics.since_reminder.labels(receipt.status).observe(since_reminder_s)
        for letter in batch.dead_letters:
            if letter.subscriber and is_canary(letter.subscriber):
                continue
            metrics.dead_letters.labels(letter.reason).inc()
        if self._spans is not None:
            for told in batch.settled:
                self._spans.settled(told)
        if self._share is not None:
            self._share.committed(batch)
        self.health.committed(batch)

    def commit_failed(self) -> None:
        self._metrics.commits_failed.inc()

    def answered(self, gateway: str, lane: int, outcome: Outcome, seconds: float) -> None:
        if gateway in self.canary_gateways:
            return
        answer = "accepted" if isinstance(outcome, Accepted) else "unknown"
        if isinstance(outcome, Refused):
            answer = outcome.error.value
        self._metrics.submits.labels(gateway, answer).inc()
        self._metrics.submit_seconds.labels(gateway).observe(seconds)
        if self._share is not None:
            self._share.answered(gateway, seconds)
        self.health.answered(gateway, lane, outcome, self._now_ms())

    def connection_lost(self, gateway: str) -> None:
        self._metrics.connections_lost.labels(gateway).inc()

    def stalled(self, lanes: int, is_new: bool) -> None:
        self._metrics.stalled.set(int(lanes > 0))
        if is_new:
            self._metrics.stalls.inc()

    def overdue(self, gateway: str) -> None:
        """A submit has no answer for longer than usual."""
        self._metrics.overdue.labels(gateway).inc()

    @contextmanager
    def incoming(self, gateway: str) -> Iterator[None]:
        """Around what takes an SMS of a subscriber."""
        answer = "later"
        try:
            yield
            answer = "taken"
        except SmsRefusedError as error:
            answer = "refused" if error.is_final else "later"
            raise
        finally:
            self._metrics.incoming_sms.labels(gateway, answer).inc()

    def refresh(
        self, scheduler: Scheduler, now_ms: int, broker_silent_seconds: float = 0.0
    ) -> None:
        """Set the gauges to their present values."""
        metrics = self._metrics
        metrics.broker_silent.set(broker_silent_seconds)
        metrics.partitions.set(len(scheduler.ledgers))
        for line in scheduler.router.of_customers:
            for state in BREAKER_STATES:
                is_so = line.breaker.state == state
                metrics.breaker.labels(line.name, state).set(int(is_so))
            for status in get_args(Status):
                metrics.receipts.labels(line.name, status)  # 0 from the start, for alerts
            metrics.window.labels(line.name).set(line.shaper.window)
            metrics.paused.labels(line.name).set(int(now_ms < line.shaper.paused_until_ms))
            metrics.connected.labels(line.name).set(int(line.down_since_ms is None))
            openings = line.breaker.openings
            metrics.breaker_openings.labels(line.name).inc(openings - self._openings[line.name])
            self._openings[line.name] = openings
        self._count_messages(scheduler, now_ms)

    def _count_messages(self, scheduler: Scheduler, now_ms: int) -> None:
        lines = scheduler.router.of_customers
        first = {
            lane: next((line.name for line in lines if lane in line.lanes), NONE)
            for lane in range(len(scheduler.lanes))
        }
        in_flight: Counter[str] = Counter({line.name: 0 for line in lines})
        waiting: Counter[tuple[str, int]] = Counter(
            {(line.name, lane): 0 for line in lines for lane in line.lanes}
        )
        oldest_ms: dict[tuple[str, int], int] = {}
        for ledger in scheduler.ledgers.values():
            for message in ledger.messages.values():
                if message.is_canary:
                    continue
                if message.in_flight:
                    in_flight[message.gateway] += 1
                    continue
                due_ms = to_ms(message.reminder.not_before)
                if due_ms <= now_ms:
                    place = message.gateway or first[message.lane], message.lane
                    waiting[place] += 1
                    oldest_ms[place] = min(oldest_ms.get(place, due_ms), due_ms)
        metrics = self._metrics
        for gateway, count in in_flight.items():
            metrics.in_flight.labels(gateway).set(count)
        # A gateway that is not in the file any more, but in a journal, must not keep its value.
        metrics.waiting.clear()
        metrics.oldest.clear()
        for (gateway, lane), count in waiting.items():
            name = scheduler.lanes[lane].name
            since_ms = oldest_ms.get((gateway, lane), now_ms)
            metrics.waiting.labels(gateway, name).set(count)
            metrics.oldest.labels(gateway, name).set((now_ms - since_ms) / 1000)
