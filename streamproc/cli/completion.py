"""``streamproc completion``: the script with which a shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_STREAMPROC_COMPLETE"
"""click reads it when the shell asks for completions."""


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which SHELL completes commands, options and their values.

    \b
    Examples:
      streamproc completion bash > ~/.local/share/bash-completion/completions/streamproc
      streamproc completion zsh > ~/.zfunc/_streamproc
      streamproc completion fish > ~/.config/fish/completions/streamproc.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    root = context.find_root().command
    click.echo(made(root, {}, "streamproc", VARIABLE).source())
