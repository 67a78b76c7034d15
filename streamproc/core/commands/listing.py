"""The values that replies name: figures, lists and choices as people read them."""

from __future__ import annotations

from typing import Any

from streamproc.core.commands.vocabulary import ACTIONS, Commands
from streamproc.core.model import Extra
from streamproc.core.notices.composing import owner_of, vocabulary_of
from streamproc.core.notices.services import Told
from streamproc.core.quota.home_data import home_data_of, percent_used, shown
from streamproc.core.quota.tariffs import spend_minor
from streamproc.core.reminding import local_end
from streamproc.core.texts.catalogue import text_of
from streamproc.core.texts.formats import Formats, formats, iso_minute
from streamproc.core.texts.locales import best_locale
from streamproc.core.texts.naming import bucket_name

SEPARATOR = "; "


def values_of(told: Told, commands: Commands, extra: Extra) -> dict[str, Any]:
    """Everything that any reply may name, as of now, but what only the command knows."""
    written = formats_of(told, commands)
    account = told.account
    granted, used, remaining = shown(home_data_of(account.buckets, told.rules))
    return {
        "remaining": remaining,
        "used": used,
        "granted": granted,
        "percent": percent_used(granted, used),
        "overage": account.overage_bytes,
        "cost": spend_minor(account, told.rules),
        "buckets": _joined(_buckets(told, written), told, commands),
        "services": _joined(_numbered_services(told, extra, written), told, commands),
        "questions": _joined(_questions(told, extra, written), told, commands),
        "thresholds": _thresholds(told, extra, written),
        "quiet_hours": _quiet_hours(told, commands, extra),
        "schedule": _schedule(told, commands, extra),
        "unsubscribe": told.keyword("unsubscribe"),
        "yes": told.keyword("confirm"),
        **{f"{action}_keyword": told.keyword(action) for action in ACTIONS},
    }


def formats_of(told: Told, commands: Commands) -> Formats:
    """How figures inside of lists are written: in the language of the replies."""
    texts = commands.replies["none"].texts
    locale = best_locale(texts, told.account.locale, told.rules.default_locale)
    return formats(locale, told.rules.currency)


def _joined(items: list[str], told: Told, commands: Commands) -> str:
    return SEPARATOR.join(items) if items else _fragment("none", told, commands)


def _fragment(name: str, told: Told, commands: Commands) -> str:
    reply = commands.replies[name]
    known = vocabulary_of(reply)
    return text_of(owner_of(reply), reply.texts, known, told.account.locale, told.rules).render(
        None
    )


def _buckets(told: Told, written: Formats) -> list[str]:
    """Each bucket with what is left of it by itself, and its end if that is not the cycle's."""
    account = told.account
    found = []
    for bucket in account.buckets:
        _, _, remaining = shown([bucket])
        name = bucket_name(bucket, account.locale, told.rules)
        left = f"{name} {written.bytes(remaining)}"
        if bucket.expires_ms != account.cycle_end_ms:
            left += f" ({iso_minute(local_end(bucket.expires_ms, account))})"
        found.append(left)
    return found


def _numbered_services(told: Told, extra: Extra, written: Formats) -> list[str]:
    """The list that was sent last, less what ended since: numbers stay what they were."""
    have = {one.service: one for one in extra.services if not one.ending}
    return [
        f"{number} {told.name(name)} {written.money(have[name].price_minor)}"
        for number, name in enumerate(extra.listed, 1)
        if name in have
    ]


def _questions(told: Told, extra: Extra, written: Formats) -> list[str]:
    return [
        f"{one.number} {told.name(one.service)} {written.money(one.amount_minor)}"
        for one in extra.questions
    ]


def _thresholds(told: Told, extra: Extra, written: Formats) -> str:
    """The subscriber's own, else those of the rules."""
    found = extra.own_percents or sorted(
        {
            value
            for rule in told.rules.usage_rules
            if rule.kind == "usage_percent"
            for value in rule.thresholds
        }
    )
    return ", ".join(written.percent(value) for value in found)


def _quiet_hours(told: Told, commands: Commands, extra: Extra) -> str:
    if not extra.quiet_minutes:
        return _fragment("word_default", told, commands)
    start, end = extra.quiet_minutes
    if start == end:
        return _fragment("word_off", told, commands)
    return f"{_clock(start)}-{_clock(end)}"


def _schedule(told: Told, commands: Commands, extra: Extra) -> str:
    every = extra.summary_every or "default"
    name = f"word_{every}"
    word = _fragment(name, told, commands) if name in commands.replies else every
    return word if extra.summary_minute < 0 else f"{word} {_clock(extra.summary_minute)}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
