"""One form for all ways in which a phone can write a word.

A text has two readings. The *strict* one ignores differences of width, case and spaces. The *loose*
one also ignores characters that are invisible or carry no meaning here: zero-width and control
characters, accents, vowel signs. Signs (punctuation, quotes, emoji) stay in it; :func:`trimmed`
removes them at both ends.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from unicodedata import category, decimal, normalize

_SPELLED_OUT: Final = dict.fromkeys([*map(ord, "™ℹⓂ㊗㊙№゛゜"), *range(0x1F200, 0x1F266)], " ")
"""Emoji and signs that NFKD would turn into letters or their marks."""

_ACCENTS: Final = (
    range(0x0300, 0x0370),  # Latin, Greek, Cyrillic
    range(0x0591, 0x05C8),  # Hebrew points
    range(0x064B, 0x0660),  # Arabic vowel signs, hamza above and below
    range(0x0670, 0x0671),
    range(0x20D0, 0x2100),  # keycaps of emoji digits
    range(0xFE00, 0xFE10),  # variation selectors
    range(0xFE20, 0xFE30),
    range(0x1D165, 0x1D1AE),  # stems and flags of musical notes
    range(0xE0100, 0xE01F0),
)
"""Marks that can be omitted without making another word. Marks of Indic and other scripts are parts
of words, so they stay."""

_SAME: Final = {
    **dict(zip("łđøı", "ldoi", strict=True)),  # Unicode does not decompose letters with a stroke
    **dict(zip("ىیکة", "ييكه", strict=True)),
    **dict(zip("٪،؛", "%,;", strict=True)),
    **dict.fromkeys("ـ\u115f\u1160", ""),  # a line that stretches a word, Hangul fillers
}
_UNSEEN: Final = ("Cc", "Cf", "Cs")


def strict(text: str) -> str:
    """One form for all widths and cases; any white space is one space."""
    return " ".join(normalize("NFKC", normalize("NFKC", text).casefold()).split())


def loose(text: str) -> str:
    """The same without invisible and meaningless characters; digits of any script become ASCII
    digits."""
    decomposed = normalize("NFKD", text.translate(_SPELLED_OUT)).casefold()
    kept = "".join(map(_kept, normalize("NFKD", decomposed)))
    return " ".join(normalize("NFC", kept).split())


def squeezed(text: str) -> str:
    """The loose form without spaces. Two spellings are equal if this form is."""
    return loose(text).replace(" ", "")


def is_sign(char: str) -> bool:
    """Whether a character of a loose form is neither a letter nor a digit, nor part of one."""
    return category(char)[0] not in "LNM"


def begin_of(text: str) -> int:
    """Where a text begins after its leading signs; its length if it consists of signs."""
    return next((at for at, char in enumerate(text) if not is_sign(char)), len(text))


def trimmed(text: str) -> str:
    """Without signs at both ends."""
    end = len(text)
    while end and is_sign(text[end - 1]):
        end -= 1
    return text[begin_of(text) : end]


def with_ascii_digits(text: str) -> str:
    """Digits of any script as 0 to 9."""
    return "".join(str(decimal(char)) if char.isdecimal() else char for char in text)


# Few different characters occur, but each is needed for every text and keyword.
@lru_cache(maxsize=4096)
def _kept(char: str) -> str:
    if char.isspace():
        return " "
    if char.isascii():
        return "" if category(char) == "Cc" else char
    if char in _SAME:
        return _SAME[char]
    if char.isdecimal():
        return str(decimal(char))
    if category(char) in _UNSEEN or any(ord(char) in marks for marks in _ACCENTS):
        return ""
    return char
