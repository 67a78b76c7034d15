"""What a preference is: everything that commands and events ask about it, in one class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from streamproc.core.commands.arguments import Command, Spellings
from streamproc.core.notices.services import Telling
from streamproc.core.rules.commands import Commands
from streamproc.core.rules.preferences import PREFERENCES, Preference
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.account import Account, Extra
from streamproc.core.texts.formats import Formats

Choice = Mapping[str, Any]
"""Fields of the state and what they become."""

DEFAULT = "default"
"""A choice that is taken back."""


class Choosing:
    """One preference of ``core/rules/preferences.py``: how it is chosen, and what holds of it."""

    action: ClassVar[str]
    ends: ClassVar[Mapping[str, str]] = {DEFAULT: "reset", "off": "off"}
    """Words that end the conversation about it: how the reply's name ends."""
    is_heard_in_messages: ClassVar[bool] = True
    """Whether it means nothing to those who left all messages that it is about."""

    @property
    def declared(self) -> Preference:
        """Its entry in the list."""
        return next(one for one in PREFERENCES if one.action == self.action)

    def parse(self, spellings: Spellings, rest: str) -> Command | None:
        """The command, from what stands behind the keyword; None if that is no argument."""
        raise NotImplementedError

    def chosen(self, command: Command) -> Choice:
        """What a text chooses."""
        raise NotImplementedError

    def chosen_by(self, field: str, value: Any) -> Choice:
        """What a field of ``account.preferences_set`` chooses."""
        raise NotImplementedError

    def words(self, field: str, value: Any) -> str:
        """A field of ``account.preferences_set`` for people."""
        raise NotImplementedError

    def served(self, account: Account, rules: Rulebook) -> Iterable[Spoken]:
        """The rules that it bears on; without any it is not offered."""
        raise NotImplementedError

    def shown(self, told: Telling, commands: Commands, written: Formats) -> str:
        """What holds now, by the choice and the rules, as replies name it."""
        raise NotImplementedError


def take_over(extra: Extra, choice: Choice) -> None:
    """The one place where choices get into the state, whoever brings them."""
    for name, value in choice.items():
        setattr(extra, name, value)


def is_in_force(rule: Spoken, now_ms: int) -> bool:
    """Now or later."""
    return now_ms < rule.policy.valid_until_ms


def is_wanted(rule: Spoken, account: Account) -> bool:
    """Whether its messages reach the subscriber."""
    return rule.mandatory or rule.category not in account.opted_out
