"""``forecast``: at the present rate of usage, home data runs out before the cycle ends."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.instants import HOUR_MS, NEVER_MS
from streamproc.core.rules.account_rules import CheckRule
from streamproc.core.rules.kinds.account_view import Look
from streamproc.core.rules.kinds.base import Need
from streamproc.core.rules.kinds.check import CheckRuleKind
from streamproc.core.rules.kinds.entry import CheckEntry
from streamproc.core.rules.recurring import ONE_DAY


class ForecastEntry(CheckEntry, frozen=True, tag="forecast", kw_only=True):
    silent_hours: Annotated[int, Meta(ge=24, le=31 * 24)] = 24


class Forecast(CheckRuleKind):
    """It checks every day. It sends one message until something is granted again."""

    entry = ForecastEntry
    says = "at the present rate home data ends before its cycle does"
    brief = "will not last"
    field_docs = {"silent_hours": "nothing is sent in these first hours of a cycle; 24 to 744"}
    placeholders = frozenset(("runs_out",))
    is_once = True
    foretells = True

    def next_ms(self, rule: CheckRule, look: Look) -> int:
        if look.is_told:
            return NEVER_MS
        after_ms = max(look.clock_ms, look.since_ms + rule.silent_ms - 1)
        day = look.local_day(after_ms)
        while (at_ms := look.instant_ms(day, rule.at)) <= after_ms:
            day += ONE_DAY
        return at_ms if at_ms < look.cycle_end_ms else NEVER_MS

    def has_reason(self, rule: CheckRule, look: Look, marked_ms: int, at_ms: int) -> bool:
        """If the home data has run out already, a forecast is not true any more."""
        if marked_ms < look.cycle_start_ms or at_ms - look.since_ms < rule.silent_ms:
            return False
        return look.left_bytes() > 0 and look.runs_out_ms(at_ms) < look.cycle_end_ms

    def needs(self, entry: ForecastEntry) -> frozenset[Need]:
        return frozenset((Need.LIMIT_OF_PLAN,))

    def terms(self, entry: ForecastEntry) -> dict[str, Any]:
        return {"silent_ms": entry.silent_hours * HOUR_MS}


KIND = Forecast()
