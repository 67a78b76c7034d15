"""What a command would take, and where each value comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
from click.core import ParameterSource

from streamproc.cli.configuration.checking import kind_of, named
from streamproc.cli.configuration.defaults import ConfigFile, FileDefaults
from streamproc.cli.configuration.settings import Place, Setting
from streamproc.kafka.properties import read_properties
from streamproc.kafka.secret import MASK, Secret, masked_urls
from streamproc.kafka.setting_fields import BY_NAME

Origin = Literal["flag", "variable", "file", "client.properties", "default"]


@dataclass(frozen=True)
class Effective:
    """One setting of a command."""

    setting: Setting
    value: Any
    """As the file would have it; a secret is masked. None: it is not set."""
    origin: Origin
    at: str = ""
    """The flag, the variable, or file and key."""

    @property
    def key(self) -> str:
        """The key that stands for the setting in the file."""
        return named(_place_of(self))

    @property
    def where(self) -> str:
        """Where the value comes from, in words."""
        return f"{self.origin} {self.at}".rstrip()


class Values:
    """The values of a command's settings, as click would find them."""

    def __init__(self, file: ConfigFile, command: Place, words: Sequence[str] = ()) -> None:
        """Raises errors of click for wrong words, :class:`ConfigError` for a wrong file."""
        self.settings = file.registry.of(command)
        defaults = FileDefaults(file, command)
        self.context = click.Context(
            file.registry.commands[command],
            info_name=" ".join(command),
            default_map=defaults,  # type: ignore[arg-type]
        )
        self._given: dict[str, Any] = {}
        if words:
            parser = self.context.command.make_parser(self.context)
            self._given, more, _ = parser.parse_args(list(words))
            if more:
                raise click.UsageError(f"{self.context.info_name} takes no argument {more[0]!r}")

    def __iter__(self) -> Iterator[tuple[Setting, Any, ParameterSource]]:
        """Each setting with its raw value, or None, and its source. Those that others look at are
        first."""
        for setting in sorted(self.settings.values(), key=lambda one: not one.option.is_eager):
            raw, source = setting.option.consume_value(self.context, self._given)
            # click has a value of its own for "none", which is not a constant of its interface.
            known = isinstance(raw, str | int | float | list | tuple | Path | Secret)
            yield setting, raw if known else None, source

    def converted(self, setting: Setting, raw: Any) -> Any:
        """The value as the command gets it. Raises :class:`click.UsageError`."""
        value = None if raw is None else setting.option.type_cast_value(self.context, raw)
        self.context.params[str(setting.option.name)] = value
        return value


def effective(file: ConfigFile, command: Place, words: Sequence[str] = ()) -> list[Effective]:
    """All settings of a command that is given these words. Raises errors of click for wrong words
    or variables, :class:`ConfigError` for a wrong file."""
    values = Values(file, command, words)
    found = {}
    for setting, raw, source in values:
        value = values.converted(setting, raw)
        found[setting] = _one(file, setting, raw, value, source)
    ordered = [found[setting] for setting in values.settings.values()]
    return list(_with_properties(values.context, ordered))


def _one(
    file: ConfigFile, setting: Setting, raw: Any, value: Any, source: ParameterSource
) -> Effective:
    if value is None:
        return Effective(setting, None, "default")
    shown = _shown(setting, raw, value)
    if source is ParameterSource.COMMANDLINE:
        return Effective(setting, shown, "flag", setting.option.opts[0])
    if source is ParameterSource.ENVIRONMENT:
        name = next(name for name in setting.variables if os.environ.get(name))
        return Effective(setting, shown, "variable", name)
    if source is ParameterSource.DEFAULT_MAP:
        place = file.place_of(setting)
        assert place is not None
        return Effective(setting, shown, "file", f"{file.path} {named(place)}")
    followed = getattr(setting.option, "FOLLOWS", ())
    return Effective(setting, shown, "default", ", ".join(f"topics.{one}" for one in followed))


def _place_of(one: Effective) -> Place:
    """Where the file has such a value, or could have it."""
    for place in reversed(one.setting.places):
        if one.setting.holds_secret(place) == (one.value == MASK):
            return place
    return one.setting.places[-1]


def _with_properties(context: click.Context, found: list[Effective]) -> Iterator[Effective]:
    """Fill what is not set from the file that ``--kafka-properties`` names."""
    path = context.params.get("kafka_properties")
    if not isinstance(path, Path):
        yield from found
        return
    broker, values = read_properties(path)
    by_parameter = {_parameter(name): value for name, value in values.items()}
    if broker is not None:
        by_parameter["broker"] = broker
    for one in found:
        value = by_parameter.get(str(one.setting.option.name))
        if one.origin == "default" and value is not None:
            yield Effective(
                one.setting, _shown(one.setting, value, value), "client.properties", str(path)
            )
        else:
            yield one


def _parameter(name: str) -> str:
    return BY_NAME[name].option.removeprefix("--").replace("-", "_")


def _shown(setting: Setting, raw: Any, value: Any) -> Any:
    """A value for people and JSON, as the file would have it."""
    if isinstance(value, Secret):
        return MASK if value.path is None else str(value.path)
    if isinstance(raw, list | tuple):
        return [_shown(setting, one, one) for one in raw]
    if kind_of(setting.option.type) is not str:
        return value
    return masked_urls(str(raw))
