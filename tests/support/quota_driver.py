"""The quota topology in the driver: events in, reminders, audit and rejects out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from streamproc.contracts.records.codec import (
    decode_audit,
    decode_reject,
    decode_reminder,
    encode_event,
)
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.instants import from_ms, to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account, unpack
from streamproc.core.state.effects import Audited, Rejected, Reminder
from streamproc.core.state.events import AccountActivated, SubscriberEvent, ToppedUp, UsageRecorded
from streamproc.engine.observer import UNOBSERVED, Observer
from streamproc.engine.rows import DUE_BYTES
from streamproc.tracing.spans import Tracer
from streamproc.worker.placement import Placement
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.settings import Clock, Native, WrongPartition
from tests.support.driver import TopologyDriver
from tests.support.memory_log import LogRecord, MemoryLog

START = datetime(2026, 1, 5, 0, 0, tzinfo=UTC)
"""A Monday."""
SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class Everything:
    """The results of a run, in bytes: rows by key, output records by topic and partition."""

    rows: dict[bytes, bytes]
    outputs: dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]]


class QuotaDriver(TopologyDriver[Account]):
    """The driver with methods for quota events.

    ``clock`` and ``native`` are the worker's options. :meth:`take_rules` changes the rules of the
    running worker, and of workers started later.
    """

    def __init__(
        self,
        rules: Rulebook,
        *,
        clock: Clock = "wall",
        native: Native = "off",
        partitions: int = 2,
        log: MemoryLog | None = None,
        now_ms: int = to_ms(START),
        inputs: Sequence[str] = ("events",),
        observer: Observer = UNOBSERVED,
        wrong_partition: WrongPartition = "refuse",
        tracer: Tracer | None = None,
        **settings: int,
    ) -> None:
        self.topics = WorkerTopics.under("", inputs=tuple(inputs))
        self.rules = rules
        self._clock: Clock = clock
        self._native: Native = native
        self._wrong_partition: WrongPartition = wrong_partition
        self._tracer = tracer
        self._partitions = log.partitions if log else partitions
        super().__init__(
            self._processor_of,
            inputs=self.topics.read,
            partitions=partitions,
            log=log,
            now_ms=now_ms,
            observer=observer,
            **settings,
        )

    def _processor_of(self) -> QuotaProcessor:
        placement = Placement(self._partitions, self._wrong_partition, self.topics.forwarded)
        return QuotaProcessor(
            self.rules, self.topics, self._clock, self._native, placement, tracer=self._tracer
        )

    @property
    def counts(self) -> Counter[str]:
        """The counts of the present processor since its start."""
        assert isinstance(self.processor, QuotaProcessor)
        return self.processor.counts

    def take_rules(self, rules: Rulebook) -> None:
        self.rules = rules
        assert isinstance(self.processor, QuotaProcessor)
        self.processor.take_rules(rules)

    # Events.

    def event(self, event: SubscriberEvent, **place: Any) -> LogRecord:
        """Pipe an event under its subscriber's key."""
        return self.pipe(event.subscriber.encode(), encode_event(event), **place)

    def send_event(self, event: SubscriberEvent, **place: Any) -> LogRecord:
        """Send an event, to be processed later."""
        return self.send(event.subscriber.encode(), encode_event(event), **place)

    def activate(self, subscriber: str, plan: str = "basic", zone: str = "UTC") -> LogRecord:
        return self.event(
            AccountActivated(
                f"a-{subscriber}-{self.now_ms}", "crm", subscriber, self.now, plan, zone, 1
            )
        )

    def use(self, subscriber: str, used_bytes: int, id: str | None = None) -> LogRecord:
        return self.event(self.usage(subscriber, used_bytes, id))

    def top_up(self, subscriber: str, **what: Any) -> LogRecord:
        name = f"t-{subscriber}-{self.now_ms}"
        return self.event(ToppedUp(name, "shop", subscriber, self.now, **what))

    def usage(self, subscriber: str, used_bytes: int, id: str | None = None) -> UsageRecorded:
        """A usage event of now."""
        number = sum(self.log.end(self.topics.inputs[0], n) for n in range(self.log.partitions))
        name = id or f"u-{number}"
        return UsageRecorded(name, "ocs", subscriber, self.now, total_bytes=used_bytes)

    @property
    def now(self) -> datetime:
        return from_ms(self.now_ms)

    # What came of them.

    def account(self, subscriber: str) -> Account | None:
        data = self.stored().get(subscriber.encode())
        return None if data is None else unpack(data[DUE_BYTES:])

    def reminders(self) -> list[Reminder]:
        return [decode_reminder(_value(record)) for record in self.output(self.topics.reminders)]

    def audits(self) -> list[Audited]:
        return [decode_audit(_value(record)) for record in self.output(self.topics.audit)]

    def rejects(self) -> list[Rejected]:
        return [decode_reject(_value(record)) for record in self.output(self.topics.rejects)]

    def decisions(self) -> list[str]:
        """All decisions except ``fired``, which follows every reminder."""
        found = [one.decision for one in self.audits()]
        return [decision for decision in found if decision != "fired"]

    def everything(self) -> Everything:
        """All results, for comparison with another run."""
        outputs = {
            (topic, number): [(one.key, one.value) for one in self.log.read(topic, number)]
            for topic in self.topics.outputs
            for number in range(self.log.partitions)
        }
        return Everything(self.committed(), outputs)


def _value(record: LogRecord) -> bytes:
    assert record.value is not None
    return record.value
