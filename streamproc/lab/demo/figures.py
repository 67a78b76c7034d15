"""Figures of a run so far: written by its parts, read by the view."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.state.effects import Reminder
from streamproc.lab.demo.phone import Phone


@dataclass
class Figures:
    """Running totals. Each is written by one thread only; counters are read as copies."""

    start_ms: int
    """When the simulated time begins."""
    sent: int = 0
    """Records handed to the producer."""
    simulated_ms: int = 0
    """Arrival of the latest of them."""
    zones: dict[str, str] = field(default_factory=dict)
    """Time zone by subscriber, as the activations said; only the phone needs it."""

    applied: int = 0
    """Records that the worker has committed, by the positions in its changelog."""
    ready_partitions: int = 0
    """Partitions of which the worker has committed anything."""
    charged_bytes: int = 0
    """By the changelog's rows, those deleted included."""
    forgotten_bytes: int = 0
    """The part of them that belonged to rows deleted since."""
    rejects: Counter[str] = field(default_factory=Counter)
    """By reason."""

    reminders: Counter[str] = field(default_factory=Counter)
    """By kind."""
    by_day: Counter[int] = field(default_factory=Counter)
    """Reminders by simulated day, counted from the start."""
    segments: int = 0
    repeated: int = 0
    """Reminders that came more than once."""

    phone: Phone = field(default_factory=Phone)

    @property
    def lag(self) -> int:
        """Records sent and not yet applied."""
        return max(self.sent - self.applied, 0)

    def count_reminder(self, reminder: Reminder) -> None:
        """An SMS went out."""
        self.reminders[reminder.kind] += 1
        self.segments += reminder.segments
        self.by_day[(to_ms(reminder.not_before) - self.start_ms) // DAY_MS] += 1
        self.phone.offer(reminder, self.zones.get(reminder.subscriber, "UTC"))
