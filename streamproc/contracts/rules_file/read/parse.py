"""Reads rules text into plain data and remembers the line of each field."""

from __future__ import annotations

from typing import Any

from streamproc.contracts.rules_file.read import toml_reader, yaml_reader
from streamproc.contracts.rules_file.read.lines import Lines, SyntaxProblem


def decode(data: bytes, filename: str) -> str:
    """The text of a rules file, without a byte order mark.

    Raises :class:`SyntaxProblem` at the first byte that is not UTF-8.
    """
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"not UTF-8: byte 0x{data[error.start]:02x}; save the file as UTF-8"
        raise SyntaxProblem(filename, line, problem) from None


def parse(text: str, filename: str) -> tuple[dict[str, Any], Lines]:
    """The fields of a file: TOML if the file name ends so, else YAML.

    Raises :class:`SyntaxProblem` if it is neither. ``Lines.problems`` lists what is wrong with
    single fields (a field given twice, a number that readers could understand differently).
    """
    parser = toml_reader.parse if filename.endswith(".toml") else yaml_reader.parse
    try:
        data, lines = parser(text, filename)
    except RecursionError:
        raise SyntaxProblem(filename, 1, "nested too deeply") from None
    if data is None:
        raise SyntaxProblem(filename, 1, "the file is empty")
    if not isinstance(data, dict):
        raise SyntaxProblem(filename, 1, "must be a mapping with the fields version, plans, ...")
    return data, lines
