"""``after_activation``: some hours after the contract began."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.rules.kinds.entry import TimedEntry
from streamproc.core.rules.kinds.timed import Shape, TimedRuleKind
from streamproc.core.rules.rule import TimedRule


class AfterActivationEntry(TimedEntry, frozen=True, tag="after_activation", kw_only=True):
    hours_after: Annotated[int, Meta(ge=1, le=10 * 366 * 24)]


class AfterActivation(TimedRuleKind):
    entry = AfterActivationEntry
    says = "some hours have passed since the activation"
    brief = "after the activation"
    field_docs = {"hours_after": "since the activation"}
    shape = Shape.AFTER_ACTIVATION
    has_own_instants = True

    def is_by_clocks(self, rule: TimedRule) -> bool:
        return False

    def terms(self, entry: AfterActivationEntry) -> dict[str, Any]:
        return {"hours_after": entry.hours_after}


KIND = AfterActivation()
