"""Marks of direction for texts that are written from right to left.

A number right after a Latin name joins the name's run of letters, and its unit is shown on the
other side; a sign after Latin letters changes sides with them. A mark of the text's own direction
after the name ends its run (the Unicode bidirectional algorithm, UAX 9). A text that begins with a
Latin name would run from left to right; a mark before it prevents that.
"""

from __future__ import annotations

from typing import Final
from unicodedata import bidirectional

LEFT_TO_RIGHT: Final = "\u200e"
RIGHT_TO_LEFT: Final = "\u200f"


def closed(text: str) -> str:
    """A name or an amount, closed so that the text after it stays in place in a right-to-left
    text."""
    for place, char in enumerate(reversed(text)):
        direction = bidirectional(char)
        if direction in ("R", "AL"):
            return text
        if direction == "L":
            # A sign after letters belongs to their run. A digit belongs to it in any case.
            is_sign = place > 0 and bidirectional(text[-1]) != "EN"
            return f"{text}{LEFT_TO_RIGHT if is_sign else ''}{RIGHT_TO_LEFT}"
    return text


def opened(text: str) -> str:
    """A whole text, opened so that it runs from right to left also if it begins with a Latin
    name: phones take the direction from the first letter."""
    first = next((one for one in map(bidirectional, text) if one in ("L", "R", "AL")), "")
    return f"{RIGHT_TO_LEFT}{text}" if first == "L" else text


def as_it_is(text: str) -> str:
    """The same for texts from left to right."""
    return text
