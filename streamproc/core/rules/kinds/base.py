"""What a kind of rules is: everything that the rest of streamproc asks about it, in one class.

A kind is one module here with one class and its only instance. The families (``bucket``, ``watch``,
``timed``, ``check``) say what a kind of theirs must answer; what only an account can tell they ask
through the protocols in ``asking``, which higher floors implement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, ClassVar, Final, NamedTuple

from streamproc.core.rules.as_written import Problem
from streamproc.core.rules.kinds.entry import RuleEntry
from streamproc.core.rules.rule import CorrectionRule, TimedRule, UsageRule
from streamproc.core.rules.watch import CheckRule, ResolvedRule, WatchRule

MINOR_UNITS: Final = "minor_units"
"""Unit of thresholds that are money."""
Rule = UsageRule | TimedRule | WatchRule | CheckRule | ResolvedRule | CorrectionRule


class Windows(NamedTuple):
    """How long timed reminders of one instant are spread (``storms``), in milliseconds."""

    mandatory_ms: int = 0
    others_ms: int = 0


class Need(Enum):
    """What a rules file must have, or a rule can never speak (``rules check`` warns of it)."""

    PRICE = "price"
    """A price of overage, under the rule's tariff if it has one."""
    PRICE_UNDER_CAP = "price_under_cap"
    """A plan with a cost cap, and a price under it."""
    OVERAGE = "overage"
    """A plan whose usage can go beyond all its buckets."""
    LIMIT = "limit"
    """An allowance with a limit, or a pack."""
    LIMIT_OF_PLAN = "limit_of_plan"
    """An allowance with a limit."""


class RuleKind:
    """One kind of rules."""

    entry: ClassVar[type[RuleEntry]]
    """Its entry in the rules file: fields and bounds. The entry's tag is the kind's name."""
    says: ClassVar[str]
    """When it reminds, in one sentence for the tables of docs/rules.md."""
    brief: ClassVar[str]
    """The same in a few words, for tables on a screen."""
    field_docs: ClassVar[Mapping[str, str]] = {}
    """What the fields mean that few kinds have, by name, for the same tables."""
    thresholds_are: ClassVar[str] = ""
    """Unit and bounds of its thresholds, in words; empty: it has none."""
    unit: ClassVar[str] = ""
    """Of its thresholds in records: a word that begins with ``percent`` or ``bytes``, or
    :data:`MINOR_UNITS`. Empty: no threshold is told."""
    level_words: ClassVar[str] = "at {0}"
    """A threshold in words for people: ``{0}`` is its number, ``{1}`` the same as bytes."""
    placeholders: ClassVar[frozenset[str]] = frozenset()
    """Those of ``placeholders.OF_SOME_KINDS`` that have a meaning in its texts."""
    fact: ClassVar[str] = ""
    """Kinds that tell one fact at different strength share a word here, and a group merges their
    messages though they are mandatory. Empty: it tells a fact of its own."""
    is_urgent: ClassVar[bool] = False
    """Whether its messages lose their use within minutes: something was used up, costs, or is
    barred. They go into the dispatcher's first lane (``dispatch/urgency.py``)."""
    called: ClassVar[str] = "this kind of rule"
    """What the problems of a rules file call it."""
    can_be_over: ClassVar[bool] = False
    """Whether a rule of the kind ``resolved`` can follow it."""

    def __init__(self) -> None:
        self.name = str(self.entry.__struct_config__.tag)

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        """What is wrong between fields of a rule as it was written, and with the rest of the file.

        Types and bounds are checked elsewhere: a field of a wrong type is to be passed over. Paths
        begin at the rule.
        """
        yield from ()

    def needs(self, entry: Any) -> frozenset[Need]:
        """What the file must have for a rule ever to speak."""
        return frozenset()

    def rule(self, entry: Any, windows: Windows) -> Rule:
        """The rule of an entry without problems."""
        raise NotImplementedError
