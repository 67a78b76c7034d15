"""``cycle_end``: the billing cycle is over."""

from __future__ import annotations

from streamproc.core.rules.kinds.entry import TimedEntry
from streamproc.core.rules.kinds.timed import Shape, TimedRuleKind
from streamproc.core.rules.rule import TimedRule


class CycleEndEntry(TimedEntry, frozen=True, tag="cycle_end", kw_only=True):
    pass


class CycleEnd(TimedRuleKind):
    entry = CycleEndEntry
    says = "a billing cycle is over; the figures are that cycle's"
    brief = "cycle over"
    shape = Shape.AFTER_CYCLE

    def is_by_clocks(self, rule: TimedRule) -> bool:
        return False


KIND = CycleEnd()
