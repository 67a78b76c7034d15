"""Reads a rendered text back by its template: which placeholder showed what, and which branch was
taken.

The grammar of templates is read with ``string.Formatter`` and pyicumessageformat, not with the
product's compiler.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from string import Formatter
from typing import Any, NamedTuple

from pyicumessageformat import Parser

_TYPED = re.compile(r"\{\s*\w+\s*,")


class Shown(NamedTuple):
    """A placeholder as a text shows it."""

    name: str
    form: str
    """``number``, ``date``, ``time``, ``list`` ...; empty: no type."""
    style: str
    text: str
    more: tuple[Shown, ...] = ()
    """Placeholders that follow without anything in between: ``text`` shows all of them."""


class Taken(NamedTuple):
    """A branch that a text took, of a plural or a select."""

    name: str
    form: str
    key: str
    """Several keys, with spaces between, if their words are the same."""
    keys: tuple[str, ...]
    """All keys."""


@dataclass
class Reading:
    """The content of a text."""

    shown: list[Shown] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """The literal pieces that were shown, in order."""


class Unreadable(ValueError):
    """A text that its own template cannot have produced."""


class _Reverse:
    """A regular expression that matches everything that a template can show."""

    def __init__(self, source: str) -> None:
        self._groups: list[Shown | Taken | str] = []
        self._is_message = _TYPED.search(source.replace("{{", "").replace("}}", "")) is not None
        if self._is_message:
            nodes = Parser({"maximum_depth": 8}).parse(source)
            pattern = self._nodes(nodes, None)
        else:
            pattern = self._nodes(
                [
                    one
                    for literal, name, _, _ in Formatter().parse(source)
                    for one in (literal, {"name": name})
                    if one and one != {"name": None}
                ],
                None,
            )
        self.pattern = re.compile(pattern, re.DOTALL)

    def read(self, text: str) -> Reading:
        match = self.pattern.fullmatch(text)
        if match is None:
            raise Unreadable(text)
        found = Reading()
        for number, group in enumerate(self._groups):
            part = match.group(f"g{number}")
            if part is None:
                continue
            if isinstance(group, Taken):
                found.taken.append(group)
            elif isinstance(group, Shown):
                found.shown.append(group._replace(text=part))
            else:
                found.words.append(group)
        return found

    def _group(self, what: Shown | Taken | str) -> str:
        self._groups.append(what)
        return f"g{len(self._groups) - 1}"

    def _literal(self, text: str) -> str:
        return f"(?P<{self._group(text)}>{re.escape(text)})" if text else ""

    def _nodes(self, nodes: list[Any], number: str | None) -> str:
        parts: list[str] = []
        beside: list[Shown] = []
        for one in [*nodes, ""]:
            if not isinstance(one, str) and "options" not in one:
                name = number if one.get("hash") else one["name"]
                form = "number" if one.get("hash") else one.get("type") or ""
                beside.append(Shown(str(name), form, one.get("format") or "", ""))
                continue
            if beside:
                group = self._group(beside[0]._replace(more=tuple(beside[1:])))
                parts.append(f"(?P<{group}>.*?)")
                beside = []
            parts.append(self._literal(one) if isinstance(one, str) else self._branches(one))
        return "".join(parts)

    def _branches(self, node: dict[str, Any]) -> str:
        name, form, options = node["name"], node["type"], node["options"]
        number = name if form != "select" else None
        keys = tuple(options)
        parts = []
        alike: dict[str, list[str]] = {}
        for key, nodes in options.items():
            alike.setdefault(repr(nodes), []).append(key)
        for same in alike.values():
            group = self._group(Taken(name, form, " ".join(same), keys))
            parts.append(f"(?P<{group}>{self._nodes(options[same[0]], number)})")
        return f"(?:{'|'.join(parts)})"


@lru_cache(maxsize=4096)
def _reverse(source: str) -> _Reverse:
    return _Reverse(source)


def read(source: str, text: str) -> Reading:
    """The content of ``text``, given its template. Raises :class:`Unreadable`."""
    return _reverse(source).read(text)
