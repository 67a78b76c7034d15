"""What the processor counts in an outbox, for the metrics of workers.

Nothing is counted for each record here: only for each chunk, reminder or other output.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET

from streamproc.contracts.records.codec import DecodeFailure, decode_event
from streamproc.core.instants import to_ms
from streamproc.core.state.effects import Reminder
from streamproc.core.state.events import ClockAdvanced
from streamproc.core.step.next_due import HELD_ALERT, MANDATORY
from streamproc.engine.processor import Outbox
from streamproc.worker.settings import Clock

USAGE, SLOT, TRANSPORT = "usage", "slot", "transport"
"""Names of times: from a record's arrival, or from the instant of a timed reminder, until the
reminder can be read; from the time of an event to its arrival."""


def class_of(urgency: int) -> str:
    """The class of a message in a storm, as a label: there are as many as the rules have
    priorities."""
    if urgency == HELD_ALERT:
        return "held"
    return "mandatory" if urgency == MANDATORY else f"priority_{urgency - 1}"


def note_reminder(outbox: Outbox, reminder: Reminder, clock: Clock) -> None:
    """Count a reminder of the core."""
    urgency = MANDATORY if reminder.mandatory else 1 + reminder.priority
    outbox.counts["reminders", reminder.kind, class_of(urgency), reminder.severity] += 1
    if clock == "wall":  # a replay is never late
        due_time = reminder.cause.due_time
        since = reminder.as_of if due_time is UNSET else due_time
        name = USAGE if due_time is UNSET else SLOT
        outbox.since_ms.setdefault(name, []).append(to_ms(since))


class _Told(msgspec.Struct):
    """The fields of a reminder of the compiled part that are counted."""

    kind: str
    severity: str
    priority: int
    mandatory: bool
    as_of: datetime


_decode_told = msgspec.json.Decoder(_Told).decode


def note_told(outbox: Outbox, reminder: bytes, clock: Clock) -> None:
    """Count a reminder of the compiled part. It makes messages of usage only."""
    told = _decode_told(reminder)
    urgency = MANDATORY if told.mandatory else 1 + told.priority
    outbox.counts["reminders", told.kind, class_of(urgency), told.severity] += 1
    if clock == "wall":
        outbox.since_ms.setdefault(USAGE, []).append(to_ms(told.as_of))


def note_transport(outbox: Outbox, record: Any) -> None:
    """Measure how long an event was on its way to Kafka. One record of each chunk is enough: the
    compiled part does not tell the times of events."""
    try:
        event = decode_event(record.value, record.key, record.headers)
    except DecodeFailure:
        return
    if not isinstance(event, ClockAdvanced):
        took_ms = max(record.timestamp - to_ms(event.time), 0)
        outbox.times_ms.setdefault(TRANSPORT, []).append(took_ms)
