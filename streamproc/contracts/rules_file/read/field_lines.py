"""The line of each field of a file."""

from __future__ import annotations

from collections.abc import Iterable

from streamproc.core.rules.as_written import Path as Path
from streamproc.errors import StreamprocError
from streamproc.printable import printable

MAX_FIELDS = 100_000
"""Aliases of aliases can grow exponentially. A real rules file never has this many fields."""

MOST_PROBLEMS = 100
"""Nobody reads more of them at once, and they are one line of a log."""
_SHOWN_CHARACTERS = 100
_LONGEST_PROBLEM = 2_000
"""Characters. A value of a file may be as long as the file."""


# It is reported to the operator, so it needs no "Error" in its name.
class SyntaxProblem(StreamprocError, ValueError):
    """The text is neither YAML nor TOML. The message names file and line."""

    def __init__(self, filename: str, line: int, problem: str) -> None:
        super().__init__(_in_a_line(f"{filename}:{line}: {problem}"))


class Lines:
    """Lines by path, counted from 1; and the problems that parsing has found."""

    def __init__(self) -> None:
        self.problems: list[tuple[int, Path, str]] = []
        self._lines: dict[Path, int] = {}

    def put(self, path: Path, line: int) -> None:
        """Store the line of a path; the first one counts."""
        self._lines.setdefault(path, line)

    def of(self, path: Path) -> int:
        """Line of a field, or of the nearest field around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def field_name(path: Path) -> str:
    """A path as people write it: ``plans[0].allowances[1].id``."""
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{_shown(part)}" for part in path)
    return name.lstrip(".")


def _shown(name: str) -> str:
    return printable(name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}...")


def told(filename: str, problems: list[str]) -> str:
    """The lines of problems, if they are very many only the first ones."""
    more = len(problems) - MOST_PROBLEMS
    if more > 0:
        problems = [*problems[:MOST_PROBLEMS], f"{filename}:1: and {more} more problems"]
    return "\n".join(map(_in_a_line, problems))


def _in_a_line(problem: str) -> str:
    if len(problem) > _LONGEST_PROBLEM:
        problem = f"{problem[:_LONGEST_PROBLEM]}..."
    return printable(problem)


def listed(filename: str, problems: Iterable[tuple[int, Path, str]]) -> str:
    """Problems (line, path, problem) as ``FILE:LINE: field: problem``, in the order of the file.

    One problem is enough for each path: others of the same path follow from it.
    """
    first: dict[Path, tuple[int, str]] = {}
    for line, path, problem in problems:
        first.setdefault(path, (line, f"{field_name(path)}: {problem}" if path else problem))
    return told(filename, [f"{filename}:{line}: {one}" for line, one in sorted(first.values())])
