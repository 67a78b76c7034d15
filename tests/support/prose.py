"""The prose in source files: comments, docstrings, log lines, messages of errors.

``tests/house/test_plain_english.py`` checks its language.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_DIRECTIVE = re.compile(r"#\s*(noqa|type:|pragma|fmt:|ruff|!)")
_EXAMPLE = re.compile(r"──|--{2,}|>>>|streamproc \w+ [^ ]+ ?-|^\s*\|")
_CODE = re.compile(r"``[^`]*``|:\w+:`[^`]*`|`[^`]*`")
_RUST_COMMENT = re.compile(r"^\s*//[/!]?\s?(.*)$")


class Prose(NamedTuple):
    """A paragraph, with code replaced by ``X``; ``line`` is the first line of the whole text."""

    line: int
    text: str


def prose_of(path: Path) -> list[Prose]:
    """The paragraphs in a file of Python or Rust."""
    source = path.read_text(encoding="utf-8")
    found = _in_rust(source) if path.suffix == ".rs" else [*_comments(source), *_strings(source)]
    return [Prose(line, part) for line, text in found for part in _paragraphs(text)]


def sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph. A colon or semicolon ends one, too."""
    return re.split(r"(?<=[.:;?!])\s", paragraph)


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs and list items. Drawings, examples and tables are not prose."""
    for part in re.split(r"\n\s*\n|\n(?=\s*(?:- |\d+\. ))", text):
        lines = part.strip("\n").splitlines()
        indents = [len(line) - len(line.lstrip()) for line in lines[1:]]
        is_block = bool(indents) and min(indents) >= 4 and lines[0].startswith(" ")
        if not is_block and not _EXAMPLE.search(part):
            yield " ".join(_CODE.sub("X", part).split())


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Comments; those on consecutive lines are one text."""
    block: list[str] = []
    begin = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or _DIRECTIVE.match(token.string):
            continue
        line, is_alone = token.start[0], not token.line[: token.start[1]].strip()
        if block and not (is_alone and line == last + 1):
            yield begin, "\n".join(block)
            block = []
        begin = begin if block else line
        block.append(token.string.lstrip("#: "))
        last = line
    if block:
        yield begin, "\n".join(block)


def _strings(source: str) -> Iterator[tuple[int, str]]:
    """Docstrings, texts of raised errors, and texts of calls that log or print."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, str):
                yield node.lineno, _dedented(node.value.value)
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from _texts_in(node.exc)
        elif isinstance(node, ast.Call) and _says(node.func):
            yield from _texts_in(node)


def _says(called: ast.expr) -> bool:
    """Whether a call logs (``log.info``, ``self.log.info``) or prints (``click.echo``)."""
    if not isinstance(called, ast.Attribute):
        return isinstance(called, ast.Name) and called.id == "print"
    of = called.value
    name = of.id if isinstance(of, ast.Name) else getattr(of, "attr", "")
    return name == "log" or (name, called.attr) == ("click", "echo")


def _texts_in(call: ast.Call) -> Iterator[tuple[int, str]]:
    """The literal parts of arguments; ``X`` stands for the others."""
    for argument in call.args:
        parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
        words = [
            str(part.value) if isinstance(part, ast.Constant) else "X"
            for part in parts
            if isinstance(part, ast.Constant | ast.FormattedValue)
        ]
        if len("".join(words).split()) > 1:
            yield argument.lineno, "".join(words)


def _dedented(docstring: str) -> str:
    first, _, rest = docstring.partition("\n")
    lines = rest.splitlines()
    margin = min((len(one) - len(one.lstrip()) for one in lines if one.strip()), default=0)
    return "\n".join([first.strip(), *(one[margin:] for one in lines)])


def _in_rust(source: str) -> Iterator[tuple[int, str]]:
    block: list[str] = []
    begin = 0
    for number, line in enumerate([*source.splitlines(), ""], 1):
        found = _RUST_COMMENT.match(line)
        if found:
            begin = begin if block else number
            block.append(found[1])
        elif block:
            yield begin, "\n".join(block)
            block = []
