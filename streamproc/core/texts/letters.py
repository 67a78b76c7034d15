"""Texts without diacritics: in GSM-7 a part of an SMS holds 160 characters, with them 70."""

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
    """What is written for each character, worked out once."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        found = char if char in _GSM else _OTHERS.get(char) or _base(char)
        self[code] = found
        return found


def _base(char: str) -> str:
    """The letter below the diacritics; the character itself if that is none of GSM-7's either."""
    base = "".join(one for one in normalize("NFKD", char) if one in _GSM)
    return base or char


_LETTERS: Final = _Letters()


def plain_letters(text: str) -> str:
    """``Zużyto 50% pakietu „Łódź”`` as ``Zuzyto 50% pakietu "Lodz"``."""
    return text.translate(_LETTERS)
