"""``inactivity``: there was no usage for some days."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.instants import NEVER_MS
from streamproc.core.rules.account_rules import CheckRule
from streamproc.core.rules.kinds.account_view import Look
from streamproc.core.rules.kinds.check import CheckRuleKind
from streamproc.core.rules.kinds.entry import CheckEntry
from streamproc.core.rules.recurring import ONE_DAY


class InactivityEntry(CheckEntry, frozen=True, tag="inactivity", kw_only=True):
    days: Annotated[int, Meta(ge=1, le=3660)]


class Inactivity(CheckRuleKind):
    entry = InactivityEntry
    says = "nothing was used for some days"
    brief = "nothing used for days"
    field_docs = {"days": "this many days without usage"}

    def next_ms(self, rule: CheckRule, look: Look) -> int:
        last = look.local_day(look.last_use_ms)
        at_ms = look.instant_ms(last + rule.days * ONE_DAY, rule.at)
        return at_ms if at_ms > look.clock_ms else NEVER_MS

    def has_reason(self, rule: CheckRule, look: Look, marked_ms: int, at_ms: int) -> bool:
        return look.last_use_ms <= marked_ms

    def silence_days(self, rule: CheckRule) -> int | None:
        return rule.days

    def terms(self, entry: InactivityEntry) -> dict[str, Any]:
        return {"days": entry.days}


KIND = Inactivity()
