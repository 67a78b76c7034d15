"""Rules that count, that have hysteresis, or whose end another rule reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.buckets import COUNTING_DOWN, Bucket
from streamproc.lab.oracle.gate import News, Reason, is_in_force, urgency_of
from streamproc.lab.oracle.reaching import in_window, is_reached, thresholds
from streamproc.lab.oracle.speaking import WITHOUT_LEVEL, rule_called

if TYPE_CHECKING:
    from streamproc.lab.oracle.contract import Contract


class OracleEdge(NamedTuple):
    """A threshold that was just reached."""

    rule: Any
    bucket: Bucket | None
    threshold: int | None

    @property
    def about(self) -> str:
        return "" if self.bucket is None else str(self.bucket["id"])


@dataclass(eq=False)
class ReachedNow:
    """A threshold that is not armed."""

    rule: str
    about: str
    threshold: int | None
    count: int
    is_told: bool
    was_read: bool = False
    """Whether an earlier message was sent before the one that may wait now."""


class Memory:
    """The memory of one contract."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.kept: list[ReachedNow] = []
        self.over: list[ReachedNow] = []
        """Reasons that were reported and are over, since the last call of :meth:`judge`."""

    def fires(
        self, edges: list[OracleEdge], at_ms: int, rules: Rulebook, is_use: bool
    ) -> list[OracleEdge]:
        """The thresholds that fire, from those reached just now and those counted so far."""
        if not edges and not self.kept:
            return []
        fired = []
        old = [one for one in self.kept if not one.is_told]
        for edge in edges:
            if not _has_memory(edge.rule, rules) or not is_in_force(edge.rule, at_ms):
                fired.append(edge)
        if is_use:
            for one in old:
                rule = self._rule(one, at_ms, rules)
                bucket = self.contract.bucket_called(one.about)
                if rule is None or not is_reached(
                    self.contract, rule, bucket, one.threshold, rules
                ):
                    continue
                one.count += 1
                if one.count >= rule.policy.for_count:  # a reload can lower the count
                    one.is_told = True
                    fired.append(OracleEdge(rule, bucket, one.threshold))
        for edge in edges:
            rule = edge.rule
            if not _has_memory(rule, rules) or not is_in_force(rule, at_ms):
                continue
            place = (rule.id, edge.about, edge.threshold)
            known = [one for one in self.kept if (one.rule, one.about, one.threshold) == place]
            if not known:
                self.kept.append(ReachedNow(*place, 1, rule.policy.for_count == 1))
                if rule.policy.for_count == 1:
                    fired.append(edge)
            elif known[0].is_told and known[0] not in old and rule.kind == "overage_started":
                self.says_again([edge])
                fired.append(edge)
            elif known[0].is_told and known[0] not in old:
                self.contract.outcome.audit["hysteresis"] += 1
        return fired

    def says_again(self, edges: list[OracleEdge]) -> None:
        """Reached since long, and told once more."""
        places = {(one.rule.id, one.about, one.threshold) for one in edges}
        for one in self.kept:
            place = one.rule, one.about, one.threshold
            if place in places and one.is_told and not self.contract.gate.waits(*place):
                one.was_read = True

    def before_use(self, time_ms: int, at_ms: int, rules: Rulebook) -> None:
        """A window moves before usage is counted: a velocity that was reached may be over."""
        for one in list(self.kept):
            rule = self._rule(one, at_ms, rules)
            if rule is None or rule.kind != "velocity" or not one.is_told:
                continue
            assert one.threshold is not None
            level = max(one.threshold - rule.policy.hysteresis, 1)
            if in_window(self.contract, rule, time_ms) < level:
                self._end(one)

    def judge(self, at_ms: int, rules: Rulebook) -> list[News]:
        """Forget thresholds that are armed again; returns the messages of rules that follow
        them."""
        if not self.kept and not self.over:
            return []
        contract = self.contract
        for one in list(self.kept):
            rule = self._rule(one, at_ms, rules)
            bucket = contract.bucket_called(one.about)
            if rule is None or (one.about and bucket is None):
                self.kept.remove(one)
                continue
            margin = rule.policy.hysteresis if one.is_told else 0
            if is_reached(contract, rule, bucket, one.threshold, rules, margin):
                continue
            if one.is_told:
                self._end(one)
            else:
                self.kept.remove(one)
        over = [one for one in self.over if not self._is_reached_again(one, rules)]
        self.over = []
        news: list[News] = []
        for follower in rules.resolved_rules:
            reasons: dict[str, Reason] = {}
            for one in sorted(over, key=lambda one: urgency_of(one.rule, rules)):
                known = reasons.get(one.about)
                if one.rule in follower.of and (known is None or known.detail == one.rule):
                    reasons[one.about] = Reason(one.about, one.threshold, at_ms, one.rule)
            if reasons:
                news.append((follower, list(reasons.values())))
        return news

    def rename(self, old: str, new: str) -> None:
        """A bucket continues under another id."""
        for one in self.kept:
            if one.about == old:
                one.about = new

    def _end(self, one: ReachedNow) -> None:
        self.kept.remove(one)
        self.contract.outcome.audit["resolved"] += 1
        if one.was_read or not self.contract.gate.waits(one.rule, one.about, one.threshold):
            self.over.append(one)

    def _is_reached_again(self, one: ReachedNow, rules: Rulebook) -> bool:
        rule, bucket = rule_called(one.rule, rules), self.contract.bucket_called(one.about)
        return is_reached(self.contract, rule, bucket, one.threshold, rules)

    def _rule(self, one: ReachedNow, at_ms: int, rules: Rulebook) -> Any:
        """The rule of a threshold, if it still applies to the subscriber."""
        rule = rule_called(one.rule, rules)
        if rule is None or not _has_memory(rule, rules) or not is_in_force(rule, at_ms):
            return None
        if rule.kind in WITHOUT_LEVEL:
            return rule if one.threshold is None else None
        if one.threshold not in thresholds(self.contract, rule):
            return None
        return rule


def _has_memory(rule: Any, rules: Rulebook) -> bool:
    if not hasattr(rule, "thresholds"):
        return False
    followed = any(rule.id in follower.of for follower in rules.resolved_rules)
    return bool(rule.policy.for_count > 1 or rule.policy.hysteresis or followed)


def most_urgent(edges: list[OracleEdge]) -> OracleEdge:
    """The most urgent threshold of one rule: most bytes used, or fewest left."""
    is_down = edges[0].rule.kind in COUNTING_DOWN
    return (min if is_down else max)(edges, key=lambda one: one.threshold or 0)
