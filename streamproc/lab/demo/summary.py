"""Compares expected and actual results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from streamproc.core.rules import kinds
from streamproc.lab.demo.expecting import ExpectedFigures

_SHOWN = (
    *("usage_percent", "remaining_bytes", "overage_started", "expiry", "usage_summary"),
    *("before_cycle_end", "before_expiry"),
)
KINDS = {**{name: kinds.KINDS[name].brief for name in _SHOWN}, "activation_welcome": "welcome"}
"""Names of the kinds of reminders in the demo's rules."""

_REJECTED = "rejected: "


@dataclass(frozen=True)
class SummaryRow:
    """One figure."""

    what: str
    expected: int
    observed: int

    @property
    def is_equal(self) -> bool:
        return self.expected == self.observed


@dataclass(frozen=True)
class Observed:
    """The actual figures."""

    records: int
    charged_bytes: int
    accounts: int
    reminders: Mapping[str, int]
    repeated: int
    rejects: Mapping[str, int]


def compare(expected: ExpectedFigures, observed: Observed) -> list[SummaryRow]:
    """Every figure that must be equal, in the order of the table."""
    rows = [
        SummaryRow("events applied", expected.records, observed.records),
        SummaryRow("bytes charged", expected.charged_bytes, observed.charged_bytes),
        SummaryRow("subscribers", expected.accounts, observed.accounts),
    ]
    # A rules file of the user may have kinds of reminders without a name here.
    unnamed = (expected.reminders.keys() | observed.reminders.keys()) - KINDS.keys()
    rows += [
        SummaryRow(
            f"reminders: {KINDS.get(kind, kind)}",
            expected.reminders.get(kind, 0),
            observed.reminders.get(kind, 0),
        )
        for kind in [*KINDS, *sorted(unnamed)]
    ]
    rows.append(SummaryRow("reminders sent twice", 0, observed.repeated))
    rows += [
        SummaryRow(
            f"{_REJECTED}{reason.replace('_', ' ')}",
            expected.rejects.get(reason, 0),
            observed.rejects.get(reason, 0),
        )
        for reason in sorted(expected.rejects.keys() | observed.rejects.keys())
    ]
    return rows


def condensed(rows: list[SummaryRow]) -> list[SummaryRow]:
    """For a small screen: if the rejects of every reason are equal, they become one row."""
    rejects = [row for row in rows if row.what.startswith(_REJECTED)]
    if not rejects or not all(row.is_equal for row in rejects):
        return rows
    total = sum(row.expected for row in rejects)
    rest = [row for row in rows if row not in rejects]
    return [*rest, SummaryRow(f"{_REJECTED}for {len(rejects)} reasons", total, total)]


def is_all_equal(rows: list[SummaryRow], differences: list[str]) -> bool:
    return not differences and all(row.is_equal for row in rows)


def table_of(rows: list[SummaryRow]) -> Table:
    """The table; it fits 80 columns."""
    table = Table(
        title="Computed independently from the input, and observed at the output",
        box=SIMPLE_HEAD,
        title_justify="left",
        title_style="bold",
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", no_wrap=True)
    table.add_column("expected", justify="right", no_wrap=True)
    table.add_column("observed", justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        verdict = Text("equal", "green") if row.is_equal else Text("WRONG", "bold red")
        style = "" if row.is_equal else "red"
        table.add_row(row.what, f"{row.expected:,}", f"{row.observed:,}", verdict, style=style)
    return table
