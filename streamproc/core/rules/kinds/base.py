"""The interface of a kind of rules: the rest of streamproc asks a kind through this class only.

A kind is one module here with one class and one instance. The families (``bucket``, ``watch``,
``timed``, ``check``) add the methods that their kinds must have. Kinds read the account through the
protocols in ``account_view``, which higher layers implement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, ClassVar, Final, NamedTuple

from streamproc.core.rules.account_rules import CheckRule, ResolvedRule, WatchRule
from streamproc.core.rules.as_written import Problem
from streamproc.core.rules.kinds.entry import RuleEntry
from streamproc.core.rules.rule import CorrectionRule, TimedRule, UsageRule

MINOR_UNITS: Final = "minor_units"
"""Unit of thresholds that are amounts of money."""
Rule = UsageRule | TimedRule | WatchRule | CheckRule | ResolvedRule | CorrectionRule


class Windows(NamedTuple):
    """How long timed reminders of one instant are spread (``storms``), in milliseconds."""

    mandatory_ms: int = 0
    others_ms: int = 0


class Need(Enum):
    """What the rules file must contain so that a rule can ever send a message (``rules check``
    warns)."""

    PRICE = "price"
    """A price of overage; under the rule's tariff if the rule names one."""
    PRICE_UNDER_CAP = "price_under_cap"
    """A plan with a cost cap and a price under that cap."""
    OVERAGE = "overage"
    """A plan that allows usage beyond all its buckets."""
    LIMIT = "limit"
    """An allowance with a limit, or a pack."""
    LIMIT_OF_PLAN = "limit_of_plan"
    """An allowance with a limit."""


class RuleKind:
    """One kind of rules."""

    entry: ClassVar[type[RuleEntry]]
    """The class of its entry in the rules file: fields and bounds. The tag of the entry is the
    kind's name."""
    says: ClassVar[str]
    """When it sends a message, in one sentence, for the tables of docs/rules.md."""
    brief: ClassVar[str]
    """The same in a few words, for tables on a screen."""
    field_docs: ClassVar[Mapping[str, str]] = {}
    """Meaning of fields that few kinds have, by name, for the same tables."""
    thresholds_are: ClassVar[str] = ""
    """Unit and bounds of its thresholds, in words; empty if the kind has no thresholds."""
    unit: ClassVar[str] = ""
    """Unit of its thresholds in records: a word that begins with ``percent`` or ``bytes``, or
    :data:`MINOR_UNITS`. Empty: its reminders have no threshold."""
    level_words: ClassVar[str] = "at {0}"
    """A threshold in words for people: ``{0}`` is its number, ``{1}`` the same number as bytes."""
    placeholders: ClassVar[frozenset[str]] = frozenset()
    """The placeholders of ``placeholders.OF_SOME_KINDS`` that have a meaning in its texts."""
    fact: ClassVar[str] = ""
    """Kinds that report one fact at different strengths have the same word here. A group merges
    their messages although they are mandatory. Empty: no other kind reports this fact."""
    is_urgent: ClassVar[bool] = False
    """Whether its messages are useless after minutes: something was used up, costs, or is barred.
    They use the dispatcher's first lane (``dispatch/urgency.py``)."""
    called: ClassVar[str] = "this kind of rule"
    """The name of the kind in problems of a rules file."""
    can_be_over: ClassVar[bool] = False
    """Whether a rule of the kind ``resolved`` can follow a rule of this kind."""

    def __init__(self) -> None:
        self.name = str(self.entry.__struct_config__.tag)

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        """Contradictions between the fields of a rule, and between the rule and the rest of the
        file.

        The data is as the operator wrote it. Types and bounds are checked elsewhere, so this method
        must ignore a field of a wrong type. Paths begin at the rule.
        """
        yield from ()

    def needs(self, entry: Any) -> frozenset[Need]:
        """What the file must contain so that the rule can ever send a message."""
        return frozenset()

    def rule(self, entry: Any, windows: Windows) -> Rule:
        """Make the rule from an entry that has no problems."""
        raise NotImplementedError
