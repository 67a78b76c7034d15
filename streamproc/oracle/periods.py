"""What was used since a summary's last message: every charge and refund, added up again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamproc.core.rulebook import Rulebook
from streamproc.oracle.timers import rules_for

if TYPE_CHECKING:
    from streamproc.oracle.contract import Contract

OF_PERIODS = ("usage_summary", "cron")


class Periods:
    """Of one contract."""

    def __init__(self) -> None:
        self.moves: list[int] = []
        """Bytes charged (more than 0) and taken back (less), in the order of their coming."""
        self.since: dict[str, int] = {}
        """By rule: how many moves there were when its period began."""
        self.of_cycle = 0
        """How many there were when the cycle began."""

    def begin_cycle(self, contract: Contract, rules: Rulebook) -> None:
        """Who is not spoken to is told of the cycle at most."""
        spoken = {
            rule.id
            for rule in rules_for(contract, rules)
            if rule.mandatory or rule.category not in contract.opted_out
        }
        self.of_cycle = len(self.moves)
        for rule in rules.timed_rules:
            if rule.id not in self.since or rule.id not in spoken:
                self.since[rule.id] = self.of_cycle

    def tell(self, contract: Contract, rule: Any, at_ms: int) -> None:
        """Note what a rule's message says, and begin its next period."""
        told = contract.name, rule.id, at_ms
        if rule.kind not in OF_PERIODS or told in contract.outcome.period_used:
            return  # of one instant several recipients are told the same
        used = 0
        for move in self.moves[self.since.get(rule.id, self.of_cycle) :]:
            used = max(used + move, 0)
        contract.outcome.period_used[told] = used
        self.since[rule.id] = len(self.moves)
