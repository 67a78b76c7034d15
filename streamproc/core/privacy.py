"""How a subscriber may be shown where people read along (law 21)."""

from __future__ import annotations


def mask(subscriber: str) -> str:
    """A number fit for screens and logs: first three and last two characters."""
    return f"{subscriber[:3]}{'*' * max(len(subscriber) - 5, 1)}{subscriber[-2:]}"
