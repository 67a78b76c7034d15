"""How a subscriber number is shown in logs and errors (law 21)."""

from __future__ import annotations

from typing import Final

_TELLING: Final = 8
"""A part of a number with this many digits identifies its owner: it is a national number without
its country code."""


def mask(subscriber: str) -> str:
    """A number for screens and logs: the first three and the last two characters; fewer if it is
    short."""
    if len(subscriber) < _TELLING:
        return subscriber[:1] + "*" * (len(subscriber) - 1)
    return f"{subscriber[:3]}{'*' * (len(subscriber) - 5)}{subscriber[-2:]}"


def conceal(text: str, subscriber: str) -> str:
    """``text`` with the subscriber's number masked, also where the number has no country code."""
    for start in range(max(len(subscriber) - _TELLING, 0) + 1):
        part = subscriber[start:]
        if part in text:
            return text.replace(part, mask(part))
    return text
