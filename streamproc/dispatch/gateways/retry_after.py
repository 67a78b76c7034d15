"""How long a receiver asks to wait: the field ``retry-after`` of HTTP (RFC 9110, 10.2.3)."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from streamproc.core.instants import to_ms

LONGEST_MS: Final = 3_600_000
_DIGITS: Final = 6
"""More digits are more than an hour."""
_DATE_CHARACTERS: Final = 40
"""``Sun, 06 Nov 1994 08:49:37 GMT`` has 29."""


def retry_after_ms(text: str, now_ms: int) -> int:
    """The wait in ms: of seconds, or until a date. At most an hour; 0 if it says nothing."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0")
        wait_ms = int(digits or "0") * 1000 if len(digits) <= _DIGITS else LONGEST_MS
    elif len(text) <= _DATE_CHARACTERS:
        wait_ms = _until(text, now_ms)
    else:
        wait_ms = 0
    return min(max(wait_ms, 0), LONGEST_MS)


def _until(text: str, now_ms: int) -> int:
    try:
        when = parsedate_to_datetime(text)
        return to_ms(when if when.tzinfo else when.replace(tzinfo=UTC)) - now_ms
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0  # it is not a date
