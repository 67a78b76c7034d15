"""Instants as integers.

Inside the core every instant is whole milliseconds since 1970-01-01T00:00:00Z (``*_ms``). Integers
are fast to compare, short to pack, and have no time zone that code could forget. In records
instants are RFC 3339.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

NEVER_MS = 1 << 53
"""Later than any real instant, and still an exact JSON number."""

LAST_MS = 253_370_764_800_000
"""The year 9999. An end of validity from here on means "no end": time zones cannot reach
beyond it."""
LAST_ARRIVAL_MS = 4_102_444_800_000
"""The year 2100. No record arrives later: one that is stamped so is damaged, and to advance an
account by thousands of years takes minutes."""

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DAY_MINUTES = 24 * 60

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_EXACT_BELOW_MS = 4_000_000_000_000
"""Up to this instant (the year 2096) a float of seconds is exact to the microsecond. It is
faster."""


def to_ms(when: datetime) -> int:
    """Milliseconds since the epoch of an aware datetime; smaller digits are cut off.

    Rounding would move the last half millisecond of a cycle into the next cycle.
    """
    since = when - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def from_ms(instant_ms: int) -> datetime:
    """The aware UTC datetime of an instant in milliseconds."""
    if 0 <= instant_ms < _EXACT_BELOW_MS:
        return datetime.fromtimestamp(instant_ms / 1000, UTC)
    return _EPOCH + timedelta(milliseconds=instant_ms)


coarse_from_ms = lru_cache(maxsize=65_536)(from_ms)
"""The same, with a cache, for instants that many records share: cycle bounds, ends of validity."""
