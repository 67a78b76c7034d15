"""``anomaly``: the cycle's usage is many times what it was in the cycles before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.as_written import Problem, kept_cycles
from streamproc.core.rules.fields import MuchPercent, Natural
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.kinds.entry import ReachingEntry
from streamproc.core.rules.kinds.watch import FigureName, WatchRuleKind


class AnomalyEntry(ReachingEntry, frozen=True, tag="anomaly", kw_only=True):
    thresholds: Annotated[tuple[MuchPercent, ...], Meta(min_length=1)]
    cycles: Annotated[int, Meta(ge=1, le=24)] = 3
    min_bytes: Natural = 0


class Anomaly(WatchRuleKind):
    entry = AnomalyEntry
    says = "the cycle's usage is a multiple of what is usual"
    brief = "unusual usage"
    field_docs = {
        "cycles": "at most `limits.history_cycles`",
        "min_bytes": "no alarm below this usage",
    }
    thresholds_are = "the cycle's usage in percent of the average of the `cycles` before"
    unit = "percent_of_usual"
    level_words = "{0} % of the usual"

    def figure(self, rule: WatchRule) -> FigureName:
        return "used", None

    def value(self, rule: WatchRule, figures: Figures) -> int:
        return figures.used_bytes

    def level(self, rule: WatchRule, threshold: int, margin: int, figures: Figures) -> int | None:
        usual = figures.usual_bytes(rule.cycles)
        if not usual:
            return None
        value = max(threshold - margin, 1)
        return max(-(-usual * value // (100 * rule.cycles)), rule.min_bytes)

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        yield from super().problems(rule, file)
        hysteresis, values = rule.get("hysteresis"), rule.get("thresholds")
        if isinstance(hysteresis, int) and hysteresis and isinstance(values, list):
            yield ("hysteresis",), "an anomaly has none: it ends with its cycle"
        cycles, kept = rule.get("cycles", 3), kept_cycles(file)
        if isinstance(cycles, int) and cycles > kept:
            yield ("cycles",), f"limits.history_cycles keeps only {kept}"

    def terms(self, entry: AnomalyEntry) -> dict[str, Any]:
        return {"cycles": entry.cycles, "min_bytes": entry.min_bytes}


KIND = Anomaly()
