"""Kinds of rules that check an account at a time of day, and send a reminder if there is a
reason."""

from __future__ import annotations

from datetime import time
from typing import Any, ClassVar

from streamproc.core.rules.account_rules import CheckRule
from streamproc.core.rules.kinds.account_view import Look
from streamproc.core.rules.kinds.base import RuleKind, Windows
from streamproc.core.rules.kinds.entry import CheckEntry, policy_of, spoken


class CheckRuleKind(RuleKind):
    """In the methods, ``rule`` is a rule of this kind."""

    entry: ClassVar[type[CheckEntry]]
    is_once: ClassVar[bool] = False
    """Whether it sends one message until something is granted again (``Look.is_told``)."""
    foretells: ClassVar[bool] = False
    """Whether its messages are only about home data and say when that runs out."""

    def next_ms(self, rule: CheckRule, look: Look) -> int:
        """The next check after the account's clock; NEVER_MS if there will be none."""
        raise NotImplementedError

    def has_reason(self, rule: CheckRule, look: Look, marked_ms: int, at_ms: int) -> bool:
        """Whether the reason that a check found at ``marked_ms`` is true at an instant (first the
        same one)."""
        raise NotImplementedError

    def silence_days(self, rule: CheckRule) -> int | None:
        """After how many days without usage it sends a message; None if usage does not matter to
        it."""
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
        """Further arguments of the rule, from the entry."""
        return {}
