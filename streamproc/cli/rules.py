"""``streamproc rules``: checks a rules file; reads rules files for other commands."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.printing import echo
from streamproc.cli.shared_options import SharedOption
from streamproc.cli.values import FilePath
from streamproc.errors import StreamprocError
from streamproc.printable import printable, printable_lines, printed_name

if TYPE_CHECKING:
    from streamproc.core.rules.rulebook import Rulebook


class WrongRules(StreamprocError, click.ClickException):
    """Problems as FILE:LINE: field: problem, each on a line, for editors and CI."""

    has_lines = True

    def show(self, file: Any = None) -> None:
        click.echo(printable_lines(self.message), file=file, err=True)


class RulesPath(FilePath):
    """A rules file, or ``pack:NAME`` for one that comes with streamproc."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "FILE|pack:NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from streamproc.contracts.rules_file.packs import PREFIX, NoSuchPackError, pack_path

        if isinstance(value, str) and value.startswith(PREFIX):
            try:
                return pack_path(value.removeprefix(PREFIX))
            except NoSuchPackError as error:
                self.fail(str(error), param, ctx)
        return super().convert(value, param, ctx)

    def beside(self, text: str, folder: Path) -> str:
        """``pack:NAME`` is in no folder."""
        from streamproc.contracts.rules_file.packs import PREFIX

        return text if text.startswith(PREFIX) else super().beside(text, folder)


def rules_option(says: str = "Rules file. Default: the packaged rules.") -> Any:
    """``--rules``: the rules of the workers, for whatever must have the same."""
    return click.option("--rules", cls=SharedOption, type=RulesPath(), help=says)


def read_rules(path: Path | None) -> Rulebook:
    """The rulebook in ``path``, or the packaged one. A wrong file ends the command."""
    from streamproc.contracts.rules_file.load import RulesError
    from streamproc.worker.rules import RulesFile

    try:
        return RulesFile(path).rulebook
    except RulesError as error:
        raise WrongRules(str(error)) from error


@click.group(short_help="Check, publish and take back rules.")
def rules() -> None:
    """Check a rules file, print a packaged one, publish rules for all workers."""


@rules.command()
@click.argument("file", type=RulesPath())
@click.option(
    "--replaces",
    type=RulesPath(),
    help=(
        "The current rules file. Also report plans, packs and allowances that the new "
        "file removes and running workers would reject."
    ),
)
@click.option("--strict", is_flag=True, help="Treat warnings as problems: return 1.")
def check(file: Path, replaces: Path | None, strict: bool) -> None:
    """Check FILE: OK and a summary, or every problem as FILE:LINE: field: problem.

    A warning names something that is probably a mistake: a rule that never fires, a pack whose end
    is not reported, an unknown language or currency. Warnings return 0, unless --strict is given.
    """
    from streamproc.contracts.rules_file.load import removed
    from streamproc.contracts.rules_file.packs import shown

    rulebook = read_rules(file)
    gone = removed(read_rules(replaces), rulebook) if replaces else []
    if gone:
        problems = [
            f"{printed_name(file)}:1: {what} is gone, but subscribers may have it" for what in gone
        ]
        raise WrongRules("\n".join(problems))
    warnings = file_warnings(file)
    for warning in warnings:
        echo(warning, err=True)
    if strict and warnings:
        raise SystemExit(1)
    spoken = [*rulebook.rules_by_id.values(), *rulebook.notices.values()]
    locales = sorted({locale for one in spoken for locale in one.texts})
    counted = [
        _count(len(rulebook.plans), "plan"),
        _count(len(rulebook.packs), "pack"),
        _count(len(rulebook.rules_by_id), "rule"),
        *([_count(len(rulebook.notices), "notice")] if rulebook.notices else []),
    ]
    told = f"; {_count(len(warnings), 'warning')}" if warnings else ""
    echo(f"{printable(shown(file))}: OK: {', '.join(counted)}, texts in {', '.join(locales)}{told}")


def file_warnings(file: Path) -> list[str]:
    """What is probably a mistake in a file without problems."""
    from streamproc.contracts.rules_file.texts import read
    from streamproc.contracts.rules_file.warnings import warnings_of
    from streamproc.core.instants import from_ms

    content = read(file)
    return warnings_of(
        content.rules, printed_name(file), content.texts, from_ms(int(time.time() * 1000)).date()
    )


@rules.command()
@click.argument("name", required=False)
def pack(name: str | None) -> None:
    """Print the rule pack NAME, to copy and change it. Without NAME, list all packs."""
    from streamproc.contracts.rules_file.packs import pack_names, pack_path, pack_summary

    if name is None:
        width = max(map(len, pack_names()))
        for one in pack_names():
            echo(f"{one:{width}}  {pack_summary(one)}")
        return
    echo(pack_path(name).read_text(encoding="utf-8"), nl=False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
