"""The dispatcher: takes reminders from Kafka and gives each to a gateway once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import structlog
from kafka import KafkaConsumer

from streamproc.contracts.codec import decode_reminder
from streamproc.core.effects import Reminder
from streamproc.core.privacy import mask as mask

log = structlog.get_logger(__name__)

REMEMBERED_IDS = 200_000


class SmsGateway(Protocol):
    """What sends an SMS."""

    def send(self, reminder: Reminder) -> None: ...


class Dispatcher:
    """Consumes reminders, drops repeats (by id) and expired ones, hands on the rest.

    ``now`` gives the instant that decides about expiry; None in it means "never expired" (replay).
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        gateway: SmsGateway,
        now: Callable[[], datetime | None],
        group: str = "streamproc-dispatcher",
        **settings: Any,
    ) -> None:
        self.sent = 0
        self.repeated = 0
        self.expired = 0
        self._gateway = gateway
        self._now = now
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._consumer = KafkaConsumer(
            topic,
            bootstrap_servers=bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            **settings,
        )

    def poll(self, timeout_seconds: float = 0.2) -> int:
        """Handle what is there; returns the number of records handled."""
        polled = self._consumer.poll(timeout_ms=int(timeout_seconds * 1000))
        count = 0
        for records in polled.values():
            for record in records:
                self._handle(decode_reminder(record.value))
                count += 1
        if count:
            self._consumer.commit()  # only after the gateway has them: late rather than lost
        return count

    @property
    def is_assigned(self) -> bool:
        """Whether it has joined its group and reads."""
        return bool(self._consumer.assignment())

    def close(self) -> None:
        self._consumer.close()

    def _handle(self, reminder: Reminder) -> None:
        if reminder.id in self._ids:
            self.repeated += 1
            return
        self._ids[reminder.id] = None
        if len(self._ids) > REMEMBERED_IDS:
            self._ids.popitem(last=False)
        now = self._now()
        if now is not None and now > reminder.expires_time:
            self.expired += 1
            log.warning("reminder expired before it could be sent", id=reminder.id)
            return
        self._gateway.send(reminder)
        self.sent += 1


class ConsoleGateway:
    """Prints each SMS on a line; the number is masked."""

    def send(self, reminder: Reminder) -> None:
        print(f"{mask(reminder.subscriber)}  {reminder.text}", flush=True)
