"""Commands fail with a message, not with a traceback."""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import click
from click.core import ParameterSource

from streamproc.cli.configuration.defaults import HELP_IS_ASKED, make_configurable
from streamproc.errors import StreamprocError
from streamproc.printable import printable, printable_lines

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a file that has no name here: the one to which the output goes."""


_NO_COMMAND = re.compile(r"No such command '(.*)'\.", re.DOTALL)


class CommandGroup(click.Group):
    """The commands of streamproc. Only this class turns its errors into messages.

    Commands catch an error only if they can say more about it, for example the file of a
    library's error. The exit status is 1, or the status of an error that is a
    ``click.ClickException`` itself.
    """

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command. Its options get their variables, and it gets ``--config``."""
        super().add_command(cmd, name)
        make_configurable(cmd, (name or cmd.name or "",))

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the options of the group itself."""
        with _printable_errors():
            return super().make_context(*args, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Notice before all else whether help is asked for."""
        words = args[: args.index("--")] if "--" in args else args
        ctx.meta[HELP_IS_ASKED] = "--help" in words or "--kafka-help" in words
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _printable_errors():
            return self._invoked(ctx)

    def _invoked(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.MissingParameter as error:
            # click writes each choice on a line of its own.
            line = " ".join(error.format_message().split())
            raise click.UsageError(line, error.ctx) from error
        except click.BadParameter as error:
            _name_variable(error)
            raise
        except click.UsageError as error:
            _suggest_command(error)
            raise
        except click.ClickException:
            raise
        except StreamprocError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            # The error is about a file that the user gave. Places that read and write give it the
            # name of the file (input_files.py).
            if error.filename is None and error.errno in NO_ROOM:
                line = f"the output cannot be written: {error.strerror}"
                raise click.ClickException(line) from error
            if error.errno in (None, errno.EPIPE) or error.strerror is None:
                raise  # click ends quietly if nobody reads the output any more
            what = error.filename or f"reading or writing failed in {_place_of(error)}"
            raise click.ClickException(f"{what}: {error.strerror}") from error


@contextmanager
def _printable_errors() -> Iterator[None]:
    """Messages quote what others wrote, such as names of files."""
    try:
        yield
    except click.ClickException as error:
        source = error if isinstance(error, StreamprocError) else error.__cause__
        has_lines = isinstance(source, StreamprocError) and source.has_lines
        error.message = (printable_lines if has_lines else printable)(error.message)
        raise


def _place_of(error: OSError) -> str:
    """The line of this package that failed last, because there is no traceback."""
    lines = traceback.extract_tb(error.__traceback__)
    own = [one for one in lines if f"{os.sep}streamproc{os.sep}" in one.filename]
    return f"{os.path.basename(own[-1].filename)}:{own[-1].lineno}" if own else "streamproc"


def _name_variable(error: click.BadParameter) -> None:
    """Say which variable a wrong value is from, because nobody has typed the option."""
    option, context = error.param, error.ctx
    if not isinstance(option, click.Option) or context is None:
        return
    if context.get_parameter_source(str(option.name)) is ParameterSource.ENVIRONMENT:
        names = [option.envvar] if isinstance(option.envvar, str) else option.envvar or ()
        error.param_hint = next(f"${name}" for name in names if os.environ.get(name))


def _suggest_command(error: click.UsageError) -> None:
    """Name the command that a mistyped one is like. click does so for options alone."""
    found = _NO_COMMAND.fullmatch(error.message)
    group = error.ctx.command if error.ctx is not None else None
    if found is None or not isinstance(group, click.Group) or error.ctx is None:
        return
    names = [name for name in group.list_commands(error.ctx) if not group.commands[name].hidden]
    close = get_close_matches(found[1].lower(), names, 1, 0.6)
    if close:
        error.message += f" Did you mean {close[0]}?"
