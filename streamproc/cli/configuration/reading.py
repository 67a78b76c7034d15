"""Reads ``streamproc.toml``: bounded, whole, and with the line of each key."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from streamproc.contracts.rules_file.read.field_lines import Lines, SyntaxProblem
from streamproc.contracts.rules_file.read.toml_reader import parse
from streamproc.errors import StreamprocError
from streamproc.input_files import opened
from streamproc.printable import printable_lines, printed_name

MOST_BYTES = 64 * 1024
LONGEST_LINE = 2_000
"""In characters. ``tomllib`` takes minutes for a key of many thousand parts."""


class ConfigError(StreamprocError, click.ClickException):
    """Problems of a file as FILE:LINE: key: problem, each on a line."""

    has_lines = True

    def show(self, file: Any = None) -> None:
        click.echo(printable_lines(self.message), file=file, err=True)


@dataclass(frozen=True)
class Document:
    """A file that could be read."""

    path: Path
    tables: dict[str, Any] = field(repr=False)  # they may hold secrets
    lines: Lines
    is_public: bool
    """Whether everybody on this machine may read it."""

    @property
    def folder(self) -> Path:
        """What relative paths in the file are relative to."""
        return self.path.absolute().parent


def read_document(path: Path) -> Document:
    """Read and parse the file. Raises :class:`ConfigError`."""
    content, mode = _bytes_of(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{printed_name(path)}:{at}: is not UTF-8 text") from None
    text = text.replace("\r\n", "\n")  # as editors of Windows end lines
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LONGEST_LINE:
            raise ConfigError(
                f"{printed_name(path)}:{number}: is longer than {LONGEST_LINE:,} characters"
            )
    try:
        tables, lines = parse(text, str(path))
    except SyntaxProblem as error:
        raise ConfigError(str(error)) from None
    except RecursionError:
        raise ConfigError(f"{printed_name(path)}:1: not TOML: it is nested too deeply") from None
    return Document(path, tables or {}, lines, bool(mode & stat.S_IROTH))


def _bytes_of(path: Path) -> tuple[bytes, int]:
    """Content and mode. /dev/null is an empty file."""
    if str(path) == os.devnull:
        return b"", 0
    try:
        with opened(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{printed_name(path)}: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{printed_name(path)}: is larger than {MOST_BYTES // 1024} KiB")
    return content, mode
