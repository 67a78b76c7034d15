"""How a command fails: with a message, not with a traceback."""

from __future__ import annotations

from typing import Any

import click

from streamproc.errors import StreamprocError


class CommandGroup(click.Group):
    """The commands of streamproc: the one place where its errors become messages.

    CommandGroup catch only what they can say more about, such as the file that a library names. The
    exit status is 1, or that of an error which is a ``click.ClickException`` itself.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except click.ClickException:
            raise
        except StreamprocError as error:
            raise click.ClickException(str(error)) from error
