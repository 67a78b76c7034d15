"""``once``: on one day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from streamproc.core.rules.as_written import Problem
from streamproc.core.rules.fields import CalendarDay
from streamproc.core.rules.kinds.entry import ClockedEntry
from streamproc.core.rules.kinds.timed import Shape, TimedRuleKind
from streamproc.core.rules.recurring import LocalTime, Recurrence


class OnceEntry(ClockedEntry, frozen=True, tag="once", kw_only=True):
    date: CalendarDay


class Once(TimedRuleKind):
    entry = OnceEntry
    says = "one day and time has come, by the subscriber's clocks"
    brief = "on one day"
    field_docs = {"date": "the day, `2026-12-24`"}
    shape = Shape.CALENDAR

    def local_times(self, rule: Recurrence, first: date) -> Iterator[LocalTime]:
        assert rule.on is not None
        if rule.on >= first:
            yield rule.on, rule.at

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        yield from super().problems(rule, file)
        if isinstance(rule.get("date"), str) and not _is_day(rule["date"]):
            yield ("date",), "there is no such day"

    def terms(self, entry: OnceEntry) -> dict[str, Any]:
        return {"on": date.fromisoformat(entry.date)}


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


KIND = Once()
