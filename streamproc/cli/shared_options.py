"""Options that mean the same in all commands, and stand once in ``streamproc.toml``.

An option that is not of these classes belongs to its command alone: it stands in the table that is
called like the command (``cli/configuration/settings.py``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from streamproc.cli.values import FilePath, TopicName
from streamproc.kafka.secret import Secret

Command = TypeVar("Command", bound=Callable[..., Any])

PREFIX = "STREAMPROC_"


def key_of(option: click.Parameter) -> str:
    """The option's name as a key of the file: ``--session-timeout-seconds`` without dashes."""
    return option.opts[0].removeprefix("--").replace("-", "_")


class SharedOption(click.Option):
    """An option with one value for all commands that have it."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        place: Sequence[str] = (),
        variable: str = "",
        once: bool = False,
        **options: Any,
    ) -> None:
        """``place``: table and key in the file; by default the option's own key, at the top.
        ``variable``: end of the variable's name; by default the last part of the place. ``once``:
        the file has no other value in a command's table, because commands that differ would not
        work together.
        """
        super().__init__(names, **options)
        self.place = tuple(place) or (key_of(self),)
        self.variable = PREFIX + (variable or self.place[-1]).upper()
        self.envvar = self.variable
        self.once = once


class SecretFile(FilePath):
    """A file that holds a secret, to :class:`Secret`. The value itself may be a secret already."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, Secret):
            return value
        return Secret(path=super().convert(value, param, ctx))


class SecretOption(SharedOption):
    """An option ``--...-file`` that names the file of a secret.

    A variable without ``_FILE`` at its end, and a key without ``_file``, hold the secret itself. No
    option does, because arguments are seen by everybody on the machine.
    """

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """The path in the variable ``..._FILE``, else the secret in the other one."""
        for name in (self.envvar,) if isinstance(self.envvar, str) else self.envvar or ():
            if path := os.environ.get(name):
                return path
            if secret := os.environ.get(bare(name)):
                return Secret(secret)
        return None


def key_file_option(command: str, key: str, text: str) -> Callable[[Command], Command]:
    """``--KEY-file``, with a key that all processes of a command share; the function gets it as
    ``KEY``."""
    option, name = f"--{key}-file", key.replace("-", "_")
    return click.option(
        option,
        name,
        cls=SecretOption,
        place=(command, f"{name}_file"),
        type=SecretFile(exists=True, dir_okay=False),
        help=text,
    )


def bare(name: str) -> str:
    """The variable or key that holds the secret whose file ``name`` names."""
    return name[: -len("_file")]


class _InputsOption(SharedOption):
    """``--input``. By default the two topics that the file or variables may have renamed."""

    FOLLOWS = ("events", "commands")

    def get_default(self, ctx: click.Context, call: bool = True) -> Any:
        """The names of the topics for events and for texts of subscribers."""
        default = super().get_default(ctx, call)
        if not isinstance(default, Sequence) or ctx.resilient_parsing or not call:
            return default
        return [
            value_in(ctx, ("topics", key), usual)
            for key, usual in zip(self.FOLLOWS, default, strict=True)
        ]


def value_in(ctx: click.Context, place: tuple[str, ...], default: str) -> str:
    """The value of a place that this command has no option for."""
    words = place[1:] if place[0] == "topics" else place
    at: Callable[[tuple[str, ...]], Any] | None = getattr(ctx.default_map, "at", None)
    in_file = at(place) if at is not None else None
    return os.environ.get(PREFIX + "_".join(words).upper()) or in_file or default


class _AlsoOption(click.Option):
    """An option that asks for a topic and may name it; without a name it is the one of
    ``[topics]``."""

    UNNAMED = type("Unnamed", (str,), {})()
    """Compared by identity: the empty text is equal, and cannot name a topic."""

    def __init__(self, names: Sequence[str], *, topics: Mapping[str, str], **options: Any) -> None:
        """``topics``: the usual names by key."""
        super().__init__(names, is_flag=False, flag_value=self.UNNAMED, **options)
        self._topics = topics

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, Any]
    ) -> tuple[Any, ParameterSource]:
        """The value, with the names that are left out."""
        value, source = super().consume_value(ctx, opts)
        if value is self.UNNAMED:
            return self._names(ctx)[0], source
        if isinstance(value, list | tuple):
            whole = [self._names(ctx) if one is self.UNNAMED else [one] for one in value]
            return [name for names in whole for name in names], source
        return value, source

    def _names(self, ctx: click.Context) -> list[str]:
        return [value_in(ctx, ("topics", key), usual) for key, usual in self._topics.items()]


def also_option(name: str, *declared: str, topics: Mapping[str, str], **options: Any) -> Any:
    """An option to read one more topic, or several: those of ``topics`` if it names none."""
    return click.option(
        name,
        *declared,
        cls=_AlsoOption,
        topics=topics,
        type=TopicName(),
        metavar="[TOPIC]",
        **options,
    )


def topic_option(name: str, key: str, **options: Any) -> Callable[[Command], Command]:
    """An option that names the topic that ``[topics]`` of the file has under ``key``."""
    return click.option(
        name, cls=SharedOption, place=("topics", key), once=True, type=TopicName(), **options
    )


def inputs_of_worker(default: Sequence[str]) -> Callable[[Command], Command]:
    """``--input``, as workers and whatever must agree with them have it."""
    return click.option(
        "--input",
        "inputs",
        cls=_InputsOption,
        place=("topics", "input"),
        once=True,
        type=TopicName(),
        multiple=True,
        default=list(default),
        help="Input topic. May be repeated.",
    )


def app_id_option(says: str = "The same value as for the workers.") -> Any:
    """``--app-id``."""
    return click.option(
        "--app-id", cls=SharedOption, once=True, type=TopicName(), default="streamproc", help=says
    )


def clock_option(says: str = "The same value as for the workers.") -> Any:
    """``--clock``."""
    return click.option(
        "--clock",
        cls=SharedOption,
        once=True,
        type=click.Choice(["wall", "event"]),
        default="wall",
        help=says,
    )


approval_option = click.option(
    "--rules-approval/--no-rules-approval",
    cls=SharedOption,
    once=True,
    default=False,
    help="Published rules need the approval of somebody else than their author.",
)
