"""What usage costs."""

from __future__ import annotations


def price_minor_of(used_bytes: int, price_minor: int, unit_bytes: int) -> int:
    """What usage costs; a unit that was begun counts whole."""
    return -(-used_bytes // unit_bytes) * price_minor
