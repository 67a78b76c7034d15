"""Law 16 by its words: a message goes out at the first instant at which nothing forbids it.

Everything that was ever told is kept, and every condition is checked against all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING, Any, NamedTuple

from streamproc.core.rulebook import Rulebook
from streamproc.oracle.nights import end_of_night
from streamproc.oracle.speaking import holds, is_notice, rule_called, speak

if TYPE_CHECKING:
    from streamproc.oracle.contract import Contract

HOURS = tuple[time, time] | None


class Reason(NamedTuple):
    """One reason to speak."""

    about: str
    """A bucket's id, or what else tells it from others of its rule; empty: the account."""
    threshold: int | None
    noted_ms: int
    detail: Any = ""


@dataclass(eq=False)
class Letter:
    """What a rule has to say."""

    rule: str
    reasons: list[Reason]
    since_ms: int
    until_ms: int
    is_new: bool = True


News = tuple[Any, list[Reason]]
"""A rule, and why it speaks."""


class Post:
    """All messages to one subscriber within a contract."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.told: list[tuple[int, dict[str, int]]] = []
        """When, and until when that keeps which rules quiet."""
        self.letters: list[Letter] = []
        """Those that wait."""

    def offer(self, news: list[News], at_ms: int, rules: Rulebook) -> None:
        """What is new at an instant."""
        if not news:
            return
        letters = [
            Letter(rule.id, list(reasons), at_ms, at_ms)
            for rule, reasons in news
            if self._is_wanted(rule, at_ms)
        ]
        self._sort_out(letters, at_ms, rules)

    def go_on(self, at_ms: int, rules: Rulebook) -> None:
        """What waited until an instant."""
        due = [one for one in self.letters if one.until_ms <= at_ms]
        self._sort_out([one for one in due if self._is_still_so(one, at_ms, rules)], at_ms, rules)

    def moments(self) -> list[float]:
        return [float(one.until_ms) for one in self.letters]

    def waits(self, rule: str, about: str) -> bool:
        return any(
            one.rule == rule and any(reason.about == about for reason in one.reasons)
            for one in self.letters
        )

    def rename(self, old: str, new: str) -> None:
        """A bucket goes on under another id."""
        for letter in self.letters:
            if any(one.about == old for one in letter.reasons):
                kept = [one for one in letter.reasons if one.about != new]
                letter.reasons = [
                    one._replace(about=new) if one.about == old else one for one in kept
                ]

    def end(self) -> None:
        """The contract is over."""
        for letter in self.letters:
            self._count("no_longer_true", len(letter.reasons))
        self.letters = []

    def _count(self, decision: str, times: int = 1) -> None:
        if times:
            self.contract.outcome.audit[decision] += times

    def _is_wanted(self, rule: Any, at_ms: int) -> bool:
        if rule.category in self.contract.opted_out and not rule.mandatory:
            self._count("opted_out")
            return False
        if not is_in_force(rule, at_ms):
            self._count("out_of_validity")
            return False
        return True

    def _is_still_so(self, letter: Letter, at_ms: int, rules: Rulebook) -> bool:
        """Keeps of a letter what is true; says whether it goes on."""
        rule = rule_called(letter.rule, rules)
        so = [
            reason
            for reason in letter.reasons
            if rule is not None and holds(self.contract, rule, reason, at_ms, rules)
        ]
        self._count("no_longer_true", len(letter.reasons) - len(so))
        letter.reasons = so
        if so and self._is_wanted(rule, at_ms):
            return True
        self.letters.remove(letter)
        return False

    def _sort_out(self, letters: list[Letter], at_ms: int, rules: Rulebook) -> None:
        bundles: list[list[Letter]] = []
        groups: list[str] = []
        for letter in sorted(letters, key=lambda one: urgency_of(one.rule, rules)):
            group = rule_called(letter.rule, rules).policy.group
            if not group or group not in groups:
                groups.append(group)
                bundles.append([letter])
                continue
            bundle = bundles[groups.index(group)]
            same = [one for one in bundle if one.rule == letter.rule]
            if same:
                same[0].reasons += letter.reasons
            else:
                bundle.append(letter)
        for group, bundle in zip(groups, bundles, strict=True):
            self._settle([self._with_its_like(one, rules) for one in bundle], group, at_ms, rules)

    def _with_its_like(self, letter: Letter, rules: Rulebook) -> Letter:
        """A rule's new reasons go with those that wait; of each thing the later one counts."""
        if not letter.is_new:
            return letter
        fresh = {one.about for one in letter.reasons}
        for other in self.letters:
            if other.rule != letter.rule:
                continue
            known = [one for one in other.reasons if one.about in fresh]
            if is_notice(letter.rule, rules) and not known:
                continue  # notices are one message each
            self._count("superseded", len(known))
            other.reasons = [one for one in other.reasons if one not in known] + letter.reasons
            other.is_new = True
            return other
        return letter

    def _settle(self, bundle: list[Letter], group: str, at_ms: int, rules: Rulebook) -> None:
        firsts = [self._first_free(one, at_ms, rules) for one in bundle]
        if at_ms not in firsts:
            for letter, until_ms in zip(bundle, firsts, strict=True):
                why = self._forbids(letter, until_ms - 1, rules)
                self._count(why[0], len(letter.reasons))
                letter.until_ms, letter.is_new = until_ms, False
                if letter not in self.letters:
                    self.letters.append(letter)
            return
        if group:
            for other in list(self.letters):
                rule = rule_called(other.rule, rules)
                if other in bundle or rule is None or rule.policy.group != group:
                    continue
                if self._is_still_so(other, at_ms, rules):
                    bundle.append(other)
        bundle.sort(key=lambda one: urgency_of(one.rule, rules))
        for letter in bundle[1:]:
            self._count("merged", len(letter.reasons))
        first = bundle[0]
        speak(self.contract, rule_called(first.rule, rules), first.reasons, at_ms, rules)
        self.letters = [one for one in self.letters if one not in bundle]
        quiet = {}
        for letter in bundle:
            cool_ms = rule_called(letter.rule, rules).policy.cool_down_ms
            if cool_ms:  # without one, not even usage that bears a later time holds it up
                quiet[letter.rule] = at_ms + cool_ms
        self.told.append((at_ms, quiet))

    def _first_free(self, letter: Letter, at_ms: int, rules: Rulebook) -> int:
        """The first instant from one on at which nothing forbids a letter."""
        coalesce_ms: int = rule_called(letter.rule, rules).policy.coalesce_ms
        ends = {at_ms, letter.since_ms + coalesce_ms}
        for told_ms, quiet in self.told:
            ends |= {told_ms + cap.window_ms for cap in rules.alerts.caps}
            ends |= {until for rule, until in quiet.items() if rule == letter.rule}
        ahead = [one for one in ends if one >= at_ms]
        hours = self._hours(rules)
        ahead += [end_of_night(one, hours, self.contract.zone) for one in ahead]
        return next(one for one in sorted(ahead) if not self._forbids(letter, one, rules))

    def _forbids(self, letter: Letter, at_ms: int, rules: Rulebook) -> list[str]:
        """What of all forbids a letter at an instant."""
        rule = rule_called(letter.rule, rules)
        found = []
        if at_ms < letter.since_ms + rule.policy.coalesce_ms:
            found.append("coalescing")
        if any(at_ms < quiet.get(letter.rule, 0) for _, quiet in self.told):
            found.append("cool_down")
        for cap in rules.alerts.caps:
            within = [told_ms for told_ms, _ in self.told if told_ms > at_ms - cap.window_ms]
            if len(within) >= cap.messages and not rule.mandatory:
                found.append("capped")
        if rule.policy.in_quiet_hours == "hold":
            night_ends_ms = end_of_night(at_ms, self._hours(rules), self.contract.zone)
            if night_ends_ms > at_ms:
                found.append("quiet_hours")
        return found

    def _hours(self, rules: Rulebook) -> HOURS:
        """The subscriber's own quiet hours, or everybody's."""
        own = self.contract.talk.own_hours
        if own is not None:
            return None if own[0] == own[1] else own
        hours = rules.alerts.quiet_hours
        return None if hours is None else (hours.start, hours.end)


def is_in_force(rule: Any, at_ms: int) -> bool:
    return bool(rule.policy.valid_from_ms <= at_ms < rule.policy.valid_until_ms)


def urgency_of(name: str, rules: Rulebook) -> tuple[int, int, int]:
    rule = rule_called(name, rules)
    gravity = ("critical", "warning", "info").index(rule.policy.severity)
    return (0 if rule.mandatory else 1), gravity, rule.priority
