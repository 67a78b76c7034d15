"""The two grammars of templates, parsed to nodes.

A *plain* text has ``{placeholders}`` and nothing else; a literal brace is doubled. A text in which
any placeholder has a type (``{days, plural, one {# day} other {# days}}``) is an *ICU message*; in
it apostrophes quote. The library pyicumessageformat parses ICU messages.

A node is a literal, or a mapping with ``name``, and in an ICU message ``type``, ``format``,
``options`` (nodes by branch), ``offset``. ``{"hash": True}`` stands for ``#``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from string import Formatter
from typing import Any, Final

from streamproc.errors import StreamprocError

_TYPED: Final = re.compile(r"\{\s*\w+\s*,")
_MAX_DEPTH: Final = 8


class TextError(StreamprocError, ValueError):
    """A template that cannot be rendered; the message says why."""


@lru_cache(maxsize=10_000)
def read_nodes(source: str) -> list[Any]:
    """The nodes of a template. Raises :class:`TextError`. Callers share the nodes and must not
    change them.

    The same texts are read several times: when the rules file is checked, when it is used, when it
    is shown. Therefore the nodes are cached.
    """
    undoubled = source.replace("{{", "").replace("}}", "")
    return _message(source) if _TYPED.search(undoubled) else _plain(source)


def _plain(source: str) -> list[Any]:
    try:
        parsed = list(Formatter().parse(source))
    except ValueError as error:
        raise TextError(str(error)) from None
    nodes: list[Any] = []
    for literal, name, spec, conversion in parsed:
        nodes.append(literal)
        if name is not None:
            if spec or conversion:
                raise TextError(f"placeholder {{{name}}} takes no format")
            nodes.append({"name": name})
    return nodes


def _message(source: str) -> list[Any]:
    from pyicumessageformat import Parser

    tokens: list[dict[str, str]] = []
    try:
        # A new parser each time: after an error it keeps its place in the text.
        nodes: list[Any] = Parser({"maximum_depth": _MAX_DEPTH}).parse(source, tokens)
    except SyntaxError as error:
        raise TextError(_in_words(str(error))) from None
    _check_selectors(tokens)
    return nodes


def _check_selectors(tokens: list[dict[str, str]]) -> None:
    """The parser takes the last of two equal branches, so the first would never be shown."""
    seen: list[set[str]] = [set()]
    for token in tokens:
        if token["type"] == "selector":
            if token["text"] in seen[-1]:
                raise TextError(f"the branch {token['text']} is given twice")
            seen[-1].add(token["text"])
        elif token["type"] == "syntax" and token["text"] == "{":
            seen.append(set())
        elif token["type"] == "syntax" and token["text"] == "}":
            seen.pop()


def _in_words(problem: str) -> str:
    """The parser's message, with places counted from 1 as editors do."""
    if "position" not in problem:
        return "braces do not match"
    return re.sub(r"position (\d+)", lambda found: f"character {int(found[1]) + 1}", problem)
