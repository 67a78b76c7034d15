"""Usage since a summary's last message: every charge and refund, added up again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.timers import rules_for

if TYPE_CHECKING:
    from streamproc.lab.oracle.contract import Contract

OF_PERIODS = ("usage_summary", "cron")


class Periods:
    """The periods of one contract."""

    def __init__(self) -> None:
        self.moves: list[int] = []
        """Bytes charged (more than 0) and taken back (less), in order of arrival."""
        self.since: dict[str, int] = {}
        """By rule: how many moves there were when its last period began, for any reader."""
        self.since_of: dict[tuple[str, str], int] = {}
        """The same by rule and reader, for readers who could have got the message."""
        self.of_cycle = 0
        """How many moves there were when the cycle began."""

    def begin_cycle(self, contract: Contract, rules: Rulebook) -> None:
        """A subscriber who gets no messages of a rule will hear about one cycle at most."""
        spoken = {
            rule.id
            for rule in rules_for(contract, rules)
            if rule.mandatory or rule.category not in contract.opted_out
        }
        self.of_cycle = len(self.moves)
        for rule in rules.timed_rules:
            if rule.id not in self.since or rule.id not in spoken:
                self.since[rule.id] = self.of_cycle
                self._forget(rule.id, keep=())

    def tell(self, contract: Contract, rule: Any, at_ms: int, to: str) -> None:
        """Note the period of a message to a recipient, and begin their next period."""
        told = contract.name, rule.id, at_ms, to
        if rule.kind not in OF_PERIODS:
            return
        last = self.since.get(rule.id, self.of_cycle)
        readers = contract.members.recipients(rule.policy.audience, "")
        self._forget(rule.id, keep=(*readers, to))
        for reader in (*readers, to):
            self.since_of.setdefault((rule.id, reader), last)
        used = 0
        for move in self.moves[self.since_of[rule.id, to] :]:
            used = max(used + move, 0)
        # If there are two messages at one instant, the second one has no usage of its own.
        contract.outcome.period_used.setdefault(told, used)
        self.since[rule.id] = self.since_of[rule.id, to] = len(self.moves)

    def _forget(self, rule: str, keep: tuple[str, ...]) -> None:
        """A recipient who does not get a rule's messages any more has no period of their own."""
        self.since_of = {
            (name, to): since
            for (name, to), since in self.since_of.items()
            if name != rule or to in keep
        }
