"""The arguments after a keyword: words, numbers, times of day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from streamproc.core.instants import DAY_MINUTES


class Command(Struct, frozen=True, gc=False):
    """The command of an SMS."""

    action: str
    word: str = ""
    """``default``, ``off``, ``day``, ``week``, ``month``, or a category's id."""
    numbers: tuple[int, ...] = ()
    """A number of a list or a question; percentages, ascending; minutes after midnight."""


Spellings = Mapping[str, tuple[str, ...]]
"""The spellings of each word of arguments, squeezed."""

SEPARATORS: Final = re.compile(r"[,、;/+& ]+")
NUMBER: Final = re.compile(r"[0-9]{1,3}")
TIME: Final = r"([0-9]{1,2})(?::([0-9]{2}))?"


def word_of(text: str, spellings: Spellings, *words: str) -> str | None:
    """The word whose spelling is the whole text."""
    plain = text.replace(" ", "")
    return next((word for word in words if plain in spellings[word]), None)


def minute_of(hour: str, minute: str | None) -> int | None:
    """Minutes after midnight; 24:00 is midnight."""
    total = int(hour) * 60 + int(minute or 0)
    is_time = int(minute or 0) < 60 and total <= DAY_MINUTES
    return total % DAY_MINUTES if is_time else None


def after(start: str, text: str) -> str | None:
    """The part of a text after ``start``; None if there is none. The spaces inside ``start`` may
    differ."""
    at = 0
    for char in start:
        while text[at : at + 1] == " ":
            at += 1
        if text[at : at + 1] != char:
            return None
        at += 1
    return text[at:]
