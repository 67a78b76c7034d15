"""TOML to plain data and lines.

``tomllib`` checks and reads the text but does not report positions. So this module walks the text,
which is valid by then, a second time to find the lines of its keys.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Any

from streamproc.contracts.rules_file.read.field_lines import MAX_FIELDS, Lines, Path, SyntaxProblem

_AT = re.compile(r"\(at line (\d+), column \d+\)$")
_GAP = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN_VALUE = re.compile(r"[^,\]}#\n]+")
_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DEEP_NAME = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_NAME}[ \t]*\.[ \t]*){{64}}")
"""``tomllib`` takes time with the square of the number of names that dots join."""
_MARKS = "=,[{"
_MAX_MARKS = 4 * MAX_FIELDS
"""Each field has one of these characters, and texts have some more."""


def parse(text: str, filename: str) -> tuple[Any, Lines]:
    """Data and lines; the data is None if the file is empty. Raises :class:`SyntaxProblem`."""
    if sum(map(text.count, _MARKS)) > _MAX_MARKS:
        raise SyntaxProblem(filename, 1, f"more than {MAX_FIELDS} fields")
    deep = _DEEP_NAME.search(text)
    if deep is not None:
        line = text.count("\n", 0, deep.start()) + 1
        raise SyntaxProblem(filename, line, "nested too deeply")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        # An error without a place is at the end of the document. Blank lines there would not
        # help a reader.
        line = int(at[1]) if at else text.rstrip().count("\n") + 1
        raise SyntaxProblem(filename, line, f"not TOML: {error}") from None
    except ValueError as error:  # a number with more than 4,300 digits
        raise SyntaxProblem(filename, 1, f"not TOML: {error}") from None
    places = _Places(text)
    places.walk()
    return data or None, places.lines


class _Places:
    """Walks a valid TOML document and notes the line of each key."""

    def __init__(self, text: str) -> None:
        self.lines = Lines()
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._tables: dict[Path, int] = {}
        """Index of the present table in each array of tables."""

    def walk(self) -> None:
        table: Path = ()
        while self._skip(_GAP) < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        line = self._line()
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        names = self._key()
        self._at += 2 if is_array else 1
        table: Path = ()
        for depth, name in enumerate(names):
            table = (*table, name)
            if is_array and depth == len(names) - 1:
                self.lines.put(table, line)
                self._tables[table] = self._tables.get(table, -1) + 1
            if table in self._tables:
                table = (*table, self._tables[table])
            self.lines.put(table, line)
        return table

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for name in self._key():
            path = (*path, name)
            self.lines.put(path, line)
        self._at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(path)

    def _key(self) -> list[str]:
        names = []
        while True:
            self._skip(_BLANK)
            start = self._at
            quoted = self._text[start] in "\"'"
            raw = self._text[start : self._skip(_STRING if quoted else _BARE_KEY)]
            # The library decodes the escapes of a quoted key; a second decoder could differ.
            names.append(next(iter(tomllib.loads(f"{raw} = 0"))) if quoted else raw)
            self._skip(_BLANK)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._skip(_STRING)
        elif first == "[":
            self._at += 1
            index = 0
            while self._text[self._skip(_GAP)] != "]":
                self.lines.put((*path, index), self._line())
                self._value((*path, index))
                index += 1
            self._at += 1
        elif first == "{":
            self._at += 1
            while self._text[self._skip(_GAP)] != "}":
                self._pair(path)
            self._at += 1
        else:
            self._skip(_PLAIN_VALUE)

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        """Move behind a match at the present place and return it. A valid document has such a
        match."""
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return self._at
