"""``streamproc texts``: shows every text as subscribers will see it, and finds errors in texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamproc.cli.printing import echo
from streamproc.cli.rules import RulesPath, WrongRules, read_rules

if TYPE_CHECKING:
    from streamproc.core.texts.checking import Checked, Rendered

FILE = click.argument("file", required=False, type=RulesPath())


@click.group(short_help="Show and check the texts of a rules file.")
def texts() -> None:
    """Show and check the texts of a rules file, or of the packaged one."""


@texts.command()
@FILE
@click.option(
    "--rule", "rules", multiple=True, metavar="ID", help="Only this rule. May be repeated."
)
@click.option(
    "--locale", "locales", multiple=True, metavar="TAG", help="Only this locale. May be repeated."
)
@click.option("--all", "every", is_flag=True, help="Also show extreme figures.")
def preview(
    file: Path | None, rules: tuple[str, ...], locales: tuple[str, ...], every: bool
) -> None:
    """Show the texts of FILE with the longest names and figures that FILE has."""
    shown = [one for one in _checked(file, locales) if not rules or one.rule in rules]
    if not shown:
        raise click.ClickException("no such text")
    for text in shown:
        echo(_head(text))
        rendered = text.rendered if every else [text.longest]
        for one in rendered:
            echo(f"  {_size(one)}  {one.text}")


@texts.command()
@FILE
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
def lint(file: Path | None, strict: bool) -> None:
    """Render every text in every locale with extreme figures. Returns 1 if anything is wrong.

    It is an error if a text is missing in a locale in which other texts exist. Missing names and
    times without a date are warnings.
    """
    from streamproc.core.texts.checking import check
    from streamproc.core.texts.missing_texts import (
        missing_names,
        missing_texts,
        times_without_dates,
    )

    rules = read_rules(file)
    checked = check(rules)
    problems = [f"{_head(one)}: {problem}" for one in checked for problem in one.problems]
    problems += missing_texts(rules)
    warnings = [*missing_names(rules), *times_without_dates(rules)]
    if strict:
        problems += warnings
    else:
        for warning in warnings:
            echo(f"warning: {warning}", err=True)
    if problems:
        raise WrongRules("\n".join(problems))
    locales = sorted({one.locale for one in checked})
    echo(f"OK: {len(checked)} texts in {', '.join(locales)}")


def _checked(file: Path | None, locales: tuple[str, ...]) -> list[Checked]:
    from streamproc.core.texts.checking import check

    return check(read_rules(file), locales)


def _head(text: Checked) -> str:
    return f"{text.rule} {text.locale} {text.channel}"


def _size(one: Rendered) -> str:
    plural = "" if one.segments == 1 else "s"
    return f"{one.sample.name}: {len(one.text)} characters, {one.segments} segment{plural}"
