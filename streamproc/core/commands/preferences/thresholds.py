"""Percentages used at which a subscriber gets a reminder. They replace those of the rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from streamproc.core.commands.arguments import SEPARATORS, Command, Spellings, word_of
from streamproc.core.commands.preferences.base import (
    DEFAULT,
    PreferenceHandler,
    StateChange,
    is_in_force,
    is_wanted,
)
from streamproc.core.commands.reply_words import fragment
from streamproc.core.notices.services import NoticeWork
from streamproc.core.rules.commands import Commands
from streamproc.core.rules.kinds import BUCKET_KINDS
from streamproc.core.rules.placeholders import Nothing
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.account import Account
from streamproc.core.texts.formats import Formats
from streamproc.core.usage.own_thresholds import thresholds_of

MAX_PERCENTS: Final = 5
_PERCENT: Final = re.compile(r"([0-9]{1,3}) ?%?")


class ThresholdsHandler(PreferenceHandler):
    """``own_percents``, ascending; none: the rules'."""

    action = "thresholds"

    def parse(self, spellings: Spellings, rest: str) -> Command | None:
        if word := word_of(rest, spellings, DEFAULT):
            return Command(self.action, word)
        found = [_PERCENT.fullmatch(part) for part in SEPARATORS.split(rest.replace(" %", "%"))]
        values = {int(one[1]) for one in found if one}
        is_right = None not in found and all(1 <= one <= 100 for one in values)
        if not is_right or len(values) > MAX_PERCENTS:
            return None
        return Command(self.action, "", tuple(sorted(values)))

    def change_by_sms(self, command: Command) -> StateChange:
        return self.change_by_event("own_percents", command.numbers)

    def change_by_event(self, field: str, value: Any) -> StateChange:
        return {"own_percents": sorted(set(value))}

    def words(self, field: str, value: Any) -> str:
        return f"levels {', '.join(f'{one} %' for one in value) or 'of the rules'}"

    def served(self, account: Account, rules: Rulebook) -> Iterable[Spoken]:
        return (one for one in rules.usage_rules if BUCKET_KINDS[one.kind].takes_own_percents)

    def shown(self, told: NoticeWork, commands: Commands, written: Formats) -> str:
        found = {
            value
            for rule in told.rules.usage_rules
            if BUCKET_KINDS[rule.kind].takes_own_percents
            and is_in_force(rule, told.now_ms)
            and is_wanted(rule, told.account)
            for value in thresholds_of(told.account, rule, told.rules)
        }
        if not found:
            return Nothing(fragment("none", told, commands))
        return written.list([written.percent(value) for value in sorted(found)])
