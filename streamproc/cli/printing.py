"""Prints what commands say of records and files of others, which must not steer a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from streamproc.printable import printable_lines

if TYPE_CHECKING:
    from rich.console import Console


def echo(text: Any = "", *, err: bool = False, nl: bool = True) -> None:
    """Print lines. A line of JSON stays the same JSON."""
    click.echo(printable_lines(str(text)), err=err, nl=nl)


def console(**options: Any) -> Console:
    """A console of rich, which styles what is printed, and sends nothing else to the terminal."""
    from rich import console as rich

    class _Printable(rich.Console):
        def render(self, renderable: Any, options: Any = None) -> Any:
            for one in super().render(renderable, options):
                yield one if one.control else one._replace(text=printable_lines(one.text))

    return _Printable(**options)
