"""Splits a text into parts for message centres: GSM 7-bit or UCS-2, joined by a header.

GSM-7 goes as one septet per octet (the message center packs), UCS-2 as UTF-16 big endian. A long
message's parts begin with a user data header (3GPP TS 23.040, 9.2.3.24.1); neither an escape pair
nor a surrogate pair is split over two parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from streamproc.core.texts.segments import segments

GSM_ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""3GPP TS 23.038, 6.2.1: a character's place is its code."""
GSM_EXTENSION: Final = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
"""6.2.1.1: codes after an escape."""

_ESCAPE: Final = 0x1B
_CODES: Final = {char: bytes((code,)) for code, char in enumerate(GSM_ALPHABET) if char != "\x1b"}
_CODES.update({char: bytes((_ESCAPE, code)) for char, code in GSM_EXTENSION.items()})

GSM_CODING: Final = 0x00
UCS2_CODING: Final = 0x08
UDH_INDICATOR: Final = 0x40
_GSM_PART_OCTETS: Final = 153
_UCS2_PART_OCTETS: Final = 134


@dataclass(frozen=True, slots=True)
class SmsPart:
    """One submit: ``short_message`` with its header, and how to read it."""

    number: int
    short_message: bytes
    data_coding: int
    esm_class: int


def split(text: str, reference: int) -> list[SmsPart]:
    """The parts of a text. ``reference`` (0 to 255) tells a phone which parts belong together.

    The same text and reference give the same parts, so that a part sent again replaces itself.
    """
    encoding, count = segments(text)
    if encoding == "gsm7":
        units = [_CODES[char] for char in text]
        coding, limit = GSM_CODING, _GSM_PART_OCTETS
    else:
        units = [char.encode("utf-16-be", "surrogatepass") for char in text]
        coding, limit = UCS2_CODING, _UCS2_PART_OCTETS
    if count == 1:
        return [SmsPart(1, b"".join(units), coding, 0)]
    bodies = list(_chunks(units, limit))
    return [
        SmsPart(
            number,
            bytes((5, 0, 3, reference, len(bodies), number)) + body,
            coding,
            UDH_INDICATOR,
        )
        for number, body in enumerate(bodies, 1)
    ]


def _chunks(units: list[bytes], limit: int) -> Iterator[bytes]:
    chunk = b""
    for unit in units:
        if len(chunk) + len(unit) > limit:
            yield chunk
            chunk = b""
        chunk += unit
    yield chunk
