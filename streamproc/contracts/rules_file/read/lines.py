"""The line of each field of a file."""

from __future__ import annotations

from streamproc.core.rules.as_written import Path as Path
from streamproc.errors import StreamprocError


class SyntaxProblem(StreamprocError, ValueError):  # reported to the operator, not raised further
    """The text is no YAML or TOML at all; the message names file and line."""

    def __init__(self, filename: str, line: int, problem: str) -> None:
        super().__init__(f"{filename}:{line}: {problem}")


class Lines:
    """Lines, from 1, by path; and what parsing already found wrong."""

    def __init__(self) -> None:
        self.problems: list[tuple[int, Path, str]] = []
        self._lines: dict[Path, int] = {}

    def put(self, path: Path, line: int) -> None:
        """The first line given for a path stays."""
        self._lines.setdefault(path, line)

    def of(self, path: Path) -> int:
        """Line of a field, or of the nearest field around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def field_name(path: Path) -> str:
    """A path as people write it: ``plans[0].allowances[1].id``."""
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return name.lstrip(".")
