"""Groups of rules about the account that share a figure, so that its value is calculated once."""

from __future__ import annotations

from typing import NamedTuple

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.kinds import WATCH_KINDS
from streamproc.core.rules.kinds.watch import FigureName, WatchRuleKind


class SharedFigure(NamedTuple):
    """A figure, and the rules that compare it with their thresholds."""

    figure: str
    kind: WatchRuleKind
    """Kind of the first rule; it calculates the value."""
    rules: tuple[WatchRule, ...]


def shared_figures_of(rules: tuple[WatchRule, ...]) -> tuple[SharedFigure, ...]:
    """The rules by figure, in the order of the first of each."""
    found: dict[FigureName, list[WatchRule]] = {}
    for rule in rules:
        found.setdefault(WATCH_KINDS[rule.kind].figure(rule), []).append(rule)
    return tuple(
        SharedFigure(figure, WATCH_KINDS[some[0].kind], tuple(some))
        for (figure, _), some in found.items()
    )
