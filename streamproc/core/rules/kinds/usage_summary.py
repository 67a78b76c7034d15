"""``usage_summary``: the present figures, as often as the rule or the subscriber says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.rules.as_written import Problem
from streamproc.core.rules.kinds.entry import ClockedEntry
from streamproc.core.rules.kinds.timed import Shape, TimedRuleKind
from streamproc.core.rules.placeholders import PERIOD_USED
from streamproc.core.rules.recurring import (
    CYCLE_PARTS,
    ONE_DAY,
    LocalTime,
    Recurrence,
    every_days,
    monthly,
)
from streamproc.core.rules.rule import Every, TimedRule

_MONTH_DAYS = {"month_start": 1, "month_middle": 15, "month_end": 31}
_WITH_DAY = ("week", "month")


class UsageSummaryEntry(ClockedEntry, frozen=True, tag="usage_summary", kw_only=True):
    every: Every = "week"
    day: Annotated[int, Meta(ge=1, le=31)] = 1
    only_chosen: bool = False


class UsageSummary(TimedRuleKind):
    entry = UsageSummaryEntry
    says = "a recurring day of the subscriber's calendar or billing cycle has come"
    brief = "usage summary"
    field_docs = {
        "every": "`day`, `week`, `month`, `month_start`, `month_middle`, `month_end`, "
        "`cycle_start`, `cycle_middle`, `cycle_end`",
        "day": "weekday (1 Monday) if every week, day of the month if every month",
        "only_chosen": "only for subscribers who asked for one",
    }
    placeholders = frozenset((PERIOD_USED,))
    shape = Shape.CALENDAR
    is_by_choice = True
    recurs_by = "every"

    def shape_of(self, rule: TimedRule) -> Shape:
        return Shape.IN_CYCLE if rule.every in CYCLE_PARTS else Shape.CALENDAR

    def day_in_cycle(self, rule: TimedRule) -> str:
        return rule.every

    def local_times(self, rule: Recurrence, first: date) -> Iterator[LocalTime]:
        if rule.every == "day":
            return every_days(first, 1, rule.at)
        if rule.every == "week":
            return every_days(first + (rule.day - first.isoweekday()) % 7 * ONE_DAY, 7, rule.at)
        return monthly(first, _MONTH_DAYS.get(rule.every, rule.day), rule.at)

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        yield from super().problems(rule, file)
        if "day" not in rule:
            return
        every, day = rule.get("every", "week"), rule["day"]
        if every == "day":
            yield ("day",), "a daily summary has no day"
        elif every not in _WITH_DAY:
            yield ("day",), "is for every week and every month"
        elif every == "week" and type(day) is int and day > 7:
            yield ("day",), "a weekday is 1 (Monday) to 7"

    def terms(self, entry: UsageSummaryEntry) -> dict[str, Any]:
        return {"every": entry.every, "day": entry.day, "only_chosen": entry.only_chosen}


KIND = UsageSummary()
