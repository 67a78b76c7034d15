"""Prints what commands say of records and files of others, which must not steer a terminal."""

from __future__ import annotations

from typing import Any

import click

from streamproc.printable import printable_lines


def echo(text: Any = "", *, err: bool = False, nl: bool = True) -> None:
    """Print lines. A line of JSON stays the same JSON."""
    click.echo(printable_lines(str(text)), err=err, nl=nl)
