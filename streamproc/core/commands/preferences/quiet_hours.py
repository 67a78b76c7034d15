"""When a subscriber gets only messages that cannot wait. It replaces the quiet hours of the
rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from streamproc.core.commands.arguments import TIME, Command, Spellings, minute_of, word_of
from streamproc.core.commands.preferences.base import DEFAULT, PreferenceHandler, StateChange
from streamproc.core.commands.reply_words import clock, fragment
from streamproc.core.notices.services import NoticeWork
from streamproc.core.rules.commands import Commands
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.account import Account
from streamproc.core.texts.formats import Formats

Minutes = tuple[int, int]
"""Start and end, in minutes after local midnight."""

NEVER: Final = [0, 0]
_SPAN: Final = re.compile(f"{TIME} ?[-~‐‒–—―−〜至到] ?{TIME}")


class QuietHoursHandler(PreferenceHandler):
    """``quiet_minutes``: start and end; equal: never quiet; none: the rules'."""

    action = "quiet_hours"
    is_heard_in_messages = False

    def parse(self, spellings: Spellings, rest: str) -> Command | None:
        if word := word_of(rest, spellings, DEFAULT, "off"):
            return Command(self.action, word)
        found = _SPAN.fullmatch(rest)
        if found is None:
            return None
        start, end = minute_of(found[1], found[2]), minute_of(found[3], found[4])
        if start is None or end is None or start == end:
            return None
        return Command(self.action, "", (start, end))

    def change_by_sms(self, command: Command) -> StateChange:
        return {"quiet_minutes": list(NEVER) if command.word == "off" else list(command.numbers)}

    def served(self, account: Account, rules: Rulebook) -> Iterable[Spoken]:
        return (one for one in rules.speaking() if one.policy.in_quiet_hours == "hold")

    def shown(self, told: NoticeWork, commands: Commands, written: Formats) -> str:
        hours = _hours_now(told.account, told.rules)
        if hours is None:
            return fragment("word_off", told, commands)
        return f"{clock(hours[0])}-{clock(hours[1])}"


def _hours_now(account: Account, rules: Rulebook) -> Minutes | None:
    """The subscriber's own hours, else those of the rules file; None: there are none."""
    own = account.extra.quiet_minutes if account.extra is not None else []
    if own:
        return None if own[0] == own[1] else (own[0], own[1])
    hours = rules.alerts.quiet_hours
    if hours is None:
        return None
    start, end = hours.start, hours.end
    return start.hour * 60 + start.minute, end.hour * 60 + end.minute
