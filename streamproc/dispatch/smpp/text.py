"""Splits a text into parts for message centers, in the alphabet and form that they accept.

GSM 7-bit is sent as one septet per octet (the message center packs it), UCS-2 as UTF-16 big endian.
Parts of a long message are joined by a user data header (3GPP TS 23.040, 9.2.3.24), or by ``sar``
parameters, or the whole text is sent as ``message_payload``. Neither an escape pair nor a surrogate
pair is split over two parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from streamproc.core.texts.segments import GSM_BASIC, GSM_EXTENSION
from streamproc.dispatch.model import UnsendableError
from streamproc.dispatch.smpp.national import NUMBERS, Language, septets

Alphabet = Literal["gsm", "latin1", "ucs2"]
LongTexts = Literal["udh", "udh16", "sar", "payload"]

DEFAULT_CODING = 0x00
UCS2_CODING = 0x08
UDH_INDICATOR = 0x40
SINGLE_SHIFT, LOCKING_SHIFT = 0x24, 0x25
SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER = 0x020C, 0x020E, 0x020F
MESSAGE_PAYLOAD = 0x0424

MOST_PARTS: Final = 255
LONGEST_PAYLOAD: Final = 0xFFFF
_SEPTETS, _OCTETS = 160, 140
_SAR_OCTETS: Final = 7
"""The message center adds this header to each part, with a reference of 16 bits."""
_GSM: Final = GSM_BASIC | GSM_EXTENSION
_LATIN1: Final = frozenset(char for char in _GSM if ord(char) < 256)


@dataclass(frozen=True)
class TextForm:
    """How a message center wants texts."""

    alphabet: Alphabet = "gsm"
    """``gsm`` and ``latin1``: UCS-2 for texts that do not fit; ``ucs2``: always."""
    data_coding: int = DEFAULT_CODING
    """Data coding of texts that are not UCS-2."""
    long_texts: LongTexts = "udh"
    national: tuple[Language, ...] = ()
    """Languages whose single shift table phones and message center know."""
    national_locking: tuple[Language, ...] = ()
    """Languages whose locking shift table they know, too."""


@dataclass(frozen=True, slots=True)
class SmsPart:
    """One submit: ``short_message`` with its header, and how to read it."""

    number: int
    short_message: bytes
    data_coding: int
    esm_class: int
    parameters: Mapping[int, bytes] = field(default_factory=dict)
    """Optional parameters by tag."""


class _Units(NamedTuple):
    """A text in pieces that must not be split: their bytes, and the space that each needs."""

    units: list[tuple[bytes, int]]
    coding: int
    is_septets: bool
    header: bytes = b""
    """Elements that the header of every part must have."""


def split(text: str, reference: int, form: TextForm | None = None) -> list[SmsPart]:
    """The parts of a text. ``reference`` (16 bits) shows a phone which parts belong together.

    The same text, reference and form give the same parts, so a part that is sent again
    replaces itself. Raises :class:`UnsendableError`.
    """
    form = form or TextForm()
    if len(text) > MOST_PARTS * _SEPTETS:
        raise UnsendableError("too_long")
    written = _written(text, form)
    everything = b"".join(unit for unit, _ in written.units)
    room = _room(written, len(written.header))
    if sum(cost for _, cost in written.units) <= room:
        header = _with_length(written.header)
        return [_part(1, header + everything, written.coding, bool(header))]
    if form.long_texts == "payload":
        if len(everything) > LONGEST_PAYLOAD:
            raise UnsendableError("too_long")
        payload = {MESSAGE_PAYLOAD: everything}
        return [SmsPart(1, b"", written.coding, 0, payload)]
    if form.long_texts == "sar":
        return list(_by_parameters(written, reference))
    return list(_by_headers(written, reference, form.long_texts == "udh16"))


def count_parts(text: str, form: TextForm) -> int:
    """How many submits a text needs."""
    return len(split(text, 0, form))


def _written(text: str, form: TextForm) -> _Units:
    """The text in the first alphabet of the form that has all its characters."""
    if form.alphabet == "latin1" and _LATIN1.issuperset(text):
        units = [(char.encode("latin-1"), 1 + (char in GSM_EXTENSION)) for char in text]
        return _Units(units, form.data_coding, is_septets=True)
    if form.alphabet == "gsm" and _GSM.issuperset(text):
        return _Units(_septets(text), form.data_coding, is_septets=True)
    if form.alphabet == "gsm" and form.long_texts in ("udh", "udh16"):
        national = _national(text, form)
        if national is not None:
            return national
    pairs = [char.encode("utf-16-be", "surrogatepass") for char in text]
    return _Units([(unit, len(unit)) for unit in pairs], UCS2_CODING, is_septets=False)


def _national(text: str, form: TextForm) -> _Units | None:
    """The text with the national tables that need the least space; None if none have all its
    characters. With the same space, those that the form names first."""
    found: list[_Units] = []
    singles = [0, *(NUMBERS[one] for one in form.national)]
    for locking in [0, *(NUMBERS[one] for one in form.national_locking)]:
        for single in singles if locking else singles[1:]:
            if not septets(locking, single).keys() >= set(text):
                continue
            units = _septets(text, locking, single)
            header = _shift(SINGLE_SHIFT, single) + _shift(LOCKING_SHIFT, locking)
            found.append(_Units(units, form.data_coding, is_septets=True, header=header))
    return min(found, key=_space, default=None)


def _space(written: _Units) -> int:
    """The septets of a text in one part."""
    return sum(cost for _, cost in written.units) - _room(written, len(written.header))


def _shift(element: int, language: int) -> bytes:
    return bytes((element, 1, language)) if language else b""


def _septets(text: str, locking: int = 0, single: int = 0) -> list[tuple[bytes, int]]:
    codes = septets(locking, single)
    units = (codes[char] for char in text)
    return [(unit, len(unit)) for unit in units]


def _room(written: _Units, header_octets: int) -> int:
    """The space in a part besides a header of this many octets, which has its length before it."""
    taken = header_octets + 1 if header_octets else 0
    if written.is_septets:
        return _SEPTETS - -(-taken * 8 // 7)
    return _OCTETS - taken


def _by_headers(written: _Units, reference: int, is_wide: bool) -> Iterator[SmsPart]:
    reference_octets = 2 if is_wide else 1
    element = 8 if is_wide else 0
    octets = len(written.header) + 4 + reference_octets
    bodies = _bodies(written.units, _room(written, octets))
    wide = reference % 0x10000 if is_wide else reference % 0x100
    for number, body in enumerate(bodies, 1):
        joint = bytes((element, reference_octets + 2)) + wide.to_bytes(reference_octets, "big")
        header = _with_length(joint + bytes((len(bodies), number)) + written.header)
        yield _part(number, header + body, written.coding, has_header=True)


def _by_parameters(written: _Units, reference: int) -> Iterator[SmsPart]:
    bodies = _bodies(written.units, _room(written, _SAR_OCTETS - 1))
    for number, body in enumerate(bodies, 1):
        parameters = {
            SAR_REFERENCE: (reference % 0x10000).to_bytes(2, "big"),
            SAR_TOTAL: bytes((len(bodies),)),
            SAR_NUMBER: bytes((number,)),
        }
        yield SmsPart(number, body, written.coding, 0, parameters)


def _with_length(elements: bytes) -> bytes:
    return bytes((len(elements),)) + elements if elements else b""


def _part(number: int, body: bytes, coding: int, has_header: bool) -> SmsPart:
    return SmsPart(number, body, coding, UDH_INDICATOR if has_header else 0)


def _bodies(units: list[tuple[bytes, int]], room: int) -> list[bytes]:
    bodies = list(_chunks(units, room))
    if len(bodies) > MOST_PARTS:
        raise UnsendableError("too_long")
    return bodies


def _chunks(units: list[tuple[bytes, int]], room: int) -> Iterator[bytes]:
    chunk, taken = b"", 0
    for unit, cost in units:
        if taken + cost > room:
            yield chunk
            chunk, taken = b"", 0
        chunk += unit
        taken += cost
    yield chunk
