"""How often a subscriber gets a summary, and at what time. It replaces the schedule of the
rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from streamproc.core.commands.arguments import (
    TIME,
    Command,
    Spellings,
    after,
    minute_of,
    word_of,
)
from streamproc.core.commands.folding import trimmed
from streamproc.core.commands.preferences.base import (
    DEFAULT,
    PreferenceHandler,
    StateChange,
    is_in_force,
    is_wanted,
)
from streamproc.core.commands.reply_words import clock, fragment
from streamproc.core.notices.services import NoticeWork
from streamproc.core.rules.commands import Commands
from streamproc.core.rules.kinds import TIMED_KINDS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.schedule.choices import is_meant_for, timed_rules_of
from streamproc.core.state.account import Account
from streamproc.core.texts.formats import Formats

_EVERY: Final = ("day", "week", "month")
_CLOCK: Final = re.compile(TIME)


class SummariesHandler(PreferenceHandler):
    """``summary_every`` and ``summary_minute``; an SMS without a time uses the time of the
    rules."""

    action = "schedule"

    def parse(self, spellings: Spellings, rest: str) -> Command | None:
        if word := word_of(rest, spellings, DEFAULT, "off", *_EVERY):
            return Command(self.action, word)
        for word in _EVERY:
            for spelling in spellings[word]:
                behind = after(spelling, rest)
                found = _CLOCK.fullmatch(trimmed(behind)) if behind is not None else None
                minute = minute_of(found[1], found[2]) if found else None
                if minute is not None:
                    return Command(self.action, word, (minute,))
        return None

    def change_by_sms(self, command: Command) -> StateChange:
        minute = command.numbers[0] if command.numbers else -1
        return {**self.change_by_event("summary_every", command.word), "summary_minute": minute}

    def change_by_event(self, field: str, value: Any) -> StateChange:
        if field == "summary_every":
            return {"summary_every": "" if value == DEFAULT else value}
        return {"summary_minute": -1 if value == DEFAULT else minute_of(*value.split(":"))}

    def words(self, field: str, value: Any) -> str:
        return f"at {value}" if field == "summary_at" else f"summary {value.replace('_', ' ')}"

    def served(self, account: Account, rules: Rulebook) -> Iterable[Spoken]:
        return (
            one
            for one in rules.timed_rules
            if TIMED_KINDS[one.kind].is_by_choice
            and not one.mandatory
            and is_meant_for(one, account)
        )

    def shown(self, told: NoticeWork, commands: Commands, written: Formats) -> str:
        found = dict.fromkeys(
            (rule.every, rule.at.hour * 60 + rule.at.minute)
            for rule in timed_rules_of(told.account, told.rules)
            if TIMED_KINDS[rule.kind].is_by_choice
            and is_in_force(rule, told.now_ms)
            and is_wanted(rule, told.account)
        )
        listed = [
            f"{fragment(f'word_{every}', told, commands)} {clock(minute)}"
            for every, minute in found
        ]
        return written.clauses(listed) or fragment("word_off", told, commands)
