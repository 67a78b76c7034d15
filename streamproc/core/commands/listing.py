"""Values that replies name: figures, lists and choices, in the reader's form."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from streamproc.core.commands.offers import (
    is_offered,
    quiet_hours_now,
    summaries_now,
    thresholds_now,
)
from streamproc.core.notices.services import Told
from streamproc.core.rules.commands import ACTIONS, HELP, REPLIES, Commands
from streamproc.core.state.account import Extra
from streamproc.core.texts.catalogue import formats_under, text_of
from streamproc.core.texts.composing import owner_of, vocabulary_of
from streamproc.core.texts.formats import Formats
from streamproc.core.texts.locales import best_locale
from streamproc.core.texts.reminding import each_bucket
from streamproc.core.usage.home_data import home_data_of, percent_used, shown
from streamproc.core.usage.tariffs import spend_minor


def values_of(told: Told, commands: Commands, extra: Extra, reply: str) -> dict[str, Any]:
    """Everything that a reply may name, as of now, but what only the command knows."""
    written = formats_of(told, commands, reply)
    none = _fragment("none", told, commands)
    account = told.account
    buckets = each_bucket(account.buckets, account, told.now_ms, written, told.rules)
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
        "thresholds": _thresholds(told, commands, written),
        "quiet_hours": _quiet_hours(told, commands),
        "schedule": _schedule(told, commands, written),
        "unsubscribe": told.keyword("unsubscribe"),
        "yes": told.keyword("confirm"),
        "no": told.keyword("refuse"),
        **{f"{action}_keyword": told.keyword(action) for action in ACTIONS},
    }


def formats_of(told: Told, commands: Commands, reply: str) -> Formats:
    """How lists, and figures inside of them, are written: in the language of the reply's text."""
    texts = commands.replies[reply].texts
    locale = best_locale(texts, told.account.locale, told.rules.default_locale)
    return formats_under(locale, told.rules)


def commands_offered(told: Told, commands: Commands) -> str:
    """What this subscriber can ask for, each with its keyword."""
    names = [name.removeprefix(HELP) for name in REPLIES if name.startswith(HELP)]
    return formats_of(told, commands, "help").clauses(
        [
            _fragment(HELP + action, told, commands, told.keyword(action))
            for action in names
            if is_offered(action, told.account, told.rules, told.now_ms)
        ]
    )


def _fragment(name: str, told: Told, commands: Commands, keyword: str = "") -> str:
    reply = commands.replies[name]
    known = vocabulary_of(reply)
    text = text_of(owner_of(reply), reply.texts, known, told.account.locale, told.rules)
    return text.render(SimpleNamespace(keyword=keyword))


def _numbered_services(told: Told, extra: Extra, written: Formats) -> list[str]:
    """The list that was sent last, less what ended since: numbers stay what they were."""
    have = {one.service: one for one in extra.services if not one.ending}
    return [
        f"{number} {written.name(told.name(name))} {written.money(have[name].price_minor)}"
        for number, name in enumerate(extra.listed, 1)
        if name in have
    ]


def _questions(told: Told, extra: Extra, written: Formats) -> list[str]:
    return [
        f"{one.number} {written.name(told.name(one.service))} {written.money(one.amount_minor)}"
        for one in extra.questions
    ]


def _thresholds(told: Told, commands: Commands, written: Formats) -> str:
    found = thresholds_now(told.account, told.rules, told.now_ms)
    if not found:
        return _fragment("none", told, commands)
    return written.list([written.percent(value) for value in found])


def _quiet_hours(told: Told, commands: Commands) -> str:
    hours = quiet_hours_now(told.account, told.rules)
    if hours is None:
        return _fragment("word_off", told, commands)
    return f"{_clock(hours[0])}-{_clock(hours[1])}"


def _schedule(told: Told, commands: Commands, written: Formats) -> str:
    found = [
        f"{_fragment(f'word_{every}', told, commands)} {_clock(minute)}"
        for every, minute in summaries_now(told.account, told.rules, told.now_ms)
    ]
    return written.clauses(found) or _fragment("word_off", told, commands)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
