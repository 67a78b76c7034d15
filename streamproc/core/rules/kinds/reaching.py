"""What kinds with thresholds share: kinds about single buckets, and kinds about the whole
account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from streamproc.core.rules.as_written import Problem
from streamproc.core.rules.kinds.base import RuleKind


class ReachingRuleKind(RuleKind):
    """Its rules can check at the start of their validity, and can require several events in a
    row."""

    placeholders = frozenset(("threshold",))
    can_be_over = True
    is_urgent = True
    is_below_thresholds: ClassVar[bool] = False
    """Whether the hysteresis must be smaller than every threshold: the figure cannot fall
    below 0."""

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        if rule.get("evaluate_on_create") is True and "valid_from" not in rule:
            yield ("evaluate_on_create",), "needs valid_from: that is when it is evaluated"
        hysteresis, values = rule.get("hysteresis"), rule.get("thresholds")
        if (
            self.is_below_thresholds
            and isinstance(hysteresis, int)
            and hysteresis
            and isinstance(values, list)
            and any(type(one) is int and one <= hysteresis for one in values)
        ):
            yield ("hysteresis",), "must be less than every threshold"
