"""``access_limited``: policies of the plan bar or throttle data now.

Usage can cause that, and so can the end of a pack, a change of plan or a cap that applies again. A
rule of this kind reports it whatever the cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.as_written import Problem, entries
from streamproc.core.rules.fields import Id
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.kinds.entry import ReachingEntry
from streamproc.core.rules.kinds.watch import FigureName, WithoutThresholds


class AccessLimitedEntry(ReachingEntry, frozen=True, tag="access_limited", kw_only=True):
    policies: Annotated[frozenset[Id], Meta(min_length=1)]
    tariff: Id | None = None


class AccessLimited(WithoutThresholds):
    """The figure is how many of the policies are in force."""

    entry = AccessLimitedEntry
    says = "a policy of the plan bars or throttles data, whatever the cause"
    brief = "data barred or slowed down"
    field_docs = {
        "policies": "ids of policies of plans; not of the kind `member_cap`",
        "tariff": "`{price}` and `{spend}` are of this tariff; default: of the plan's own prices",
    }
    is_of_cycle = False
    is_reached_by_ends = True
    is_reached_by_reductions = True
    tells_limits = True

    def figure(self, rule: WatchRule) -> FigureName:
        return "limits", " ".join(sorted(rule.policies))

    def value(self, rule: WatchRule, figures: Figures) -> int:
        return figures.limits_in_force(rule.policies)

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        yield from super().problems(rule, file)
        names = rule.get("policies")
        every = [one for _, plan in entries(file, "plans") for _, one in entries(plan, "policies")]
        known = {one.get("id"): one.get("when") for one in every}
        for name in names if isinstance(names, list) else ():
            if name not in known:
                yield ("policies",), f"{name!r} is no policy of any plan"
            elif known[name] == "member_cap":
                words = "is about single members: a usage_percent rule with bucket_kinds [member]"
                yield ("policies",), f"{name!r} {words} tells it"

    def terms(self, entry: AccessLimitedEntry) -> dict[str, Any]:
        return {"policies": entry.policies, "tariff": entry.tariff or ""}


KIND = AccessLimited()
