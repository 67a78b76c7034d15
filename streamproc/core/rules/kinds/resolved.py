"""``resolved``: the reason of an earlier reminder is over (top-up, refund, new cycle)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.rules.account_rules import ResolvedRule
from streamproc.core.rules.as_written import Problem, entries, items
from streamproc.core.rules.fields import Id
from streamproc.core.rules.kinds.base import RuleKind, Windows
from streamproc.core.rules.kinds.entry import RuleEntry, policy_of, spoken
from streamproc.core.rules.kinds.registry import KINDS


class ResolvedEntry(RuleEntry, frozen=True, tag="resolved", kw_only=True):
    of: Annotated[frozenset[Id], Meta(min_length=1)]


class Resolved(RuleKind):
    """Its messages show the threshold and unit of the rule whose reason is over."""

    entry = ResolvedEntry
    says = "an alarm of another rule is over: topped up, refunded, or a new cycle"
    brief = "over again"
    field_docs = {"of": "ids of the rules that it follows"}
    placeholders = frozenset(("threshold",))

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        reaching = {one.get("id") for _, one in entries(file, "rules") if _can_be_over(one)}
        for place, name in enumerate(items(rule, "of")):
            if isinstance(name, str) and name not in reaching:
                yield ("of", place), f"{name!r} is no rule with thresholds to be resolved"

    def rule(self, entry: ResolvedEntry, windows: Windows) -> ResolvedRule:
        return ResolvedRule(
            entry.id, frozenset(map(str, entry.of)), *spoken(entry), policy_of(entry)
        )


def _can_be_over(rule: dict[str, Any]) -> bool:
    kind = rule.get("kind")
    return isinstance(kind, str) and kind in KINDS and KINDS[kind].can_be_over


KIND = Resolved()
