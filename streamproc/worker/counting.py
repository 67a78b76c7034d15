"""What the processor counts in an outbox, for the metrics of workers.

Nothing is counted for each record here: only for each chunk, reminder or other output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from streamproc.contracts.records.codec import DecodeFailure, decode_event
from streamproc.core.instants import to_ms
from streamproc.core.state.effects import Reminder
from streamproc.core.state.events import ClockAdvanced
from streamproc.core.step.next_due import HELD_ALERT, MANDATORY
from streamproc.engine.processor import Outbox

USAGE, SLOT, TRANSPORT = "usage", "slot", "transport"
"""Names of times: from a record's arrival, or from the instant of a timed reminder, until the
reminder can be read; from the time of an event to its arrival."""

Labels = tuple[str, ...]


def class_of(urgency: int) -> str:
    """The class of a message in a storm, as a label: there are as many as the rules have
    priorities."""
    if urgency == HELD_ALERT:
        return "held"
    return "mandatory" if urgency == MANDATORY else f"priority_{urgency - 1}"


def _labels(kind: str, is_mandatory: bool, priority: int, severity: str) -> Labels:
    return "reminders", kind, class_of(MANDATORY if is_mandatory else 1 + priority), severity


def note_reminder(outbox: Outbox, reminder: Reminder, is_late_told: bool) -> None:
    """Count a reminder of the core. ``is_late_told``: its time counts; a replay is never late."""
    labels = _labels(reminder.kind, reminder.mandatory, reminder.priority, reminder.severity)
    outbox.counts[labels] += 1
    if is_late_told:
        due_time = reminder.cause.due_time
        if due_time is UNSET:
            note_since(outbox, USAGE, to_ms(reminder.as_of))
        else:
            note_since(outbox, SLOT, to_ms(due_time))


def note_since(outbox: Outbox, name: str, since_ms: int, count: int = 1) -> None:
    """Measure so many times from an instant to the commit."""
    known = outbox.since_ms.get(name)
    if known is None:
        known = outbox.since_ms[name] = Counter()
    known[since_ms] += count


class _Told(msgspec.Struct):
    """The fields of a reminder of the compiled part that are counted."""

    kind: str
    severity: str
    priority: int
    mandatory: bool


_decode_told = msgspec.json.Decoder(_Told).decode
_RULE: Final = b'"rule":"'


Told = tuple[bytes, bytes, bytes, Sequence[tuple[str, bytes | None]]]
"""What the compiled part makes of an event: key, reminder, audit record; the event's headers."""


class ToldCounts:
    """Counts reminders of the compiled part, which are ready-made JSON, under one rulebook.

    To read the whole of each would cost as much as to make it. So its rule is looked for, which
    says the rest. A text cannot contain the pattern, because JSON escapes its quotes.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Labels] = {}

    def note(self, outbox: Outbox, told: list[Told]) -> None:
        """Count the second field of each tuple."""
        known, rules = self._known, []
        for _, reminder, _, _ in told:
            at = reminder.find(_RULE)
            rules.append(reminder[at : reminder.find(b",", at)])
        for rule, count in Counter(rules).items():
            labels = known.get(rule)
            if labels is None:
                found = _decode_told(told[rules.index(rule)][1])
                labels = _labels(found.kind, found.mandatory, found.priority, found.severity)
                known[rule] = labels
            outbox.counts[labels] += count


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
