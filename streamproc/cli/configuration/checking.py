"""Holds the tables of ``streamproc.toml`` against the settings that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

import click

from streamproc.cli.configuration.reading import ConfigError, Document, read_document
from streamproc.cli.configuration.settings import Place, Registry, Setting
from streamproc.cli.durations import Instant
from streamproc.cli.values import FilePath
from streamproc.kafka.secret import Secret
from streamproc.printable import printed_name

MOST_SAID = 300
"""Characters of a message: values may be long."""
_BARE = re.compile(r"[A-Za-z0-9_-]{1,60}")
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True)
class Problem:
    """Something wrong in the file."""

    line: int
    place: tuple[str | int, ...]
    says: str

    def __str__(self) -> str:
        says = self.says if len(self.says) <= MOST_SAID else self.says[:MOST_SAID] + "..."
        return f"{named(self.place)}: {says}"


class CheckedDocument:
    """A document, its values by place, and the problems of its form."""

    def __init__(self, document: Document, registry: Registry) -> None:
        self.document = document
        self.values: dict[Place, Any] = {}
        """As click takes them: paths are absolute, times are text, secrets are masked."""
        self.problems: list[Problem] = []
        self._registry = registry
        self._table((), document.tables)
        self._refuse_public_secrets()
        self._refuse_two_forms()

    def fail_if(self, problems: list[Problem]) -> None:
        """Raise :class:`ConfigError` that has all of the problems, if there are any."""
        if problems:
            raise ConfigError("\n".join(self.told(problems)))

    def told(self, problems: list[Problem]) -> list[str]:
        """The problems in the order of the file, a line each."""
        path = printed_name(self.document.path)
        ordered = sorted(problems, key=lambda one: one.line)
        return [f"{path}:{one.line}: {one}" for one in ordered]

    def without(self, problems: list[Problem]) -> Self:
        """The same without the values that these problems are about."""
        rest = copy(self)
        gone = {one.place for one in problems}
        rest.values = {place: one for place, one in self.values.items() if place not in gone}
        rest.problems = []
        return rest

    def wrong_values(self, settings: Iterator[Setting]) -> list[Problem]:
        """What the types of these settings say against values in the file."""
        problems = []
        seen: set[Place] = set()
        for setting in settings:
            for place in setting.places:
                if place in self.values and place not in seen:
                    seen.add(place)
                    try:
                        context = click.Context(click.Command(""), resilient_parsing=False)
                        setting.option.type_cast_value(context, self.values[place])
                    except click.UsageError as error:
                        problems.append(self._problem(place, error.message.rstrip(".")))
        return problems

    def _table(self, path: Place, table: dict[str, Any]) -> None:
        for key, value in table.items():
            place = (*path, key)
            if place in self._registry.places and not (
                isinstance(value, dict) and place in self._registry.tables
            ):
                self._value(place, value)
            elif place not in self._registry.tables:
                self.problems.append(self._problem(place, self._unknown(path, key, value)))
            elif isinstance(value, dict):
                self._table(place, value)
            else:
                self.problems.append(self._problem(place, f"must be a table: [{'.'.join(place)}]"))

    def _value(self, place: Place, value: Any) -> None:
        setting = self._registry.places[place]
        if not setting.option.multiple:
            found = _unfit(setting.option, value)
            if not found and value == "" and setting.is_secret:
                found = "is empty"
            if found:
                self.problems.append(self._problem(place, found))
            else:
                self.values[place] = self._as_click_takes_it(setting, place, value)
            return
        if not isinstance(value, list):
            self.problems.append(self._problem(place, "must be a list: [...]"))
            return
        for index, one in enumerate(value):
            found = _unfit(setting.option, one)
            if found:
                self.problems.append(self._problem((*place, index), found))
        self.values[place] = [
            self._as_click_takes_it(setting, place, one)
            for one in value
            if not _unfit(setting.option, one)
        ]

    def _as_click_takes_it(self, setting: Setting, place: Place, value: Any) -> Any:
        if setting.holds_secret(place):
            return Secret(value)
        if isinstance(value, date):
            return value.isoformat()
        kind = setting.option.type
        if isinstance(kind, FilePath):
            return kind.beside(value, self.document.folder)
        return value

    def _unknown(self, table: Place, key: str, value: Any) -> str:
        what = "table" if isinstance(value, dict) else "key"
        hint = self._meant(table, key, what)
        if hint:
            return hint
        if what == "table":
            under = key.lower().replace("-", "_") + "_"
            longer = [one for one in self._registry.keys_in(table) if one.startswith(under)]
            if longer:
                where = f"in [{'.'.join(table)}]" if table else "at the top of the file"
                return f"there is no such table; its keys stand {where}, such as {longer[0]}"
        here = self._registry.keys_in(table) if what == "key" else self._registry.tables_in(table)
        names = ", ".join(here) or "none"
        return (
            f"there is no such {what}; there are {names}"
            if here or not table
            else (f"there is no such {what}; [{'.'.join(table)}] has none")
        )

    def _meant(self, table: Place, key: str, what: str) -> str:
        """What the user probably meant, as a message; empty if nothing is like it."""
        registry = self._registry
        name = key.lower().replace("-", "_")
        names = registry.keys_in(table) if what == "key" else registry.tables_in(table)
        by_name = {one.lower().replace("-", "_"): one for one in names}
        if name not in by_name:
            if what == "key" and registry.is_argument_only(table, name):
                return "only the command line may say this"
            found = registry.shared_by(table, name) if what == "key" else None
            if found:
                return f"has one value for all commands; write it as {_written(found)}"
            found = registry.anywhere(name) if what == "key" else None
            if found:
                return f"there is no such {what} here; did you mean {_written(found)}?"
        close = get_close_matches(name, by_name, 1, 0.6)
        return f"there is no such {what}; did you mean {by_name[close[0]]}?" if close else ""

    def _refuse_public_secrets(self) -> None:
        if not self.document.is_public:
            return
        for place in self.values:
            if self._registry.places[place].holds_secret(place):
                path = self.document.path
                self.problems.append(
                    self._problem(
                        place,
                        f"everybody on this machine may read this file, and it holds a secret; "
                        f"chmod o-r {path}",
                    )
                )

    def _refuse_two_forms(self) -> None:
        for place in self.values:
            if self._registry.places[place].holds_secret(place):
                other = (*place[:-1], f"{place[-1]}_file")
                if other in self.values:
                    says = f"{named(other)} is given, too; one of them is enough"
                    self.problems.append(self._problem(place, says))

    def _problem(self, place: tuple[str | int, ...], says: str) -> Problem:
        return Problem(self.document.lines.of(place), place, says)


def read_checked(path: Path, registry: Registry) -> CheckedDocument:
    """Read the file. Raises :class:`ConfigError` if its form is wrong."""
    checked = CheckedDocument(read_document(path), registry)
    checked.fail_if(checked.problems)
    return checked


def _unfit(option: click.Option, value: Any) -> str:
    """Why the value has not the kind that the option takes; empty if it has."""
    kind = kind_of(option.type)
    if isinstance(value, datetime | date) and isinstance(option.type, Instant | click.DateTime):
        return ""
    if kind is float and type(value) is int:
        return ""
    if type(value) is kind:
        return ""
    if kind is str and type(value) in (int, float):
        return "must be text, in quotes"
    return f"must be {_KINDS[kind]}, not {_called(value)}"


def kind_of(kind: click.ParamType) -> type:
    """What a value of the type is in TOML."""
    if isinstance(kind, click.types.BoolParamType):
        return bool
    if isinstance(kind, click.types.IntParamType):
        return int
    return float if isinstance(kind, click.types.FloatParamType) else str


def _called(value: Any) -> str:
    """The kind of a value in words; the value itself may be a secret."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return _KINDS.get(type(value), "a time")


def named(place: tuple[str | int, ...]) -> str:
    """A place as people write it: ``topics.input[1]``. Odd keys are quoted and cut."""
    words = ""
    for part in place:
        if isinstance(part, int):
            words += f"[{part}]"
        else:
            words += f".{part if _BARE.fullmatch(part) else json.dumps(part[:60])}"
    return words.lstrip(".")


def _written(place: Place) -> str:
    """A place as the file has it: ``[kafka] broker``."""
    *table, key = place
    return f"[{'.'.join(table)}] {key}" if table else f"{key} at the top of the file"
