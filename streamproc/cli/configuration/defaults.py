"""Gives the values of ``streamproc.toml`` to click, as defaults of options.

click asks its ``default_map`` for what neither the command line nor a variable says. The file is
read when click asks first, so that ``--config`` may stand before or behind the command.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from streamproc.cli.configuration.checking import CheckedDocument, read_checked
from streamproc.cli.configuration.reading import ConfigError
from streamproc.cli.configuration.settings import (
    Place,
    Registry,
    Setting,
    commands_in,
    registry_of,
    settings_of,
)
from streamproc.cli.shared_options import PREFIX
from streamproc.cli.values import AnyText, FilePath

DEFAULT_FILE = "streamproc.toml"
VARIABLE = f"{PREFIX}CONFIG"
_META = "streamproc.config"
HELP_IS_ASKED = "streamproc.help"
"""Set in ``ctx.meta`` where the command only shows its help. That works with a wrong file, too."""


class ConfigFile:
    """The file that a process uses, if there is one, and all settings of the program."""

    def __init__(self, named: Path | None, root: click.Command) -> None:
        self._named = named
        self._root = root

    @cached_property
    def path(self) -> Path | None:
        """The file that is named, or else that of the environment or of this directory."""
        if self._named is not None:
            return self._named
        variable = os.environ.get(VARIABLE)
        return Path(variable) if variable else _usual_file()

    @property
    def registry(self) -> Registry:
        """The settings that the file may have."""
        return registry_of(self._root)

    @cached_property
    def checked(self) -> CheckedDocument | None:
        """Its content; None without a file. Raises :class:`ConfigError`."""
        return None if self.path is None else read_checked(self.path, self.registry)

    def with_content(self, checked: CheckedDocument) -> ConfigFile:
        """The same file with another content."""
        found = ConfigFile(self._named, self._root)
        found.__dict__["checked"] = checked
        return found

    def at(self, place: Place) -> Any:
        """The value in a place, or None."""
        return None if self.checked is None else self.checked.values.get(place)

    def place_of(self, setting: Setting) -> Place | None:
        """Where the file has the value of a setting."""
        return next((place for place in setting.places if self.at(place) is not None), None)


class FileDefaults(Mapping[str, Any]):
    """The values of one command, by the names of click's parameters; and those of its commands."""

    def __init__(self, file: ConfigFile, command: Place = ()) -> None:
        self._file = file
        self._command = command

    def __getitem__(self, name: str) -> Any:
        """A value; or, by the name of a command, the values of that command."""
        inner = (*self._command, name)
        if inner in self._file.registry.commands:
            return FileDefaults(self._file, inner)
        if name not in self._settings:
            raise KeyError(name)
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        # What has no setting must not depend on the file.
        if (*self._command, name) in self._file.registry.commands:
            return True
        return name in self._settings and name in self._values

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._settings if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def at(self, place: Place) -> Any:
        """The value in a place of the file that belongs to no option of this command."""
        return self._file.at(place)

    @cached_property
    def _settings(self) -> Mapping[str, Setting]:
        """The command's settings."""
        return self._file.registry.of(self._command)

    @cached_property
    def _values(self) -> dict[str, Any]:
        """The command's values in the file. Raises :class:`ConfigError` if one is wrong."""
        checked = self._file.checked
        if checked is None:
            return {}
        checked.fail_if(checked.wrong_values(iter(self._settings.values())))
        places = ((name, self._file.place_of(one)) for name, one in self._settings.items())
        return {name: self._file.at(place) for name, place in places if place is not None}


def _use(ctx: click.Context, _option: click.Parameter, path: Path | None) -> None:
    """Take the file that is named. If none is, the command before has taken one."""
    if ctx.resilient_parsing or ctx.meta.get(HELP_IS_ASKED):
        return
    if path is None and ctx.parent is not None:
        return
    file = ConfigFile(path, ctx.find_root().command)
    ctx.meta[_META] = file
    ctx.default_map = FileDefaults(file, _words_of(ctx))  # type: ignore[assignment]


def _words_of(ctx: click.Context) -> Place:
    """The words of the command. Those of the program do not count: ``python -m streamproc``."""
    if ctx.parent is None:
        return ()
    return (*_words_of(ctx.parent), str(ctx.info_name))


def config_in_use() -> str:
    """The file of this process as its log names it."""
    found: ConfigFile | None = click.get_current_context().meta.get(_META)
    return "none" if found is None or found.path is None else str(found.path)


def file_in_use(ctx: click.Context) -> ConfigFile:
    """The file of this process."""
    found: ConfigFile = ctx.meta[_META]
    return found


def _usual_file() -> Path | None:
    """``./streamproc.toml``, unless somebody else may have put it there."""
    path = Path(DEFAULT_FILE)
    try:
        owner = path.stat().st_uid
    except OSError:
        return None
    if owner not in (0, os.geteuid()):
        raise ConfigError(
            f"{path} in this directory belongs to another user; if you trust it, name it: "
            f"--config {path}"
        )
    return path


def config_option() -> click.Option:
    """``--config``, of streamproc itself and of each command."""
    return click.Option(
        ["--config"],
        type=FilePath(exists=True, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=_use,
        help=f"Settings file. Default: ${VARIABLE}, or ./{DEFAULT_FILE} if there is one.",
    )


def _refuse(ctx: click.Context, _option: click.Parameter, path: Path | None) -> None:
    if path is not None and ctx.parent is not None:
        before = ctx.parent.info_name
        raise click.UsageError(f"--config stands before {ctx.info_name}: {before} --config {path}")


def make_configurable(command: click.Command, path: Place) -> None:
    """Name the variables of the options of a command and of the commands in it, add ``--config``,
    and refuse text that no output could show."""
    has_options = any(True for _ in settings_of(command, path))
    for inner_path, inner in commands_in(command, path):
        for param in inner.params:
            # An argument may be a file, whose name can have any bytes.
            is_option = isinstance(param, click.Option)
            if is_option and type(param.type) is click.types.StringParamType:
                param.type = AnyText()
        for setting in settings_of(inner, inner_path):
            setting.option.envvar = list(setting.option_variables)
        # A group reads its own options before those of the commands in it: there, the name of a
        # file would come too late.
        if inner is command or not has_options:
            inner.params.insert(0, config_option())
        else:
            late = click.Option(["--config"], callback=_refuse, expose_value=False, hidden=True)
            late.is_eager = True
            inner.params.insert(0, late)
