"""Rules text to plain data, remembering on which line each field stands."""

from __future__ import annotations

import tomllib
from typing import Any

import yaml

Path = tuple[str | int, ...]


class SyntaxProblem(ValueError):  # reported to the operator, not raised further
    """The text is not YAML or TOML at all; the message names file and line."""


class Source:
    """Parsed data and the lines of its fields."""

    def __init__(self, filename: str, data: dict[str, Any], lines: dict[Path, int]) -> None:
        self.filename = filename
        self.data = data
        self._lines = lines

    def line(self, path: Path) -> int:
        """Line (from 1) of a field, or of the nearest field around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def parse(text: str, filename: str) -> Source:
    """Raises :class:`SyntaxProblem`."""
    if filename.endswith(".toml"):
        return _parse_toml(text, filename)
    return _parse_yaml(text, filename)


def _parse_yaml(text: str, filename: str) -> Source:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SyntaxProblem(f"{filename}:{line}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise SyntaxProblem(f"{filename}:1: not YAML: {error}") from None
    if not isinstance(data, dict):
        raise SyntaxProblem(f"{filename}:1: must be a mapping with the fields plans, rules, ...")
    lines: dict[Path, int] = {}
    _mark(node, (), lines, filename)
    return Source(filename, data, lines)


def _mark(node: Any, path: Path, lines: dict[Path, int], filename: str) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            if inner in lines:
                # PyYAML keeps the last of two equal keys; the operator must know of the first.
                line = key.start_mark.line + 1
                raise SyntaxProblem(f"{filename}:{line}: {key.value}: given twice")
            lines[inner] = key.start_mark.line + 1
            _mark(value, inner, lines, filename)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _mark(value, (*path, index), lines, filename)


def _parse_toml(text: str, filename: str) -> Source:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = str(error).rpartition("at line ")[2].split(",")[0]
        line = int(found) if found.isdigit() else text.count("\n") + 1
        raise SyntaxProblem(f"{filename}:{line}: not TOML: {error}") from None
    return Source(filename, data, _toml_lines(text))


def _toml_lines(text: str) -> dict[Path, int]:
    """Lines of tables and keys; tomllib keeps none, so headers and ``key =`` are followed."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("["):
            array = line.startswith("[[")
            table = ()
            names = [name.strip().strip("\"'") for name in line.strip("[] ").split(".")]
            for depth, name in enumerate(names):
                table = (*table, name)
                last = depth == len(names) - 1
                if last and array:
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table = (*table, counts[table])
            lines.setdefault(table, number)
        elif "=" in line and not line.startswith("#"):
            name = line.partition("=")[0].strip().strip("\"'")
            lines.setdefault((*table, *name.split(".")), number)
    return lines
