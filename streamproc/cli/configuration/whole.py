"""Checks the file and the environment for all commands, as far as that goes without a broker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from streamproc.cli.configuration.checking import Checked, named
from streamproc.cli.configuration.defaults import VARIABLE, ConfigFile
from streamproc.cli.configuration.effective import Values
from streamproc.cli.configuration.reading import ConfigError, read_document
from streamproc.cli.configuration.settings import Place
from streamproc.cli.extensions import READERS, load
from streamproc.cli.rules import RulesPath
from streamproc.cli.shared_options import PREFIX
from streamproc.contracts.topics import EVENTS
from streamproc.errors import StreamprocError
from streamproc.kafka.fields import FIELDS, settings_from
from streamproc.kafka.properties import read_properties

_OTHERS = (VARIABLE, f"{PREFIX}CRASH_AT")


def problems(file: ConfigFile) -> list[str]:
    """Everything that is wrong, a line each."""
    load(READERS)  # a form of files may come from an installed package
    assert file.path is not None
    try:
        checked = Checked(read_document(file.path), file.registry)
        found = [*checked.problems, *checked.wrong_values(iter(file.registry.settings))]
        checked.fail_if(found)
    except ConfigError as error:
        return error.message.splitlines()
    lines = dict.fromkeys(_missing_files(file, checked))
    for command, run in file.registry.commands.items():
        if any(param.expose_value for param in run.params):
            lines |= dict.fromkeys(_of_command(file, command))
    return list(lines)


def notes(file: ConfigFile) -> Iterator[str]:
    """What may be a mistake: variables that are called almost like one of streamproc, and input
    that no worker reads."""
    known = {name for one in file.registry.settings for name in one.variables} | {*_OTHERS}
    ends = {name.removeprefix(PREFIX) for name in known}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            close = get_close_matches(name.removeprefix(PREFIX), ends, 1, 0.8)
            if close:
                meant = PREFIX + close[0]
                yield f"note: no command reads the variable {name}; did you mean {meant}?"
    inputs, events = file.at(("topics", "input")), file.at(("topics", "events")) or EVENTS.default
    if inputs is not None and events not in inputs:
        yield f"note: topics.input lacks topics.events ({events}), to which `send` writes"


def _missing_files(file: ConfigFile, checked: Checked) -> Iterator[str]:
    """Files of rules and gateways: no command makes them."""
    for place, value in checked.values.items():
        option = file.registry.places[place].option
        if isinstance(option.type, RulesPath) or place == ("dispatch", "gateways"):
            path = Path(option.type.convert(value, None, None))
            try:
                path.open("rb").close()
            except OSError as error:
                line = checked.document.lines.of(place)
                yield f"{file.path}:{line}: {named(place)}: {path}: {error.strerror}"


def _of_command(file: ConfigFile, command: Place) -> Iterator[str]:
    """What the command would refuse: variables, and combinations of the connection's settings."""
    values = Values(file, command)
    found: dict[str, Any] = {}
    try:
        for setting, raw, _ in values:
            try:
                found[str(setting.option.name)] = values.converted(setting, raw)
            except click.UsageError as error:
                variable = next(one for one in setting.variables if os.environ.get(one))
                yield f"${variable}: {error.message.rstrip('.')}"
        if "kafka_properties" in found:
            _check_connection(found)
    except StreamprocError as error:
        yield f"{file.path}: kafka: {error}"


def _check_connection(values: dict[str, Any]) -> None:
    """Raise :class:`StreamprocError` for settings with which no client is made."""
    path = values["kafka_properties"]
    given = read_properties(path)[1] if isinstance(path, Path) else {}
    for field in FIELDS:
        value = values.get(field.option.removeprefix("--").replace("-", "_"))
        if value not in (None, ""):
            given[field.name] = value
    settings_from("127.0.0.1:9092", given)
