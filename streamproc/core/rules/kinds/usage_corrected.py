"""``usage_corrected``: billing took usage back (``usage.refunded``)."""

from __future__ import annotations

from typing import Literal

from streamproc.core.rules.kinds.base import RuleKind, Windows
from streamproc.core.rules.kinds.entry import RuleEntry, policy_of, spoken
from streamproc.core.rules.rule import CorrectionRule


class UsageCorrectedEntry(RuleEntry, frozen=True, tag="usage_corrected", kw_only=True):
    when: Literal["uncrossed", "always"] = "uncrossed"


class UsageCorrected(RuleKind):
    entry = UsageCorrectedEntry
    says = "usage was taken back, and an earlier message is no longer true"
    brief = "usage taken back"
    field_docs = {"when": "`uncrossed`: only if a threshold is no longer reached; or `always`"}

    def rule(self, entry: UsageCorrectedEntry, windows: Windows) -> CorrectionRule:
        return CorrectionRule(entry.id, *spoken(entry), entry.when, policy_of(entry))


KIND = UsageCorrected()
