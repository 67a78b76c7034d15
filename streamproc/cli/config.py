"""``streamproc config``: checks the settings file; shows which values commands take from where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.configuration.defaults import DEFAULT_FILE, VARIABLE, ConfigFile, file_in_use
from streamproc.cli.printing import echo
from streamproc.cli.values import FilePath
from streamproc.printable import printable, printed_name

if TYPE_CHECKING:
    from streamproc.cli.configuration.effective import Effective
    from streamproc.cli.configuration.settings import Place


@click.group(short_help="Check streamproc.toml; show which values commands take.")
@click.pass_context
def config(context: click.Context) -> None:
    """Check the settings file, and show which values commands take, and from where.

    \b
    Examples:
      streamproc config check
      streamproc config show worker
    """
    context.default_map = None  # the file that is checked must not stop the check


@config.command(short_help="Check the file for all commands.")
@click.argument("file", required=False, type=FilePath(exists=True, dir_okay=False))
@click.pass_context
def check(context: click.Context, file: Path | None) -> None:
    """Check FILE for all commands, with the variables of the environment.

    Default: the file of --config. It says all problems at once, with their lines: unknown keys
    and tables, wrong values, secrets that everybody may read, a login without TLS; and those of
    the rules, gateways and mapping files that it names. It does not ask a broker. Exit status: 0
    if all is well, 1 if not, 2 if there is no file.
    """
    from streamproc.cli.configuration.whole import notes, problems

    config_file = file_in_use(context)
    if file is not None:
        config_file = ConfigFile(file, context.find_root().command)
    if config_file.path is None:
        raise click.UsageError(
            f"there is no {DEFAULT_FILE} here, and ${VARIABLE} is not set; name a file. /dev/null "
            f"is an empty one: then only variables are checked"
        )
    found = problems(config_file)
    for line in found or notes(config_file):
        echo(line, err=True)
    if found:
        context.exit(1)
    assert config_file.checked is not None
    echo(f"{printed_name(config_file.path)}: good, {len(config_file.checked.values)} settings")


@config.command(
    short_help="Show the values that commands take, and from where.",
    context_settings={"ignore_unknown_options": True},
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    allow_from_autoenv=False,
    help="Write JSON, for programs.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND [OPTION]...]")
@click.pass_context
def show(context: click.Context, command: tuple[str, ...], as_json: bool) -> None:
    """Show the value of each setting of COMMAND, and where it comes from.

    With options behind COMMAND it shows what the command would take with them. Without COMMAND it
    shows all settings that are not the default, of all commands. No secret is shown.
    """
    from streamproc.cli.configuration.effective import effective

    file = file_in_use(context)
    path, words = _split(file, command)
    if path:
        found = [
            one
            for end in range(1, len(path) + 1)
            for one in effective(file, path[:end], words if end == len(path) else ())
        ]
    else:
        every = [one for each in file.registry.commands for one in effective(file, each)]
        found = [one for one in every if one.origin != "default"]
    if as_json:
        echo(json.dumps(_as_json(file, found), ensure_ascii=False, indent=2))
    else:
        _print(file, found, is_one=bool(path))


def _split(file: ConfigFile, words: tuple[str, ...]) -> tuple[Place, tuple[str, ...]]:
    """The words that name a command, and its options."""
    commands = file.registry.commands
    path: tuple[str, ...] = ()
    while len(path) < len(words) and (*path, words[len(path)]) in commands:
        path = (*path, words[len(path)])
    inner = commands[path]
    rest = words[len(path) :]
    if words and isinstance(inner, click.Group):
        names = ", ".join(inner.commands)
        if rest:
            raise click.UsageError(f"there is no command {rest[0]!r}; there are {names}")
        if not file.registry.of(path):
            raise click.UsageError(f"{' '.join(path)} has commands: {names}; name one of them")
    return path, rest


def _as_json(file: ConfigFile, found: list[Effective]) -> dict[str, Any]:
    return {
        "file": None if file.path is None else str(file.path),
        "settings": [
            {
                "command": " ".join(one.setting.command),
                "option": one.setting.option.opts[0],
                "key": one.key,
                "value": one.value,
                "origin": one.origin,
                "at": one.at,
            }
            for one in found
        ],
    }


def _print(file: ConfigFile, found: list[Effective], is_one: bool) -> None:
    echo(f"file: {printed_name(file.path or 'none')}")
    rows: dict[tuple[str, str, str], None] = {}
    for one in found:
        # The many options of a connection say something only if they are set.
        if one.origin != "default" or not one.setting.option.hidden:
            key = one.setting.key if is_one else one.key
            value = "-" if one.value is None else json.dumps(one.value, ensure_ascii=False)
            rows[key, printable(value), printable(one.where)] = None
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for name, value, where in rows:
        echo(f"{name:{widths[0]}}  {value:{widths[1]}}  {where}".rstrip())
