"""The billing side: seeded usage, paced so that a month takes seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import orjson

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.demo.expecting import Expecter
from streamproc.lab.demo.parts import BackgroundThread
from streamproc.lab.demo.progress import Totals
from streamproc.lab.demo.settings import DemoSettings, Names
from streamproc.lab.demo.site import DemoSite
from streamproc.lab.workload import (
    MONTH_DAYS,
    WorkloadRecord,
    WorkloadSettings,
    clock_records,
    generate,
)
from streamproc.producing import BillingProducer

MOST_MONTHS = 1200
MAX_LAG = 10_000
"""The feed is at most this many records ahead of the worker and of the oracle: waiting records must
be processed in time at the end, and the embedded broker keeps only 5 MiB per partition."""

_PACE_SECONDS = 0.02


def workload_of(settings: DemoSettings) -> WorkloadSettings:
    """A month; for an endless demo, a hundred years of such months, generated while it runs."""
    month = WorkloadSettings(
        seed=settings.seed, events=settings.events, subscribers=settings.subscribers
    )
    if not settings.keep:
        return month
    # Few contracts close. Otherwise the busiest subscribers, who make most of the usage,
    # would soon be gone.
    return replace(
        month,
        events=settings.events * MOST_MONTHS,
        days=MONTH_DAYS * MOST_MONTHS,
        close_share=0.002,
    )


class Feed(BackgroundThread):
    """Sends the workload. ``begin`` starts the month; before that it opens every partition."""

    def __init__(
        self,
        settings: DemoSettings,
        rulebook: Rulebook,
        site: DemoSite,
        names: Names,
        figures: Totals,
        expecter: Expecter,
    ) -> None:
        super().__init__("billing producer")
        self.ending = threading.Event()
        """Set for an orderly end: no more usage, but the clock reaches the same instant in all
        partitions."""
        self._workload = workload_of(settings)
        self._rulebook = rulebook
        self._site = site
        self._names = names
        self._figures = figures
        self._expecter = expecter
        self.was_cut = False
        """Whether it ended before all usage was sent."""
        self._begun = threading.Event()
        self._began = 0.0
        self._month_seconds = settings.seconds

    def begin(self, month_seconds: float) -> None:
        """Start the months; each takes this time."""
        self._month_seconds = month_seconds
        self._began = time.monotonic()
        self._begun.set()

    def work(self) -> None:
        start_ms = to_ms(self._workload.start)
        with BillingProducer(
            self._site.bootstrap, self._names.events, **self._site.client
        ) as producer:
            count = len(producer.partitions())
            self._send(producer, clock_records(self._workload, count, start_ms))
            producer.flush()
            while not self._begun.wait(0.1):
                if self.stopping.is_set():
                    return
            self._send(producer, self._usage(count))
            if self.stopping.is_set():
                return
            last_ms = self._figures.simulated_ms if self.was_cut else None
            self._send(producer, clock_records(self._workload, count, last_ms))

    def _usage(self, partitions: int) -> Iterator[tuple[int | None, WorkloadRecord]]:
        for record in generate(self._workload, self._rulebook):
            if not self._is_time_for(record):
                self.was_cut = True
                return
            # A record without a key goes to a partition by its length, so that runs
            # can be repeated.
            place = None if record.key is not None else len(record.value or b"") % partitions
            yield place, record

    def _send(
        self,
        producer: BillingProducer,
        records: Iterable[tuple[int | None, WorkloadRecord]],
    ) -> None:
        figures = self._figures
        for place, record in records:
            key, value, timestamp_ms = record
            on_written = partial(_report, self._expecter, record)
            producer.send(key, value, timestamp_ms, place, on_written)
            figures.sent += 1
            figures.simulated_ms = timestamp_ms
            if value and b'"account.activated"' in value:
                event = orjson.loads(value)
                figures.zones[event["subscriber"]] = event["time_zone"]

    def _is_time_for(self, record: WorkloadRecord) -> bool:
        """Wait for a record's time, and for a worker that is behind; False if the feed must end."""
        passed_ms = record.timestamp_ms - self._figures.start_ms
        due = self._began + passed_ms / (MONTH_DAYS * DAY_MS) * self._month_seconds
        while not (self.stopping.is_set() or self.ending.is_set()):
            ahead = due - time.monotonic()
            if ahead > _PACE_SECONDS:
                time.sleep(min(ahead, 0.1))
            elif max(self._figures.lag, self._expecter.backlog) > MAX_LAG:
                time.sleep(_PACE_SECONDS)
            else:
                return True
        return False


def _report(expecter: Expecter, record: WorkloadRecord, partition: int, offset: int) -> None:
    expecter.record(partition, offset, record.key, record.value, record.timestamp_ms)
