"""Instants as integers.

Inside the core every instant is whole milliseconds since 1970-01-01T00:00:00Z (``*_ms``); integers
compare fast, pack small and have no zone to forget. At the edges instants are RFC 3339.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NEVER_MS = 1 << 53
"""Later than any real instant, and still an exact JSON number."""

DAY_MS = 86_400_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(when: datetime) -> int:
    """Milliseconds since the epoch of an aware datetime, sub-millisecond digits rounded."""
    return round(when.timestamp() * 1000)


def from_ms(instant_ms: int) -> datetime:
    """The aware UTC datetime of an instant in milliseconds."""
    return _EPOCH + timedelta(milliseconds=instant_ms)
