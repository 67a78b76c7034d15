"""Files of FreeRADIUS's ``detail`` module: accounting records, one attribute per line.

A record begins with a line that contains a date. Attributes are indented. A blank line
ends the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from streamproc.producing.readers.bounds import bounded_lines

Attributes = dict[str, str]
MAX_ATTRIBUTES = 1_000
"""A packet has room for fewer."""
_TOO_LONG = b"\ta line that is too long\n"


def attribute_tables(content: BinaryIO) -> Iterator[tuple[int, Attributes | None]]:
    """Line number of its date, and attributes of each record; None: it is truncated, or not a
    record.

    If an attribute occurs several times, the first counts.
    """
    begun, attributes, is_record = 0, Attributes(), True
    text = b""
    for line, held in enumerate(bounded_lines(content), 1):
        text = _TOO_LONG if held is None else held
        if not text.strip():
            if begun:
                yield begun, attributes if is_record and attributes else None
            begun, attributes, is_record = 0, Attributes(), True
            continue
        if not begun:
            begun = line
        if text[:1] not in b" \t":
            # A date begins a record, also if the blank line before it is missing.
            if attributes:
                yield begun, attributes if is_record else None
                attributes, is_record = Attributes(), True
            begun = line
            is_record = b" = " not in text
            continue
        name, equals, value = text.decode(errors="replace").strip().partition(" = ")
        if equals and len(attributes) < MAX_ATTRIBUTES:
            attributes.setdefault(name, _plain(value))
        else:
            is_record = False
    if begun:
        # Only the line end of the last line shows that the record is complete.
        is_whole = is_record and text.endswith(b"\n") and bool(attributes)
        yield begun, attributes if is_whole else None


def _plain(value: str) -> str:
    """A value without its quotes."""
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value
