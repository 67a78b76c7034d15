"""National language tables of the GSM alphabet (3GPP TS 23.038, annex A), for ``gsm0338``.

The library accepts any tables, but contains only a Spanish one. The tables are in
``national_tables.txt``, as the annex prints them. The tests compare them with those of two other
implementations (npm ``smpp``, Go ``warthog618/sms``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final, Literal, get_args

from gsm0338 import Codec
from gsm0338.charset import BASIC_CHARACTER_SET, BASIC_CHARACTER_SET_EXTENSION

Language = Literal[
    "turkish",
    "spanish",
    "portuguese",
    "bengali",
    "gujarati",
    "hindi",
    "kannada",
    "malayalam",
    "oriya",
    "punjabi",
    "tamil",
    "telugu",
    "urdu",
]
NUMBERS: Final[Mapping[Language, int]] = {
    name: number for number, name in enumerate(get_args(Language), 1)
}
"""National language identifiers in a user data header."""
WITHOUT_LOCKING: Final[frozenset[Language]] = frozenset({"spanish"})
"""Languages without a table of their own for characters without an escape."""
_NAMES: Final = {"\n": "LINE FEED", "\f": "FORM FEED", "\r": "CARRIAGE RETURN"}
"""Names that the library looks up; Unicode calls these characters only ``<control>``."""
_NONE: Final = "----"
ESCAPE: Final = 0x1B
UNKNOWN: Final = "\ufffd"
_ROWS: Final = 16

Table = Mapping[int, str]
"""Codes and the names of their characters."""


@cache
def septets(locking: int = 0, single: int = 0) -> Mapping[str, bytes]:
    """The septets of each character of these tables, as few as possible.

    The library cannot write a character that its tables have twice. Raises ``LookupError`` for a
    language without such a table.
    """
    reader = codec(locking, single)
    codes = [bytes((code,)) for code in range(128) if code != ESCAPE]
    found: dict[str, bytes] = {}
    for unit in (*codes, *(bytes((ESCAPE,)) + code for code in codes)):
        char = reader.decode(unit, "replace")[0]
        if char != UNKNOWN:
            found.setdefault(char, unit)
    return found


@cache
def codec(locking: int = 0, single: int = 0) -> Codec:
    """The codec with the tables of these national language identifiers; 0 is the usual alphabet.

    Raises ``LookupError`` for a language without such a table.
    """
    tables = _tables()
    if ("locking", locking) not in tables or ("single", single) not in tables:
        raise LookupError(f"no national language table {locking or single}")
    return Codec(dict(tables["locking", locking]), dict(tables["single", single]))


@cache
def _tables() -> Mapping[tuple[str, int], Table]:
    """All tables by kind and national language identifier."""
    text = files(__package__).joinpath("national_tables.txt").read_text("ascii")
    usual: dict[tuple[str, int], Table] = {
        ("locking", 0): BASIC_CHARACTER_SET,
        ("single", 0): BASIC_CHARACTER_SET_EXTENSION,
    }
    return usual | dict(_read(line for line in text.splitlines() if line and line[0] != "#"))


def _read(lines: Iterator[str]) -> Iterator[tuple[tuple[str, int], Table]]:
    for heading in lines:
        _, number, kind = heading.split()
        rows = [next(lines).split() for _ in range(_ROWS)]
        yield (
            (kind, int(number)),
            {
                column * _ROWS + row: _name(chr(int(code, 16)))
                for row, codes in enumerate(rows)
                for column, code in enumerate(codes)
                if code != _NONE
            },
        )


def _name(char: str) -> str:
    return _NAMES.get(char) or unicodedata.name(char)
