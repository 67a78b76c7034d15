"""Values of the placeholders of replies: figures, lists and choices, in the reader's form."""

from __future__ import annotations

from typing import Any

from streamproc.core.commands.offers import is_offered
from streamproc.core.commands.preferences import HANDLERS
from streamproc.core.commands.reply_words import formats_of, fragment, text_in
from streamproc.core.notices.services import NoticeWork
from streamproc.core.rules.commands import ACTIONS, HELP, REPLIES, Commands
from streamproc.core.rules.placeholders import Nothing
from streamproc.core.state.account import RareState
from streamproc.core.texts.formats import Formats
from streamproc.core.texts.reminding import each_bucket
from streamproc.core.usage.home_data import home_data_of, percent_used, shown
from streamproc.core.usage.tariffs import spend_minor


def values_of(told: NoticeWork, commands: Commands, extra: RareState, reply: str) -> dict[str, Any]:
    """All present values that a reply can show, except those that only the command knows."""
    written = formats_of(told, commands, reply)
    none = Nothing(fragment("none", told, commands))
    account = told.account
    clock = text_in(reply, told, commands).clock
    buckets = each_bucket(account.buckets, account, told.now_ms, written, told.rules, clock=clock)
    granted, used, remaining = shown(home_data_of(account.buckets, told.rules))
    return {
        "remaining": remaining,
        "used": used,
        "granted": granted,
        "percent": percent_used(granted, used),
        "overage": account.overage_bytes,
        "cost": spend_minor(account, told.rules),
        "buckets": written.clauses(buckets) or none,
        "services": written.clauses(_numbered_services(told, extra, written)) or none,
        "questions": written.clauses(_questions(told, extra, written)) or none,
        **{name: one.shown(told, commands, written) for name, one in HANDLERS.items()},
        "unsubscribe": told.keyword("unsubscribe"),
        "yes": told.keyword("confirm"),
        "no": told.keyword("refuse"),
        **{f"{action}_keyword": told.keyword(action) for action in ACTIONS},
    }


def commands_offered(told: NoticeWork, commands: Commands) -> str:
    """The commands that this subscriber can use, each with its keyword."""
    names = [name.removeprefix(HELP) for name in REPLIES if name.startswith(HELP)]
    return formats_of(told, commands, "help").clauses(
        [
            fragment(HELP + action, told, commands, told.keyword(action))
            for action in names
            if is_offered(action, told.account, told.rules, told.now_ms)
        ]
    )


def _numbered_services(told: NoticeWork, extra: RareState, written: Formats) -> list[str]:
    """The list that was sent last, without services that ended since. Numbers do not change."""
    have = {one.service: one for one in extra.services if not one.ending}
    return [
        f"{number} {written.name(told.name(name))} {written.money(have[name].price_minor)}"
        for number, name in enumerate(extra.listed, 1)
        if name in have
    ]


def _questions(told: NoticeWork, extra: RareState, written: Formats) -> list[str]:
    return [
        f"{one.number} {written.name(told.name(one.service))} {written.money(one.amount_minor)}"
        for one in extra.questions
    ]
