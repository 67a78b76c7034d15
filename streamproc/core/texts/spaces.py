"""Spaces in figures: CLDR's no-break spaces would cost a part of an SMS."""

from __future__ import annotations

from typing import Final

_PLAIN_SPACES: Final = str.maketrans("\u00a0\u202f", "  ")


def plain_spaces(text: str) -> str:
    """A text without the no-break spaces that would turn GSM-7 into UCS-2."""
    return text.translate(_PLAIN_SPACES)
