"""A rule kind that only a test adds, as a carrier's package would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from msgspec import Meta

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.fields import Count
from streamproc.core.rules.kinds import RuleKind, add, registry
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.kinds.entry import ReachingEntry
from streamproc.core.rules.kinds.watch import FigureName, WatchRuleKind


class FullMoonEntry(ReachingEntry, frozen=True, tag="full_moon", kw_only=True):
    thresholds: Annotated[tuple[Count, ...], Meta(min_length=1)]


class FullMoon(WatchRuleKind):
    """Its figure is the sum of the cycle's overage and usage."""

    entry = FullMoonEntry
    says = "so much is used and beyond"
    brief = "full moon"
    thresholds_are = "bytes"
    unit = "bytes_used"

    def figure(self, rule: WatchRule) -> FigureName:
        return "moon", None

    def value(self, rule: WatchRule, figures: Figures) -> int:
        return figures.used_bytes + figures.overage_bytes


@contextmanager
def brought_along(kind: RuleKind) -> Iterator[RuleKind]:
    """Rules files and rulebooks can use a kind, within this context."""
    add(kind)
    try:
        yield kind
    finally:
        registry.remove(kind.name)
