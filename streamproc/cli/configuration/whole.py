"""Checks the file and the environment for all commands, as far as that goes without a broker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from errno import EINVAL
from functools import partial
from pathlib import Path
from typing import Any

import click

from streamproc.cli.configuration.checking import CheckedDocument, named
from streamproc.cli.configuration.defaults import VARIABLE, ConfigFile
from streamproc.cli.configuration.effective import Values
from streamproc.cli.configuration.reading import ConfigError, read_document
from streamproc.cli.configuration.settings import Place
from streamproc.cli.extensions import GATEWAYS, READERS, RULE_KINDS, load
from streamproc.cli.rules import RulesPath
from streamproc.cli.shared_options import PREFIX
from streamproc.contracts.topics import EVENTS
from streamproc.errors import StreamprocError
from streamproc.kafka.properties import read_properties
from streamproc.kafka.secret import Secret, refuse_special
from streamproc.kafka.setting_fields import FIELDS, settings_from
from streamproc.printable import printable

_OTHERS = (VARIABLE, f"{PREFIX}CRASH_AT")


def problems(file: ConfigFile) -> list[str]:
    """Everything that is wrong, a line each."""
    for group in (READERS, GATEWAYS, RULE_KINDS):  # a kind may come from an installed package
        load(group)
    assert file.path is not None
    try:
        checked = CheckedDocument(read_document(file.path), file.registry)
    except ConfigError as error:
        return error.message.splitlines()
    wrong = checked.wrong_values(iter(file.registry.settings))
    found = [*checked.problems, *wrong]
    lines = dict.fromkeys(checked.told(found))
    lines |= dict.fromkeys(_of_files(file, checked))
    # The rest is checked without wrong values, because much would follow from them.
    rest = file.with_content(checked.without(wrong))
    is_whole = not any("kafka" in str(one.place) for one in found)
    connections: list[dict[str, Any]] = []
    for command, run in file.registry.commands.items():
        if any(param.expose_value for param in run.params):
            lines |= dict.fromkeys(_of_command(rest, command, connections if is_whole else None))
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


def _of_files(file: ConfigFile, checked: CheckedDocument) -> Iterator[str]:
    """Files of rules, gateways and mappings: those that are missing, and what is wrong in them."""
    read: set[tuple[str, Path]] = set()
    for place, value in checked.values.items():
        option = file.registry.places[place].option
        kind = "rules" if isinstance(option.type, RulesPath) else str(place[-1])
        if kind not in _CONTENT or not isinstance(value, str | Path):
            continue
        line = checked.document.lines.of(place)
        try:
            path = Path(option.type.convert(value, None, None))
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))  # a pipe must not hold it up
            if not path.is_file():
                raise OSError(EINVAL, "it is not a regular file")
        except OSError as error:
            yield printable(f"{file.path}:{line}: {named(place)}: {value}: {error.strerror}")
            continue
        except click.UsageError:
            continue  # told already
        if (kind, path) not in read:
            read.add((kind, path))
            yield from _CONTENT[kind](path)


def _rules_problems(path: Path) -> list[str]:
    from streamproc.contracts.rules_file.load import load_rules

    return _said(lambda: load_rules(path))


def _gateways_problems(path: Path) -> list[str]:
    from streamproc.contracts.rules_file.read.parse import read_file
    from streamproc.dispatch.config import load_gateways

    return _said(lambda: load_gateways(read_file(path), str(path)))


def _mapping_problems(path: Path) -> list[str]:
    from streamproc.producing.readers.mapping import load_mapping

    return _said(lambda: load_mapping(path))


def _said(read: Callable[[], object]) -> list[str]:
    try:
        read()
    except (StreamprocError, OSError) as error:
        return str(error).splitlines()
    return []


_CONTENT: Mapping[str, Callable[[Path], list[str]]] = {
    "rules": _rules_problems,
    "gateways": _gateways_problems,
    "mapping": _mapping_problems,
}


def _of_command(
    file: ConfigFile, command: Place, connections: list[dict[str, Any]] | None
) -> Iterator[str]:
    """What the command would refuse: variables, and combinations of the connection's settings.

    ``connections`` are those of other commands, which were checked; None if a setting of the
    connection is wrong in itself.
    """
    values = Values(file, command)
    found: dict[str, Any] = {}
    try:
        for setting, raw, _ in values:
            try:
                found[str(setting.option.name)] = values.converted(setting, raw)
            except click.UsageError as error:
                variable = next(one for one in setting.variables if os.environ.get(one))
                yield f"${variable}: {error.message.rstrip('.')}"
        if connections is not None and "kafka_properties" in found:
            _check_connection(found, connections)
    except StreamprocError as error:
        yield f"{file.path}: kafka: {error}"
    for name, read in _KEYS.items():
        if isinstance(found.get(name), Secret):
            for problem in _said(partial(read, found)):
                yield f"{file.path}: {named((*command, name))}: {problem}"


def _id_key(found: Mapping[str, Any]) -> None:
    from streamproc.worker.id_keys import id_key_of

    _refuse_pipe(found["id_key"])
    id_key_of(found["id_key"])


def _number_keys(found: Mapping[str, Any]) -> None:
    from streamproc.dispatch.number_hashes import keys_of

    _refuse_pipe(found["number_key"])
    keys_of(found["number_key"])


def _alarm_webhook(found: Mapping[str, Any]) -> None:
    from streamproc.alarms.webhook import webhook_of

    _refuse_pipe(found["alarm_webhook_key"])
    webhook_of(found.get("alarm_webhook"), found["alarm_webhook_key"])


def _refuse_pipe(secret: Secret) -> None:
    """A pipe must not hold the check up."""
    if secret.path is not None:
        refuse_special(secret.path)


_KEYS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "id_key": _id_key,
    "number_key": _number_keys,
    "alarm_webhook_key": _alarm_webhook,
}
"""Keys that have a form, by the names of click's parameters."""


def _check_connection(values: dict[str, Any], others: list[dict[str, Any]]) -> None:
    """Raise :class:`StreamprocError` for settings with which no client is made."""
    path = values["kafka_properties"]
    given = read_properties(path)[1] if isinstance(path, Path) else {}
    for field in FIELDS:
        value = values.get(field.option.removeprefix("--").replace("-", "_"))
        if value not in (None, ""):
            given[field.name] = value
    if given not in others:
        others.append(given)
        for value in given.values():
            if isinstance(value, Secret):
                _refuse_pipe(value)
        settings_from("127.0.0.1:9092", given)
