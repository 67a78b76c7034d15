"""The input of the checks, and functions that several checks need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple, TypeVar

from streamproc.contracts.rules_file.format.entries import RulesFormat
from streamproc.contracts.rules_file.format.plans import AllowanceEntry, PlanEntry, TariffEntry
from streamproc.contracts.rules_file.read.field_lines import Path
from streamproc.core.rules.kinds import KINDS, TIMED_KINDS, RuleKind
from streamproc.core.rules.kinds.base import Need, Windows
from streamproc.core.rules.kinds.entry import RuleEntry, TimedEntry
from streamproc.core.rules.kinds.timed import Shape
from streamproc.core.rules.rule import TimedRule
from streamproc.core.rules.scope import EVERYTHING, Scope
from streamproc.core.state.account import ALLOWANCE, PACK, ROLLOVER, UNLIMITED

Warned = Iterator[tuple[Path, str]]
"""Field, and the words of the warning."""
Rule = TypeVar("Rule", bound=RuleEntry)


class Size(NamedTuple):
    """A bucket that the file grants."""

    source: str
    kind: str
    granted_bytes: int
    """The largest grant; 0 if it is unlimited."""


@dataclass(frozen=True)
class Subject:
    """A rules file, and the day of the check."""

    file: RulesFormat
    today: date

    def rules(self, entry: type[Rule]) -> Iterator[tuple[Path, Rule]]:
        """The rules with an entry of this type, with their paths."""
        for index, rule in enumerate(self.file.rules):
            if isinstance(rule, entry):
                yield ("rules", index), rule

    def timed_rules(self, shape: Shape) -> Iterator[tuple[Path, TimedEntry, TimedRule]]:
        """The timed rules whose instants have a shape: path, entry and rule."""
        for path, entry in self.rules(TimedEntry):
            kind = TIMED_KINDS[tag_of(entry)]
            rule = kind.rule(entry, Windows())
            if kind.shape_of(rule) is shape:
                yield path, entry, rule

    def rules_in_need(self, need: Need) -> Iterator[tuple[Path, RuleEntry]]:
        """The rules that can send nothing unless the file has what ``need`` says."""
        for path, rule in self.rules(RuleEntry):
            if need in kind_of(rule).needs(rule):
                yield path, rule

    def allowances(self) -> Iterator[AllowanceEntry]:
        """Allowances of all plans."""
        for plan in self.file.plans:
            yield from plan.allowances

    @cached_property
    def scopes(self) -> frozenset[Scope]:
        """Scopes of all allowances and packs."""
        return frozenset(one.scope for one in (*self.allowances(), *self.file.packs))

    @cached_property
    def sizes(self) -> tuple[Size, ...]:
        """Every bucket that plans, roll-over and packs can grant."""
        return tuple(self._sizes())

    def _sizes(self) -> Iterator[Size]:
        for one in self.allowances():
            granted = one.granted_bytes or 0
            yield Size(one.id, UNLIMITED if one.unlimited else ALLOWANCE, granted)
            if one.rollover is not None:
                yield Size(one.id, ROLLOVER, one.rollover.max_bytes or granted)
        for pack in self.file.packs:
            yield Size(pack.id, PACK, pack.granted_bytes)

    def has_overage(self) -> bool:
        """Whether usage can exceed all buckets of a plan."""
        return any(not is_endless(plan) for plan in self.file.plans)


def kind_of(rule: RuleEntry) -> RuleKind:
    """The kind of an entry."""
    return KINDS[tag_of(rule)]


def tag_of(rule: RuleEntry) -> str:
    """The name of an entry's kind."""
    return str(rule.__struct_config__.tag)


Check = Callable[[Subject], Warned]


def is_endless(plan: PlanEntry) -> bool:
    """Whether an unlimited allowance covers everything."""
    return any(one.unlimited and one.scope == EVERYTHING for one in plan.allowances)


def costs(priced: PlanEntry | TariffEntry) -> bool:
    """Whether overage has a price under a plan's own tariff, or under another one."""
    return bool(priced.overage_price_minor) or any(
        tier.price_minor for tier in priced.overage_tiers
    )
