"""Options that became commands: the old spelling names the command, until the next release."""

from __future__ import annotations

from typing import Any

import click


def moved_option(option: str, command: str, **keywords: Any) -> Any:
    """A hidden option that ends the command and names the one to use, such as ``receipts ...``."""

    def tell(context: click.Context, param: click.Parameter, given: object) -> None:
        if given:
            raise click.UsageError(f"{option} is a command of its own now: streamproc {command}")

    return click.option(
        option, hidden=True, expose_value=False, is_eager=True, callback=tell, **keywords
    )
