"""Which choices the rules offer to a subscriber, and the present settings.

If no rule uses a choice, it is not offered: it is neither confirmed nor stored, and help does not
list its keyword. The present setting comes from the code that applies it, not from the choice
alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from streamproc.core.commands.preferences import HANDLERS
from streamproc.core.commands.preferences.base import is_in_force, is_wanted
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.account import Account


def is_offered(action: str, account: Account, rules: Rulebook, now_ms: int) -> bool:
    """Whether an action can have any effect for this subscriber."""
    if action in HANDLERS:
        return any(True for _ in _served_by(action, account, rules, now_ms))
    return bool(rules.services) or not action.startswith("unsubscribe")


def left_categories(action: str, account: Account, rules: Rulebook, now_ms: int) -> list[str]:
    """Categories of the messages that a choice is about, if the subscriber opted out of all of
    them."""
    served = list(_served_by(action, account, rules, now_ms))
    if any(is_wanted(rule, account) for rule in served):
        return []
    return list(dict.fromkeys(rule.category for rule in served))


def _served_by(action: str, account: Account, rules: Rulebook, now_ms: int) -> Iterable[Spoken]:
    """The rules that a choice affects, and that are in force now or later."""
    served = HANDLERS[action].served(account, rules)
    return (one for one in served if is_in_force(one, now_ms))
