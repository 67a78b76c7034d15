"""``streamproc --version``: the release, and whether the compiled part runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from streamproc import __version__
from streamproc.cli.printing import echo

Command = TypeVar("Command", bound=Callable[..., Any])


def version_option(command: Command) -> Command:
    """Add ``--version`` to a command."""
    return click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show,
        help="Show the version, and whether the compiled part runs; exit.",
    )(command)


def _show(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if not is_asked or context.resilient_parsing:
        return
    from streamproc.worker.native_bridge.loading import installed

    echo(f"streamproc, version {__version__}")
    echo(f"compiled part: {installed()}")
    context.exit()
