"""The rules file of a command that reads it once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from streamproc.core.rulebook import Rulebook


def read_rules(path: Path | None) -> Rulebook:
    """The rulebook in ``path``, or the packaged one; a wrong file ends the command."""
    from streamproc.contracts.rulesfile import RulesError, default_rulebook, load_rulebook

    if path is None:
        return default_rulebook()
    try:
        return load_rulebook(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: cannot be read: {error}") from error
    except RulesError as error:
        raise click.ClickException(str(error)) from error
