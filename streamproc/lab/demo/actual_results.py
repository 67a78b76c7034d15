"""Reads the actual results: reminders for the phone, the worker's changelog and rejects."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Any

from kafka import TopicPartition

from streamproc.contracts.records.codec import decode_reject, decode_reminder, encode_effect
from streamproc.core.state.account import unpack
from streamproc.core.state.effects import Reminder
from streamproc.engine.changelog import PROGRESS_KEY, decode_progress, is_row
from streamproc.engine.rows import DUE_BYTES
from streamproc.kafka.clients import kafka_consumer
from streamproc.lab.demo.expecting import Expecter
from streamproc.lab.demo.parts import BackgroundThread
from streamproc.lab.demo.progress import Totals
from streamproc.lab.demo.settings import Names
from streamproc.lab.demo.site import PARTITIONS, DemoSite

POLL_SECONDS = 0.2
QUIET_POLLS = 6
DECODE_EVERY_SECONDS = 0.5
REMEMBERED_IDS = 200_000


class Reader(BackgroundThread):
    """Polls until it is stopped, or until it is told to finish and finds nothing for a while."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.finishing = threading.Event()
        """Set when nothing more will be written."""

    def open(self) -> None:
        raise NotImplementedError

    def poll(self) -> int:
        """Handle the records that are there, waiting up to POLL_SECONDS; returns their number."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def work(self) -> None:
        self.open()
        try:
            quiet = 0
            while not self.stopping.is_set() and quiet < QUIET_POLLS:
                is_finishing = self.finishing.is_set()
                quiet = 0 if self.poll() or not is_finishing else quiet + 1
        finally:
            self.close()


class SmsReader(Reader):
    """The phone on the screen: shows each reminder once, and counts repetitions.

    The demo has no dispatcher: a dispatcher needs a journal, and the embedded broker keeps none.
    """

    def __init__(self, site: DemoSite, names: Names, figures: Totals, expecter: Expecter) -> None:
        super().__init__("reader of reminders")
        self._site = site
        self._topic = names.worker.reminders
        self._figures = figures
        self._expecter = expecter
        self._ids: OrderedDict[str, None] = OrderedDict()

    def open(self) -> None:
        self._consumer = _consumer(self._site, [self._topic])

    def poll(self) -> int:
        count = 0
        for records in self._consumer.poll(timeout_ms=int(POLL_SECONDS * 1000)).values():
            count += len(records)
            for record in records:
                self._handle(decode_reminder(record.value))
        return count

    def close(self) -> None:
        self._consumer.close()

    def send(self, reminder: Reminder) -> None:
        """A reminder that was not read before."""
        self._expecter.reminder(encode_effect(reminder))
        self._figures.count_reminder(reminder)

    def _handle(self, reminder: Reminder) -> None:
        if reminder.id in self._ids:
            self._figures.repeated += 1
            return
        self._ids[reminder.id] = None
        if len(self._ids) > REMEMBERED_IDS:
            self._ids.popitem(last=False)
        self.send(reminder)


class StateReader(Reader):
    """Follows rejects and the changelog: how far the worker is, and what it has charged."""

    def __init__(self, site: DemoSite, names: Names, figures: Totals) -> None:
        super().__init__("reader of changelog and rejects")
        self._site = site
        self._names = names
        self._figures = figures
        self._positions: dict[int, int] = {}
        self._charged: dict[bytes, int] = {}
        self._changed: dict[bytes, bytes] = {}
        self._decode_at = 0.0

    def open(self) -> None:
        self._consumer = _consumer(self._site, [self._names.changelog, self._names.worker.rejects])

    def poll(self) -> int:
        count = 0
        for place, records in self._consumer.poll(timeout_ms=int(POLL_SECONDS * 1000)).items():
            count += len(records)
            for record in records:
                if place.topic == self._names.worker.rejects:
                    self._figures.rejects[decode_reject(record.value).reason] += 1
                elif record.key == PROGRESS_KEY:
                    self._progress(place.partition, record.value)
                elif not is_row(record.key):
                    continue
                elif record.value is None:
                    self._forget(record.key)
                else:
                    self._changed[record.key] = record.value
        # The busiest rows change many times a second, so only their latest state is decoded.
        if time.monotonic() >= self._decode_at:
            self._decode()
            self._decode_at = time.monotonic() + DECODE_EVERY_SECONDS
        return count

    def close(self) -> None:
        self._consumer.close()

    def _progress(self, partition: int, value: bytes) -> None:
        progress = decode_progress(value)
        self._positions[partition] = progress.positions.get(self._names.events, 0)
        self._figures.applied = sum(self._positions.values())
        self._figures.ready_partitions = len(self._positions)

    def _decode(self) -> None:
        changed, self._changed = self._changed, {}
        for key, row in changed.items():
            self._charge(key, row)

    def _charge(self, key: bytes, row: bytes) -> None:
        charged_bytes = unpack(row[DUE_BYTES:]).charged_bytes
        self._figures.charged_bytes += charged_bytes - self._charged.get(key, 0)
        self._charged[key] = charged_bytes

    def _forget(self, key: bytes) -> None:
        """A row is deleted long after its account was closed. Its charged bytes still count."""
        row = self._changed.pop(key, None)
        if row is not None:
            self._charge(key, row)
        self._figures.forgotten_bytes += self._charged.pop(key, 0)


def _consumer(site: DemoSite, topics: list[str]) -> Any:
    """A consumer of whole topics without a group, so that it need not wait for an assignment."""
    consumer: Any = kafka_consumer(
        site.bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=5000,
        **site.consumer,
    )
    places = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
    consumer.assign(places)
    for place in places:
        consumer.seek(place, 0)
    return consumer
