"""``velocity``: a number of bytes is used within a sliding window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.as_written import Problem
from streamproc.core.rules.fields import Count
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.kinds.entry import ReachingEntry
from streamproc.core.rules.kinds.watch import FigureName, WatchRuleKind


class VelocityEntry(ReachingEntry, frozen=True, tag="velocity", kw_only=True):
    thresholds: Annotated[tuple[Count, ...], Meta(min_length=1)]
    window_seconds: Annotated[int, Meta(ge=60, le=31 * 86_400)]


class Velocity(WatchRuleKind):
    entry = VelocityEntry
    says = "much was used within a short time"
    brief = "used fast"
    field_docs = {"window_seconds": "length of the window, 60 to 31 days"}
    thresholds_are = "bytes used within `window_seconds`"
    unit = "bytes_in_window"
    level_words = "{1} in its window"
    is_below_thresholds = True
    slides = True
    stays_true = True

    def figure(self, rule: WatchRule) -> FigureName:
        return "speed", rule.id

    def value(self, rule: WatchRule, figures: Figures) -> int:
        return figures.in_window_bytes(rule)

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        if rule.get("evaluate_on_create") is True:
            yield ("evaluate_on_create",), "a velocity is not known beforehand"
            rule = {**rule, "evaluate_on_create": False}
        yield from super().problems(rule, file)

    def terms(self, entry: VelocityEntry) -> dict[str, Any]:
        return {"window_ms": entry.window_seconds * 1000}


KIND = Velocity()
