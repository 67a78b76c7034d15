"""How a subscriber number is shown in logs and errors (law 21)."""

from __future__ import annotations

from typing import Final

_TELLING: Final = 8
"""A part of a number this long tells whose it is: a national number without its country code."""


def mask(subscriber: str) -> str:
    """A number fit for screens and logs: first three, last two characters; less if short."""
    if len(subscriber) < _TELLING:
        return subscriber[:1] + "*" * (len(subscriber) - 1)
    return f"{subscriber[:3]}{'*' * (len(subscriber) - 5)}{subscriber[-2:]}"


def conceal(text: str, subscriber: str) -> str:
    """``text`` with the subscriber in it masked, also where the country code is left out."""
    for start in range(max(len(subscriber) - _TELLING, 0) + 1):
        part = subscriber[start:]
        if part in text:
            return text.replace(part, mask(part))
    return text
