"""The interface of a preference: commands and events use a preference through this class only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from streamproc.core.commands.arguments import Command, Spellings
from streamproc.core.notices.services import NoticeWork
from streamproc.core.rules.commands import Commands
from streamproc.core.rules.preferences import PREFERENCES, Preference
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.account import Account, RareState
from streamproc.core.texts.formats import Formats

StateChange = Mapping[str, Any]
"""Fields of the state, and their new values."""

DEFAULT = "default"
"""The word that takes a choice back."""


class PreferenceHandler:
    """One preference of ``core/rules/preferences.py``: how it is chosen, and its present
    setting."""

    action: ClassVar[str]
    ends: ClassVar[Mapping[str, str]] = {DEFAULT: "reset", "off": "off"}
    """Words that end a choice, with the end of the name of their reply."""
    is_heard_in_messages: ClassVar[bool] = True
    """Whether it has no effect for subscribers who opted out of all messages that it is about."""

    @property
    def declared(self) -> Preference:
        """Its entry in the list."""
        return next(one for one in PREFERENCES if one.action == self.action)

    def parse(self, spellings: Spellings, rest: str) -> Command | None:
        """The command, from the part after the keyword; None if that part is not a valid
        argument."""
        raise NotImplementedError

    def change_by_sms(self, command: Command) -> StateChange:
        """The choice that an SMS makes."""
        raise NotImplementedError

    def change_by_event(self, field: str, value: Any) -> StateChange:
        """The choice that a field of ``account.preferences_set`` makes."""
        raise NotImplementedError

    def words(self, field: str, value: Any) -> str:
        """A field of ``account.preferences_set`` in words for people."""
        raise NotImplementedError

    def served(self, account: Account, rules: Rulebook) -> Iterable[Spoken]:
        """The rules that it affects. If there are none, it is not offered."""
        raise NotImplementedError

    def shown(self, told: NoticeWork, commands: Commands, written: Formats) -> str:
        """The present setting, by the choice and the rules, as replies show it."""
        raise NotImplementedError


def take_over(extra: RareState, choice: StateChange) -> None:
    """The only place that stores choices in the state, both for SMS and events."""
    for name, value in choice.items():
        setattr(extra, name, value)


def is_in_force(rule: Spoken, now_ms: int) -> bool:
    """Whether a rule is in force now or will be later."""
    return now_ms < rule.policy.valid_until_ms


def is_wanted(rule: Spoken, account: Account) -> bool:
    """Whether the subscriber gets the messages of a rule."""
    return rule.mandatory or rule.category not in account.opted_out
