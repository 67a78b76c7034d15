r"""Text of others on a terminal and in logs: characters that steer a terminal are shown, not sent.

Escape sequences can hide lines, rename windows and fill the input of a shell. Characters of
direction can make one number look like another. Each is shown as ``\uXXXX``, which is the same
character in a JSON string: so a line of JSON stays the same JSON.
"""

from __future__ import annotations

import re
from typing import Final

_STEERING: Final = (
    "\x00-\x1f\x7f-\x9f"  # controls, with those of one byte in Latin-1
    "\xad\u061c\u180e\u200b\u200e\u200f"  # invisible, or marks of direction
    "\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # line ends, direction, more invisible ones
    "\ud800-\udfff"  # halves of characters, which no encoding can write
    "\U000e0000-\U000e007f"  # tags, which are invisible
)
_IN_A_LINE: Final = re.compile(f"[{_STEERING}]")
_IN_LINES: Final = re.compile(f"(?![\n\t])[{_STEERING}]")


def printable(text: str) -> str:
    """A text as a part of one line, such as a file name or an id."""
    return text if text.isascii() and text.isprintable() else _IN_A_LINE.sub(_escaped, text)


def printed_name(file: object) -> str:
    """The name of a file for a message. A name can hold line ends and any control character."""
    return printable(str(file))


def printable_lines(text: str) -> str:
    """Lines that a program wrote, with texts of others in them: line ends and tabs stay."""
    return _IN_LINES.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
