"""Phone numbers on the command line: the region of national numbers, and subscribers as keys.

Every user of a machine can see the arguments of a command, and a shell keeps them in a file. So
no option needs a number there: ``-`` reads it from standard input, ``@FILE`` from a file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from streamproc.cli.values import refuse_broken_text
from streamproc.input_files import naming, read_at_most

Command = TypeVar("Command", bound=Callable[..., Any])

STDIN: Final = "-"
MOST_BYTES: Final = 64 << 20
"""The largest file of subscribers: it has some millions."""
_READ_BY: Final = "streamproc.stdin_is_read_by"


class Region(click.ParamType):
    """An ISO 3166 code of two letters, such as CN."""

    name = "country"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from streamproc.contracts.numbers import UnknownRegionError, check_region

        try:
            return check_region(value)
        except UnknownRegionError as error:
            self.fail(str(error), param, ctx)


class Subscriber(click.ParamType):
    """A subscriber, or ``-`` or ``@FILE``, which has it on its only line."""

    name = "subscriber|-|@FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        found = Subscribers().convert(value, param, ctx)
        if len(found) != 1:
            self.fail(f"{len(found)} lines instead of one with a subscriber", param, ctx)
        return found[0]


class Subscribers(click.ParamType):
    """Subscribers: one, or all in ``-`` or ``@FILE``, one on each line."""

    name = "subscriber|-|@FILE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        if value == STDIN:
            text = self._typed(param, ctx)
        elif value.startswith("@"):
            try:
                text = read_at_most(Path(value[1:]), MOST_BYTES).decode("utf-8-sig")
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
                self.fail(f"cannot read {value[1:]}: {reason}", param, ctx)
        else:
            text = value
        refuse_broken_text(self, text, param, ctx)
        if text is value:
            return (value,)
        return tuple(line.strip() for line in text.splitlines() if line.strip())

    def _typed(self, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if ctx is not None:
            if _READ_BY in ctx.meta:
                other = ctx.meta[_READ_BY]
                self.fail(f"standard input is read for {other} already; use @FILE", param, ctx)
            ctx.meta[_READ_BY] = param.get_error_hint(ctx) if param is not None else "a number"
        if sys.stdin.isatty():
            return str(click.prompt("Subscriber", hide_input=True, err=True))
        try:
            with naming("standard input"):
                return sys.stdin.read().removeprefix("\ufeff")
        except UnicodeDecodeError:
            self.fail("it has bytes that are not UTF-8", param, ctx)


def subscribers_option(begin: str, end: str = "") -> Callable[[Command], Command]:
    """``--subscriber``, which may be repeated. ``begin`` and ``end`` are parts of its help."""
    return click.option(
        "--subscriber",
        "subscribers",
        multiple=True,
        type=Subscribers(),
        callback=each_once,
        help=f"{begin} this subscriber. May be repeated. - or @FILE: those on its lines.{end}",
    )


def each_once(
    ctx: click.Context, param: click.Parameter, value: tuple[tuple[str, ...], ...]
) -> tuple[str, ...]:
    """The subscribers of an option that may be repeated."""
    return tuple(dict.fromkeys(one for some in value for one in some))


def refuse_second_reader(ctx: click.Context, name: str) -> None:
    """End the command if standard input, which ``name`` reads, is read for subscribers already."""
    if _READ_BY in ctx.meta:
        other = ctx.meta[_READ_BY]
        raise click.UsageError(f"{name} and {other} cannot both be standard input; use @FILE")


def asked_for(subscriber: str, region: str | None) -> str:
    """The key of a subscriber that the user names by a phone number in any form, or by an id.

    Text that is not a number is used unchanged, because a key can be any text.
    """
    from streamproc.contracts.numbers import NumberError, Numbering, subscriber_key

    try:
        return subscriber_key(subscriber, Numbering(region))
    except NumberError:
        return subscriber
