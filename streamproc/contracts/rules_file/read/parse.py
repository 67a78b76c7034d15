"""Reads a file of an operator into plain data and remembers the line of each field.

Rules files, gateways files and mapping files are read here. Whatever a file contains, the result is
plain data that later checks can handle, or a problem with its line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from streamproc.contracts.rules_file.read import toml_reader, yaml_reader
from streamproc.contracts.rules_file.read.field_lines import (
    MAX_FIELDS,
    Lines,
    Path,
    SyntaxProblem,
    field_name,
)
from streamproc.input_files import opened, opened_also_pipe

MAX_BYTES = 4 << 20
"""A larger file is none that people write. Such a one takes a second, an odd one five."""
MAX_DEPTH = 32
"""No file of ours is nested half as deeply."""
MAX_DIGITS = 19
"""Python reads and writes larger numbers too, but nothing that reads our records does."""

_NO_TEXT = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Control characters without a meaning in texts, and code points that no encoding can write."""


def read_file(path: FilePath) -> bytes:
    """The bytes of a file, or of one that is too large just so many that :func:`parse` says so.

    Raises ``OSError``.
    """
    with opened_also_pipe(path) as file:
        return file.read(MAX_BYTES + 1)


def read_regular_file(path: FilePath) -> bytes:
    """As :func:`read_file`, but a pipe or a device is refused: to read one can take for ever."""
    with opened(path) as file:
        return file.read(MAX_BYTES + 1)


def decode(data: bytes, filename: str) -> str:
    """The text of a file, without a byte order mark.

    Raises :class:`SyntaxProblem` at the first byte that is not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise SyntaxProblem(filename, 1, f"larger than {MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"not UTF-8: byte 0x{data[error.start]:02x}; save the file as UTF-8"
        raise SyntaxProblem(filename, line, problem) from None


def parse(
    source: str | bytes, filename: str, fields: str = "version, plans, ..."
) -> tuple[dict[str, Any], Lines]:
    """The fields of a file: TOML if the file name ends so, else YAML.

    ``fields`` are examples of fields for a message. Raises :class:`SyntaxProblem` if it is neither.
    ``Lines.problems`` lists what is wrong with single fields (a field given twice, a number that
    readers could understand differently).
    """
    text = decode(source, filename) if isinstance(source, bytes) else source
    parser = toml_reader.parse if filename.endswith(".toml") else yaml_reader.parse
    try:
        data, lines = parser(text, filename)
    except RecursionError:
        raise SyntaxProblem(filename, 1, "nested too deeply") from None
    if data is None:
        raise SyntaxProblem(filename, 1, "the file is empty")
    if not isinstance(data, dict):
        raise SyntaxProblem(filename, 1, f"must be a mapping with the fields {fields}")
    for count, (path, value) in enumerate(_walk(data, ()), 1):
        line = lines.of(path)
        if count > MAX_FIELDS:
            raise SyntaxProblem(filename, line, f"more than {MAX_FIELDS} fields")
        if len(path) > MAX_DEPTH:
            raise SyntaxProblem(filename, line, "nested too deeply")
        problem = _problem(value)
        if problem is not None:
            # At once: later checks could stumble over such a value.
            raise SyntaxProblem(filename, line, f"{field_name(path)}: {problem}")
    return data, lines


def _walk(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every value of a file, and the names of its fields, with their places."""
    yield path, node
    if len(path) > MAX_DEPTH:
        return
    if isinstance(node, dict):
        for name, value in node.items():
            if _NO_TEXT.search(name):
                yield path, name
            yield from _walk(value, (*path, name))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _walk(value, (*path, index))


def _problem(value: Any) -> str | None:
    """Why no field can have this value; None if some can."""
    if isinstance(value, str):
        found = _NO_TEXT.search(value)
        return found and f"has the character U+{ord(found[0]):04X}, which is none of a text"
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        return f"is a number of more than {MAX_DIGITS} digits"
    return None
