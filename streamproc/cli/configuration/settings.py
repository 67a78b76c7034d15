"""Every option of every command as a setting: its keys in the file and its variables.

The commands themselves are the only list: this module walks them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import click

from streamproc.cli.shared_options import PREFIX, SecretOption, SharedOption, bare, key_of

Place = tuple[str, ...]
"""Tables and key in the file: ``("worker", "standbys")``."""


@dataclass(frozen=True, eq=False)
class Setting:
    """An option of a command."""

    command: Place
    option: click.Option

    @property
    def key(self) -> str:
        """The option's name with underscores."""
        return key_of(self.option)

    @property
    def shared(self) -> SharedOption | None:
        """The option, if it has one value for all commands."""
        return self.option if isinstance(self.option, SharedOption) else None

    @property
    def is_secret(self) -> bool:
        """Whether it names the file of a secret."""
        return isinstance(self.option, SecretOption)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Where it may stand in the file. The first place that is there counts."""
        own: tuple[Place, ...] = ((*self.command, self.key),)
        if self.shared is not None:
            own = () if self.shared.once else own
            own = (*own, self.shared.place)
        if self.is_secret:
            return tuple(place for one in own for place in (one, (*one[:-1], bare(one[-1]))))
        return own

    @cached_property
    def option_variables(self) -> tuple[str, ...]:
        """The variables that hold what the option takes. The first one that is set counts."""
        words = "_".join((*self.command, self.key)).replace("-", "_")
        own = (PREFIX + words.upper(),)
        return own if self.shared is None else (*own, self.shared.variable)

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """All variables, those that hold a secret itself too, in order of precedence."""
        if not self.is_secret:
            return self.option_variables
        return tuple(name for one in self.option_variables for name in (one, bare(one)))

    def holds_secret(self, place: Place) -> bool:
        """Whether the value in this place is the secret itself, not the path of a file."""
        return self.is_secret and not place[-1].endswith("_file")


def is_setting(param: click.Parameter) -> bool:
    """Whether file and environment may set it: not ``--help`` and the like, and not what only the
    command line may say."""
    return isinstance(param, click.Option) and param.expose_value and param.allow_from_autoenv


def settings_of(command: click.Command, path: Place) -> Iterator[Setting]:
    """The settings of a command itself."""
    for param in command.params:
        if isinstance(param, click.Option) and is_setting(param):
            yield Setting(path, param)


def commands_in(command: click.Command, path: Place = ()) -> Iterator[tuple[Place, click.Command]]:
    """A command and all commands in it, by their words."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands_in(inner, (*path, name))


class Registry:
    """All settings below a group of commands."""

    def __init__(self, root: click.Command) -> None:
        self.commands = dict(commands_in(root))
        self.settings = tuple(
            setting for path, one in self.commands.items() for setting in settings_of(one, path)
        )
        self.places: dict[Place, Setting] = {}
        """One setting for each place. Settings that share a place have the same type."""
        for setting in self.settings:
            for place in setting.places:
                self.places.setdefault(place, setting)
        self._by_command: dict[Place, dict[str, Setting]] = {one: {} for one in self.commands}
        for setting in self.settings:
            self._by_command[setting.command][str(setting.option.name)] = setting
        self.tables = set(self.commands)
        self.tables |= {place[:end] for place in self.places for end in range(len(place))}

    def of(self, command: Place) -> Mapping[str, Setting]:
        """The settings of one command, by the name of click's parameter."""
        return self._by_command.get(command, {})

    def keys_in(self, table: Place) -> list[str]:
        """The keys that a table may have."""
        return sorted(place[-1] for place in self.places if place[:-1] == table)

    def tables_in(self, table: Place) -> list[str]:
        """The tables that a table may have."""
        return sorted(one[-1] for one in self.tables if one and one[:-1] == table)

    def shared_by(self, command: Place, key: str) -> Place | None:
        """Where a key of a command stands for all commands."""
        found = (one for one in self.settings if one.command == command and one.key == key)
        return next((one.places[0] for one in found), None)

    def anywhere(self, key: str) -> Place | None:
        """A place with this key; one for all commands, if there is one."""
        found = [place for place in self.places if place[-1] == key]
        shared = {one.shared.place for one in self.settings if one.shared is not None}
        return next((place for place in found if place in shared), found[0] if found else None)

    def is_argument_only(self, command: Place, key: str) -> bool:
        """Whether a command has an option of this name that only the command line may give."""
        params = self.commands[command].params if command in self.commands else []
        return any(
            key_of(one) == key and isinstance(one, click.Option) and not is_setting(one)
            for one in params
        )


@cache
def registry_of(root: click.Command) -> Registry:
    """The settings of a program, collected once: the walk takes longer than all that reads them."""
    return Registry(root)
