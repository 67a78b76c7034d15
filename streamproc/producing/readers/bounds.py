"""Bounds of what one file may make a reader hold at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, TextIO, overload

MAX_LINE_BYTES: Final = 1 << 20
"""No record of a topic is that large."""
TOO_LONG: Final = f"is longer than {MAX_LINE_BYTES >> 20} MiB"
MAX_JSON_BYTES: Final = 64 << 20
"""The size of an array, which is read as a whole."""
MAX_JSON_VALUES: Final = 8 << 20
"""In such an array. A value takes more memory than its text."""


@overload
def bounded_lines(content: BinaryIO) -> Iterator[bytes | None]: ...
@overload
def bounded_lines(content: TextIO) -> Iterator[str | None]: ...
def bounded_lines(content: BinaryIO | TextIO) -> Iterator[bytes | str | None]:
    """The lines with their ends; None for a line that is too long, whose rest is skipped."""
    while line := content.readline(MAX_LINE_BYTES):
        if len(line) < MAX_LINE_BYTES or _ends(line):
            yield line
            continue
        # A line of exactly so many bytes may be the last one, so the next part decides.
        part = content.readline(MAX_LINE_BYTES)
        while part and not _ends(part):
            part = content.readline(MAX_LINE_BYTES)
        yield None


def _ends(line: bytes | str) -> bool:
    return line[-1:] in (b"\n", "\n", "\r")
