"""Texts of a rules file: those in the file, and those in the directory next to it.

The directory of ``rules.yaml`` can contain ``rules.texts/`` with a file per locale (``pl.yaml``).
Each maps rule ids to texts. So translators need not edit the rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from errno import EFBIG
from functools import partial
from importlib import resources
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from streamproc.contracts.rules_file.format.locales import MOST_LOCALES
from streamproc.contracts.rules_file.read.field_lines import Lines, SyntaxProblem, field_name
from streamproc.contracts.rules_file.read.field_lines import Path as FieldPath
from streamproc.contracts.rules_file.read.parse import MAX_BYTES, parse, read_regular_file
from streamproc.core.rules.as_written import entries
from streamproc.core.rules.commands import REPLIES
from streamproc.core.rules.fields import LOCALE_PATTERN, TextEntry
from streamproc.core.rules.rulebook import TextOptions
from streamproc.core.texts.segments import segments

SUFFIXES = (".yaml", ".yml", ".toml")
MAX_TEXTS_BYTES = 4 * MAX_BYTES
"""The size of all files of a texts directory."""
MOST_PARTS = 255
"""The number of parts has one octet (3GPP TS 23.040, 9.2.3.24.1)."""
TEXT_DEPTH = len(("rules", 0, "texts", "en"))
"""The length of the path of one text. A problem inside of a text is reported for the file that has
the text, which need not be the rules file."""


class Content(NamedTuple):
    """The content of a rules file, and of the text files by path."""

    rules: bytes
    texts: dict[str, bytes]


def read(rules: Path) -> Content:
    """Read a rules file and its texts. Raises ``OSError``, also if all texts are too large."""
    directory = rules.with_suffix(".texts")
    found = sorted(directory.iterdir()) if directory.is_dir() else []
    files = [one for one in found if one.suffix in SUFFIXES and not one.name.startswith(".")]
    if len(files) > MOST_LOCALES:
        problem = f"there are more than {MOST_LOCALES} files of texts"
        raise OSError(EFBIG, problem, str(directory))
    content, size = Content(read_regular_file(rules), {}), 0
    for one in files:
        text = read_regular_file(one)
        size += len(text)
        if size > MAX_TEXTS_BYTES:
            problem = f"the texts have more than {MAX_TEXTS_BYTES >> 20} MiB"
            raise OSError(EFBIG, problem, str(directory))
        content.texts[str(one)] = text
    return content


def packaged_content(name: str) -> Content:
    """A packaged file and its texts."""
    packaged = resources.files("streamproc.contracts") / "rules"
    directory = str(PurePath(name).with_suffix(".texts"))
    beside = packaged / directory
    files = beside.iterdir() if beside.is_dir() else ()
    texts = {f"{directory}/{one.name}": one.read_bytes() for one in files}
    return Content((packaged / name).read_bytes(), texts)


def templates(written: Any) -> Iterator[tuple[FieldPath, str]]:
    """All templates of a text in a file, each with its place in the fields of the text.

    Values of a wrong type are skipped: they are reported elsewhere.
    """
    if isinstance(written, str):
        yield (), written
    elif isinstance(written, dict):
        if isinstance(written.get("text"), str):
            yield ("text",), written["text"]
        channels = written.get("channels")
        for channel, template in channels.items() if isinstance(channels, dict) else ():
            if isinstance(template, str):
                yield ("channels", channel), template


def options_of(
    owners: Iterable[tuple[str, Mapping[str, str | TextEntry]]],
) -> dict[tuple[str, str], TextOptions]:
    """Options of texts beyond the template, by owner and locale; most texts have none."""
    return {
        (owner, locale): TextOptions(one.max_segments, dict(one.channels))
        for owner, texts in owners
        for locale, one in texts.items()
        if isinstance(one, TextEntry)
    }


def long_texts(data: dict[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    """Texts that no SMS can carry, whatever their figures are."""
    for owner in _owners(data).values():
        texts: Any = data
        for part in owner.path:
            inside = isinstance(texts, list) or (isinstance(texts, dict) and part in texts)
            texts = texts[part] if inside else None
        for locale, written in texts.items() if isinstance(texts, dict) else ():
            for place, template in templates(written):
                parts = segments(template)[1] if place[:1] != ("channels",) else 0
                if parts > MOST_PARTS:
                    problem = f"needs {parts} parts of an SMS; phones join at most {MOST_PARTS}"
                    yield (*owner.path, locale, *place), problem


class TextOrigin(NamedTuple):
    """A text that came from the texts directory."""

    filename: str
    lines: Lines
    owner: str

    def problem(self, rest: FieldPath, problem: str) -> str:
        """A problem of the field ``rest`` of this text, as ``FILE:LINE: field: problem``."""
        path = (self.owner, *rest)
        return f"{self.filename}:{self.lines.of(path)}: {field_name(path)}: {problem}"


class _Owner(NamedTuple):
    """An entry that can have texts."""

    path: FieldPath
    """Path of its texts by locale."""
    texts: Callable[[], Any]
    """The texts themselves; created if there are none."""


def _owners(data: dict[str, Any]) -> dict[str, _Owner]:
    """Rules and notices by id, replies by ``reply.`` and their name."""
    found = {}
    for section in ("notices", "rules"):
        for index, one in entries(data, section):
            if isinstance(one.get("id"), str):
                texts = partial(one.setdefault, "texts", {})
                found[one["id"]] = _Owner((section, index, "texts"), texts)
    commands = data.get("commands")
    if isinstance(commands, dict):
        replies = commands.get("texts", {})
        for name in REPLIES if isinstance(replies, dict) else ():
            path = ("commands", "texts", name)
            found[f"reply.{name}"] = _Owner(path, partial(_texts_of_reply, commands, name))
    return found


def _texts_of_reply(commands: dict[str, Any], name: str) -> Any:
    return commands.setdefault("texts", {}).setdefault(name, {})


class TextsDirectory:
    """The files of a texts directory, and the problems within each file."""

    def __init__(self, files: Mapping[str, bytes | str]) -> None:
        """``files`` maps paths, as error messages show them, to the content of the files."""
        self.problems: list[str] = []
        self._read: list[tuple[str, dict[str, Any], str, Lines]] = []
        for filename, content in sorted(files.items()):
            self._load(filename, content)

    def merge_into(self, data: dict[str, Any], rules_file: str) -> dict[FieldPath, TextOrigin]:
        """Add the texts to the rules, notices and replies of a file. Returns the new place of each
        text."""
        owners = _owners(data)
        origins = {}
        for locale, found, filename, lines in self._read:
            for name, written in found.items():
                origin = TextOrigin(filename, lines, name)
                owner = owners.get(name)
                if owner is None:
                    self.problems.append(origin.problem((), f"{rules_file} has no such rule"))
                    continue
                texts = owner.texts()
                if not isinstance(texts, dict):
                    continue  # the wrong type is reported with the rule
                elif locale in texts:
                    twice = f"there is a text in {locale} already"
                    self.problems.append(origin.problem((), twice))
                else:
                    texts[locale] = written
                    origins[*owner.path, locale] = origin
        return origins

    def _load(self, filename: str, content: bytes | str) -> None:
        locale = PurePath(filename).stem
        if re.search(LOCALE_PATTERN, locale) is None:
            wanted = "the name must be a language tag, such as pl.yaml"
            self.problems.append(f"{filename}:1: {wanted}")
            return
        try:
            data, lines = parse(content, filename)
        except SyntaxProblem as problem:
            self.problems.append(str(problem))
            return
        for line, path, told in lines.problems:
            self.problems.append(f"{filename}:{line}: {field_name(path)}: {told}")
        self._read.append((locale, data, filename, lines))
