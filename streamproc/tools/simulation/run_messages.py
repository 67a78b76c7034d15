"""The messages of one run, with the fields that are compared."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from streamproc.contracts.records.codec import decode_reject, decode_reminder
from streamproc.core.instants import to_ms

_HELD: Final = re.compile(rb'"until_ms":(\d+)')


class Sent(Struct, frozen=True, gc=False):
    """A reminder: recipient, rule and time. Times in ms since 1970."""

    id: str
    subscriber: str
    rule: str
    kind: str
    bucket: str
    """The bucket of the message; empty if it has none or is about all."""
    threshold: int | None
    cycle_ms: int
    """Start of the billing cycle."""
    told_ms: int
    """The earliest time at which it may be sent."""
    segments: int
    text_hash: int


@dataclass
class RunOutcome:
    """The result of one run."""

    messages: list[Sent] = field(default_factory=list)
    rejects: Counter[str] = field(default_factory=Counter)
    """Input that was not applied, by reason."""
    first_rejects: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """Topic, partition and offset of the first record of each reason."""

    def take_reminder(self, value: bytes) -> None:
        reminder = decode_reminder(value)
        is_of_bucket = reminder.threshold is not None and reminder.buckets
        self.messages.append(
            Sent(
                reminder.id,
                reminder.subscriber,
                reminder.rule,
                reminder.kind,
                reminder.buckets[0].id if is_of_bucket else "",
                reminder.threshold.value if reminder.threshold else None,
                to_ms(reminder.cycle_start),
                to_ms(max(reminder.as_of, reminder.not_before)),
                reminder.segments,
                hash(reminder.text),
            )
        )

    def take_reject(self, value: bytes) -> None:
        reject = decode_reject(value)
        self.rejects[reject.reason] += 1
        place = (reject.topic, reject.partition, reject.offset)
        self.first_rejects.setdefault(reject.reason, place)

    held_until_ms: int = 0
    """The latest instant until which a message, or an event, was held. It may be past."""

    def take_audit(self, value: bytes) -> None:
        """Only held messages and events matter here; there are many other audit records."""
        found = _HELD.search(value)
        if found is not None:
            self.held_until_ms = max(self.held_until_ms, int(found[1]))

    @property
    def segments(self) -> int:
        return sum(message.segments for message in self.messages)
