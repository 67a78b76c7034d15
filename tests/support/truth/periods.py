"""What was used since a rule's last message, counted from what the oracle charged."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamproc.core.effects import Reminder
from streamproc.core.instants import to_ms
from tests.support.truth.account import Snapshot
from tests.support.truth.figures import Facts
from tests.support.truth.play import Scene


@dataclass
class Periods:
    """The bytes charged at the begins of all periods of one subscriber."""

    contract_ms: int = -1
    of_contract: int = 0
    of_cycles: dict[int, int] = field(default_factory=dict)
    """By the begin of each cycle (ms)."""
    of_rules: dict[str, int] = field(default_factory=dict)
    charged: int = 0
    _told_ms: dict[str, int] = field(default_factory=dict)
    _before: dict[str, int] = field(default_factory=dict)

    def reach(self, states: list[Snapshot], until_ms: float, event_ms: int | None = None) -> None:
        """Takes states up to an instant: contracts and cycles that begin, refunds.

        ``event_ms`` is when the event happened that is the cause of the last state.
        """
        while states and states[0].at_ms <= until_ms:
            state = states.pop(0)
            if state.since_ms != self.contract_ms:
                self.contract_ms = state.since_ms
                self.of_contract = self.charged
                self.of_rules, self.of_cycles = {}, {}
            self.of_cycles.setdefault(state.start_ms, self.charged)
            if event_ms is not None and event_ms < state.since_ms and not states:
                self._shift(state.charged_bytes - self.charged)
            self.charged = state.charged_bytes
            # Nothing begins with less than nothing: a refund takes back what was told already.
            self.of_contract = min(self.of_contract, self.charged)
            for known in (self.of_rules, self.of_cycles):
                known.update({key: min(base, self.charged) for key, base in known.items()})

    def _shift(self, change: int) -> None:
        """Usage of an earlier contract is of no period of this one."""
        self.of_contract += change
        for known in (self.of_rules, self.of_cycles, self._before):
            known.update({key: base + change for key, base in known.items()})

    def told(self, message: Reminder, scene: Scene) -> None:
        at_ms = to_ms(message.as_of)
        states = scene.states_at(at_ms)
        if states and self._told_ms.get(message.rule) != at_ms:
            # Several people may be told of one period at an instant.
            self._before[message.rule] = self.of_rules.get(message.rule, self.of_contract)
            self.of_rules[message.rule] = states[-1].charged_bytes
            self._told_ms[message.rule] = at_ms

    def used(self, facts: Facts) -> list[float]:
        """What a message may say: since the last one; or since the cycle began, if the rule did
        not speak to the subscriber for a while."""
        charged = facts.state.charged_bytes
        known = self.of_rules
        if self._told_ms.get(facts.rule.id) == facts.as_of_ms:
            known = self._before
        bases = [known.get(facts.rule.id, self.of_contract)]
        bases += [base for start, base in self.of_cycles.items() if start <= facts.as_of_ms]
        return [max(charged - base, 0) for base in bases]
