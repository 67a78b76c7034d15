"""Usage since a rule's last message, counted from the charges of the oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from streamproc.core.instants import to_ms
from streamproc.core.rules.sending import Audience
from streamproc.core.state.effects import Reminder
from tests.support.truth.account import Snapshot
from tests.support.truth.figures import Facts
from tests.support.truth.play import Scene

_Reader = tuple[str, str]
"""A rule and a recipient; an empty recipient is the account's own number."""


@dataclass
class Periods:
    """The bytes charged at the start of all periods of one subscriber."""

    contract_ms: int = -1
    of_contract: int = 0
    of_cycles: dict[int, int] = field(default_factory=dict)
    """By the start of each cycle (ms)."""
    of_rules: dict[_Reader, int] = field(default_factory=dict)
    of_all: dict[str, list[int]] = field(default_factory=dict)
    """By rule: at each of its messages, to any recipient."""
    charged: int = 0
    _told_ms: dict[_Reader, int] = field(default_factory=dict)
    _before: dict[_Reader, list[int]] = field(default_factory=dict)

    def reach(self, states: list[Snapshot], until_ms: float, event_ms: int | None = None) -> None:
        """Process states up to an instant: contracts and cycles that begin, refunds.

        ``event_ms`` is the time of the event that caused the last state.
        """
        while states and states[0].at_ms <= until_ms:
            state = states.pop(0)
            if state.since_ms != self.contract_ms:
                self.contract_ms = state.since_ms
                self.of_contract = self.charged
                self.of_rules, self.of_cycles, self.of_all = {}, {}, {}
            self.of_cycles.setdefault(state.start_ms, self.charged)
            if event_ms is not None and event_ms < state.since_ms and not states:
                self._shift(state.charged_bytes - self.charged)
            self.charged = state.charged_bytes
            # No period begins below 0: a refund takes back what was reported already.
            self.of_contract = min(self.of_contract, self.charged)
            self._change_bases(lambda base: min(base, self.charged))
            for rule, bases in self.of_all.items():
                self.of_all[rule] = [min(base, self.charged) for base in bases]

    def _change_bases(self, changed: Callable[[int], int]) -> None:
        self.of_rules = {reader: changed(base) for reader, base in self.of_rules.items()}
        self.of_cycles = {start: changed(base) for start, base in self.of_cycles.items()}

    def _shift(self, change: int) -> None:
        """Usage of an earlier contract belongs to no period of this one."""
        self.of_contract += change
        self._change_bases(lambda base: base + change)
        for reader, bases in self._before.items():
            self._before[reader] = [base + change for base in bases]
        for rule, bases in self.of_all.items():
            self.of_all[rule] = [base + change for base in bases]

    def told(self, message: Reminder, scene: Scene, audience: Audience) -> None:
        at_ms = to_ms(message.as_of)
        states = scene.states_at(at_ms)
        reader = message.rule, message.recipient or ""
        if states and self._told_ms.get(reader) != at_ms:
            self._before[reader] = self._bases(reader, at_ms)
            self.of_rules[reader] = states[-1].charged_bytes
            self.of_all.setdefault(message.rule, []).append(states[-1].charged_bytes)
            self._told_ms[reader] = at_ms
            for other in [one for one in self.of_rules if one[0] == message.rule]:
                if all(other[1] not in _readers(state, audience) for state in states):
                    del self.of_rules[other]

    def _bases(self, reader: _Reader, at_ms: int) -> list[int]:
        """A recipient without a message, or one who came back, may have joined after any message to
        others."""
        if reader in self.of_rules:
            return [self.of_rules[reader]]
        bases = [self.of_contract, *self.of_all.get(reader[0], ())]
        for other, base in self.of_rules.items():
            if other[0] == reader[0]:
                bases += self._before[other] if self._told_ms[other] == at_ms else [base]
        return bases

    def used(self, facts: Facts) -> list[float]:
        """What a message may show: usage since the last one; or since the cycle began, if the rule
        sent nothing to the subscriber for a while."""
        charged = facts.state.charged_bytes
        reader = facts.rule.id, facts.message.recipient or ""
        is_told_now = self._told_ms.get(reader) == facts.as_of_ms
        bases = list(self._before[reader] if is_told_now else self._bases(reader, facts.as_of_ms))
        bases += [base for start, base in self.of_cycles.items() if start <= facts.as_of_ms]
        return [max(charged - base, 0) for base in bases]


def _readers(state: Snapshot, audience: Audience) -> list[str]:
    """The recipients of a message about the whole account."""
    owners = [name for name, one in state.members.items() if one["owner"]] or [""]
    others = [name for name, one in state.members.items() if not one["owner"]] or owners
    return {
        "account_holder": owners,
        "device_user": others,
        "both": [*owners, *others],
    }[audience]
