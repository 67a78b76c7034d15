"""Kinds of rules that look at an account at a time of day, and remind if there is a reason."""

from __future__ import annotations

from datetime import time
from typing import Any, ClassVar

from streamproc.core.rules.kinds.asking import Look
from streamproc.core.rules.kinds.base import RuleKind, Windows
from streamproc.core.rules.kinds.entry import CheckEntry, policy_of, spoken
from streamproc.core.rules.watch import CheckRule


class CheckRuleKind(RuleKind):
    """``rule`` in the methods is one of this kind."""

    entry: ClassVar[type[CheckEntry]]
    is_once: ClassVar[bool] = False
    """Whether it speaks once, until something is granted again (``Look.is_told``)."""
    foretells: ClassVar[bool] = False
    """Whether its messages are about home data alone, and tell when that runs out."""

    def next_ms(self, rule: CheckRule, look: Look) -> int:
        """The next look after the account's clock; NEVER_MS if there is none to come."""
        raise NotImplementedError

    def has_reason(self, rule: CheckRule, look: Look, marked_ms: int, at_ms: int) -> bool:
        """Whether what a look at ``marked_ms`` found is true at an instant (at first the same)."""
        raise NotImplementedError

    def silence_days(self, rule: CheckRule) -> int | None:
        """Days without usage after which it speaks; None: usage is nothing to it."""
        return None

    def rule(self, entry: Any, windows: Windows) -> CheckRule:
        return CheckRule(
            entry.id,
            self.name,
            time.fromisoformat(entry.at),
            *spoken(entry),
            entry.misfire_grace_seconds * 1000,
            policy_of(entry),
            **self.terms(entry),
        )

    def terms(self, entry: Any) -> dict[str, Any]:
        """What else of the entry goes into the rule."""
        return {}
