"""Commands in pages of documentation: found in blocks of code and in code within a line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.M | re.S)
_INDENTED = re.compile(r"^(?: {4})(?! *[-*] ).*(?:\n {4}.*)*", re.M)
_INLINE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
_PROGRAM = re.compile(r"(?:\.venv/bin/)?(streamproc|make|python3?|pytest)\s")
_ENDS = set("|&;()") | {"&&", "||", ";;"}
_REDIRECTIONS = {"<", ">", ">>", "<<<", ">&"}


class Found(NamedTuple):
    """One command: its words, and whether it is whole (not code within a line)."""

    words: tuple[str, ...]
    is_whole: bool


def commands_of(page: str, *names: str) -> Iterator[Found]:
    """All commands of a page, without pipes and redirections.

    Within a line, one of ``names`` with an option is a command of ``streamproc``.
    """
    short = re.compile(rf"({'|'.join(names)}) .*--[a-z]" if names else r"(?!)", re.S)
    rest = page
    for language, block in _FENCE.findall(page):
        lines = block.replace("\\\n", " ").splitlines()
        if language == "console":
            lines = [line.strip()[2:] for line in lines if line.strip().startswith("$ ")]
        elif language not in ("sh", "bash"):
            continue
        for line in lines:
            yield from (Found(words, True) for words in _commands(line))
    rest = _FENCE.sub("", rest)
    for block in _INDENTED.findall(rest):
        for line in block.replace("\\\n", " ").splitlines():
            if _PROGRAM.match(line.strip() + " "):
                yield from (Found(words, True) for words in _commands(line))
    for code in _INLINE.findall(_INDENTED.sub("", rest)):
        if _PROGRAM.match(code + " "):
            yield from (Found(words, False) for words in _commands(code))
        elif short.match(code):
            yield from (Found(("streamproc", *words), False) for words in _commands(code))


def _commands(line: str) -> Iterator[tuple[str, ...]]:
    reader = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    reader.whitespace_split = True
    reader.commenters = "#"
    words: list[str] = []
    skips = False
    for word in reader:
        if word in _ENDS:
            yield from _whole(words)
            words = []
        elif word in _REDIRECTIONS:
            skips = True
        elif skips:
            skips = False
        else:
            words.append(word)
    yield from _whole(words)


def _whole(words: list[str]) -> Iterator[tuple[str, ...]]:
    """Without variables that are set for one command."""
    while words and re.fullmatch(r"[A-Z][A-Z0-9_]*=.*", words[0]):
        words = words[1:]
    if words:
        yield tuple(words)
