"""Help of commands with many options: grouped under headings, in the order of declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


class Headed(click.Command):
    """``headings`` names the first option of each group, such as ``{"--speed": "Pace"}``."""

    def __init__(self, *args: Any, headings: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._headings = headings

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group under its heading."""
        groups: list[tuple[str, list[tuple[str, str]]]] = [("Options", [])]
        for param in self.get_params(context):
            record = param.get_help_record(context)
            if record is None:
                continue
            heading = next((self._headings[one] for one in param.opts if one in self._headings), "")
            if heading:
                groups.append((heading, []))
            groups[-1][1].append(record)
        for heading, rows in groups:
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)
