"""Figures of the run so far: the parts write them, the view reads them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.state.effects import Reminder
from streamproc.lab.demo.phone import Phone


@dataclass
class Totals:
    """Running totals. One thread writes each of them; readers get copies of the counters."""

    start_ms: int
    """The start of the simulated time."""
    sent: int = 0
    """Records passed to the producer."""
    simulated_ms: int = 0
    """Arrival time of the latest of them."""
    zones: dict[str, str] = field(default_factory=dict)
    """Time zone by subscriber, from the activations; only the phone needs it."""

    applied: int = 0
    """Records that the worker has committed, from the positions in its changelog."""
    ready_partitions: int = 0
    """Partitions in which the worker has committed something."""
    charged_bytes: int = 0
    """Charged bytes, from the rows of the changelog, with deleted rows."""
    forgotten_bytes: int = 0
    """The part of them that belonged to rows deleted since."""
    rejects: Counter[str] = field(default_factory=Counter)
    """Rejects by reason."""

    reminders: Counter[str] = field(default_factory=Counter)
    """Reminders by kind."""
    by_day: Counter[int] = field(default_factory=Counter)
    """Reminders by simulated day, counted from the start."""
    segments: int = 0
    repeated: int = 0
    """Reminders that were read more than once."""

    phone: Phone = field(default_factory=Phone)

    @property
    def lag(self) -> int:
        """Records sent and not applied yet."""
        return max(self.sent - self.applied, 0)

    def count_reminder(self, reminder: Reminder) -> None:
        """An SMS was sent."""
        self.reminders[reminder.kind] += 1
        self.segments += reminder.segments
        self.by_day[(to_ms(reminder.not_before) - self.start_ms) // DAY_MS] += 1
        self.phone.offer(reminder, self.zones.get(reminder.subscriber, "UTC"))
