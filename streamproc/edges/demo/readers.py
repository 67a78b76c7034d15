"""What is observed: SMS as the dispatcher sends them, and the worker's changelog and rejects."""

from __future__ import annotations

import threading
import time
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from streamproc.contracts.codec import decode_reject, encode_effect
from streamproc.core.effects import Reminder
from streamproc.core.model import unpack
from streamproc.edges.demo.expecting import Expecter
from streamproc.edges.demo.figures import Figures
from streamproc.edges.demo.parts import Part
from streamproc.edges.demo.settings import Names
from streamproc.edges.demo.site import PARTITIONS, Site
from streamproc.edges.dispatcher import Dispatcher
from streamproc.engine.changelog import PROGRESS_KEY, decode_progress
from streamproc.engine.rows import DUE_BYTES

POLL_SECONDS = 0.2
QUIET_POLLS = 6
DECODE_EVERY_SECONDS = 0.5
SESSION_TIMEOUT_MS = 6000


class Reader(Part):
    """Polls until it is stopped, or is told to finish and then finds nothing for a while."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.finishing = threading.Event()
        """Set when nothing more is being written."""

    def open(self) -> None:
        raise NotImplementedError

    def poll(self) -> int:
        """Handle what is there, waiting up to POLL_SECONDS; returns how many records it was."""
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
    """The console dispatcher; its gateway is the phone on the screen."""

    def __init__(self, site: Site, names: Names, figures: Figures, expecter: Expecter) -> None:
        super().__init__("dispatcher")
        self.is_assigned = False
        self._site = site
        self._names = names
        self._figures = figures
        self._expecter = expecter

    def open(self) -> None:
        self._dispatcher = Dispatcher(
            self._site.bootstrap,
            self._names.reminders,
            gateway=self,
            now=lambda: None,  # a month of half a minute: by the wall clock all is long expired
            group=self._names.dispatcher_group,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=SESSION_TIMEOUT_MS // 5,
            max_poll_records=5000,
            **self._site.consumer,
        )

    def poll(self) -> int:
        count = self._dispatcher.poll(POLL_SECONDS)
        self.is_assigned = self.is_assigned or self._dispatcher.is_assigned
        self._figures.repeated = self._dispatcher.repeated
        return count

    def close(self) -> None:
        self._dispatcher.close()

    def send(self, reminder: Reminder) -> None:
        """As an ``SmsGateway``."""
        self._expecter.reminder(encode_effect(reminder))
        self._figures.count_reminder(reminder)


class StateReader(Reader):
    """Follows rejects, and the changelog: how far the worker is and what it has charged."""

    def __init__(self, site: Site, names: Names, figures: Figures) -> None:
        super().__init__("reader of changelog and rejects")
        self._site = site
        self._names = names
        self._figures = figures
        self._positions: dict[int, int] = {}
        self._charged: dict[bytes, int] = {}
        self._changed: dict[bytes, bytes] = {}
        self._decode_at = 0.0

    def open(self) -> None:
        self._consumer: Any = KafkaConsumer(
            bootstrap_servers=self._site.bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=5000,
            **self._site.consumer,
        )
        places = [
            TopicPartition(topic, number)
            for topic in (self._names.changelog, self._names.rejects)
            for number in range(PARTITIONS)
        ]
        self._consumer.assign(places)
        for place in places:
            self._consumer.seek(place, 0)

    def poll(self) -> int:
        count = 0
        for place, records in self._consumer.poll(timeout_ms=int(POLL_SECONDS * 1000)).items():
            count += len(records)
            for record in records:
                if place.topic == self._names.rejects:
                    self._figures.rejects[decode_reject(record.value).reason] += 1
                elif record.key == PROGRESS_KEY:
                    self._progress(place.partition, record.value)
                elif record.value is None:
                    self._forget(record.key)
                else:
                    self._changed[record.key] = record.value
        # The busiest rows change many times a second; only their latest state is decoded.
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
        """A row is deleted long after its account was closed; what was charged stays charged."""
        row = self._changed.pop(key, None)
        if row is not None:
            self._charge(key, row)
        self._figures.forgotten_bytes += self._charged.pop(key, 0)
