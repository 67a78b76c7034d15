"""When an input record is too large, too late, or unknown."""

from __future__ import annotations

from msgspec import Struct

from streamproc.core.instants import DAY_MS
from streamproc.core.subscribers import SubscriberKind


class Limits(Struct, frozen=True, gc=False):
    """Bounds beyond which an input record is too large, too late, or unknown."""

    max_event_bytes: int = 1 << 40
    max_ahead_ms: int = 5 * 60_000
    max_age_ms: int = 40 * DAY_MS
    max_age_by_source: dict[str, int] = {}
    """Sources whose events may be older, or must be younger, than others; in milliseconds."""
    hold_unknown_ms: int = DAY_MS
    hold_max_events: int = 100
    history_cycles: int = 2
    subscribers: SubscriberKind = "any"

    def max_age_of(self, source: str) -> int:
        """How old an event of a source may be when it arrives, in milliseconds."""
        return self.max_age_by_source.get(source, self.max_age_ms)

    def remembered_ms(self, source: str) -> int:
        """How long the identity of an event is remembered: two copies of it that are both
        accepted cannot arrive further apart."""
        return self.max_age_by_source.get(source, self.max_age_ms) + self.max_ahead_ms

    @property
    def longest_remembered_ms(self) -> int:
        """The longest of these times of any source."""
        return max(self.max_age_ms, *self.max_age_by_source.values(), 0) + self.max_ahead_ms
