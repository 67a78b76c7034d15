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
    dedupe_horizon_ms: int = 75 * DAY_MS
    dedupe_max_ids: int = 16_384
    hold_unknown_ms: int = DAY_MS
    hold_max_events: int = 100
    history_cycles: int = 2
    subscribers: SubscriberKind = "any"
