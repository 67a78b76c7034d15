"""Texts without diacritics: one SMS part holds 160 characters in GSM-7, but 70 with diacritics."""

from __future__ import annotations

from typing import Final
from unicodedata import normalize

from streamproc.core.texts.segments import GSM_BASIC, GSM_EXTENSION

_GSM: Final = GSM_BASIC | GSM_EXTENSION
_OTHERS: Final = {
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ı": "i",
    "ħ": "h",
    "Ħ": "H",
    "œ": "oe",
    "Œ": "OE",
    "„": '"',
    "“": '"',
    "”": '"',
    "«": '"',
    "»": '"',
    "‘": "'",
    "’": "'",
    "‚": "'",
    "–": "-",
    "—": "-",
    "‑": "-",
    "…": "...",
    "\u00a0": " ",
    "\u202f": " ",
    "−": "-",
}


class _Letters(dict[int, str]):
    """The replacement of each character, cached."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        found = char if char in _GSM else _OTHERS.get(char) or _base(char)
        self[code] = found
        return found


def _base(char: str) -> str:
    """The letter without its diacritics; the character itself if GSM-7 does not have that
    letter."""
    base = "".join(one for one in normalize("NFKD", char) if one in _GSM)
    return base or char


_LETTERS: Final = _Letters()


def plain_letters(text: str) -> str:
    """``Zużyto 50% pakietu „Łódź”`` as ``Zuzyto 50% pakietu "Lodz"``."""
    return text.translate(_LETTERS)
