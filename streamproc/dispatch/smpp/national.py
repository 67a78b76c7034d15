"""National language tables of the GSM alphabet (3GPP TS 23.038, annex A), for ``gsm0338``.

The library accepts any tables, but contains only the Spanish one. The tests compare these tables
with those of another implementation (npm ``smpp``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Final, Literal

from gsm0338 import SINGLE_SHIFT_CHARACTER_SET_SPANISH, Codec
from gsm0338.charset import BASIC_CHARACTER_SET, BASIC_CHARACTER_SET_EXTENSION

Language = Literal["turkish", "spanish", "portuguese"]
NUMBERS: Final[Mapping[Language, int]] = {"turkish": 1, "spanish": 2, "portuguese": 3}
"""National language identifiers in a user data header."""


def _names(characters: Mapping[int, str]) -> dict[int, str]:
    return {code: unicodedata.name(char) for code, char in characters.items()}


_SINGLE: Final[Mapping[int, Mapping[int, str]]] = {
    0: BASIC_CHARACTER_SET_EXTENSION,
    1: {
        **BASIC_CHARACTER_SET_EXTENSION,
        **_names({0x47: "Ğ", 0x49: "İ", 0x53: "Ş", 0x63: "ç", 0x67: "ğ", 0x69: "ı", 0x73: "ş"}),
    },
    2: SINGLE_SHIFT_CHARACTER_SET_SPANISH,
    3: {
        **BASIC_CHARACTER_SET_EXTENSION,
        **_names({0x05: "ê", 0x09: "ç", 0x0B: "Ô", 0x0C: "ô", 0x0E: "Á", 0x0F: "á", 0x12: "Φ"}),
        **_names({0x13: "Γ", 0x15: "Ω", 0x16: "Π", 0x17: "Ψ", 0x18: "Σ", 0x19: "Θ", 0x1F: "Ê"}),
        **_names({0x41: "À", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú", 0x5B: "Ã", 0x5C: "Õ", 0x61: "Â"}),
        **_names({0x69: "í", 0x6F: "ó", 0x75: "ú", 0x7B: "ã", 0x7C: "õ", 0x7F: "â"}),
    },
}
"""Characters after an escape."""
_LOCKING: Final[Mapping[int, Mapping[int, str]]] = {
    0: BASIC_CHARACTER_SET,
    1: {
        **BASIC_CHARACTER_SET,
        **_names({0x04: "€", 0x07: "ı", 0x0B: "Ğ", 0x0C: "ğ", 0x1C: "Ş", 0x1D: "ş"}),
        **_names({0x40: "İ", 0x60: "ç"}),
    },
    3: {
        **BASIC_CHARACTER_SET,
        **_names({0x04: "ê", 0x06: "ú", 0x07: "í", 0x08: "ó", 0x09: "ç", 0x0B: "Ô", 0x0C: "ô"}),
        **_names({0x0E: "Á", 0x0F: "á", 0x12: "ª", 0x13: "Ç", 0x14: "À", 0x15: "∞", 0x16: "^"}),
        **_names({0x17: "\\", 0x18: "€", 0x19: "Ó", 0x1A: "|", 0x1C: "Â", 0x1D: "â", 0x1E: "Ê"}),
        **_names({0x24: "º", 0x40: "Í", 0x5B: "Ã", 0x5C: "Õ", 0x5D: "Ú", 0x60: "~", 0x7B: "ã"}),
        **_names({0x7C: "õ", 0x7D: "`"}),
    },
}
"""Characters without an escape; Spanish has no table of its own."""


@cache
def codec(locking: int = 0, single: int = 0) -> Codec:
    """The codec with the tables of these national language identifiers; 0 is the usual alphabet.

    Raises ``LookupError`` for a language without a table here.
    """
    if single not in _SINGLE or locking not in _LOCKING:
        raise LookupError(f"no national language table {locking or single}")
    return Codec(dict(_LOCKING[locking]), dict(_SINGLE[single]))
