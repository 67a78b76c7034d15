"""A notice or a reply as a record: text, figures, id."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from streamproc.core.rules.commands import REPLIES
from streamproc.core.rules.notices import PLACEHOLDERS, Notice, Service, Zone
from streamproc.core.rules.placeholders import Vocabulary
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.schedule.calendar import local_minute
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Reminder
from streamproc.core.state.moment import Moment
from streamproc.core.texts.catalogue import text_of
from streamproc.core.texts.locales import best_locale, name_locale
from streamproc.core.texts.naming import name_in, plan_name
from streamproc.core.texts.reminding import About, last_day_before, local_end, worded
from streamproc.core.usage.home_data import home_data_of


def message(moment: Moment, about: About, values: Mapping[str, Any]) -> Reminder:
    """A notice or a reply in the subscriber's language; ``values`` are raw values for its
    placeholders."""
    account, rules, notice = moment.account, moment.rules, about.rule
    assert isinstance(notice, Notice)
    template = text_of(owner_of(notice), notice.texts, vocabulary_of(notice), account.locale, rules)
    cycle_end = local_end(account.cycle_end_ms, account)
    figures = SimpleNamespace(
        plan=plan_name(account.plan, name_locale(account.locale, template.locale), rules),
        as_of=local_minute(moment.now_ms, account.time_zone),
        cycle_end=cycle_end,
        last_day=last_day_before(cycle_end),
    )
    figures.__dict__.update(values)
    return worded(moment, about, template, figures, home_data_of(about.buckets, rules))


def owner_of(notice: Notice) -> str:
    """The owner id of a notice's or reply's texts; no rule can have that id."""
    return f"{notice.kind} {notice.id}"


def vocabulary_of(notice: Notice) -> Vocabulary:
    """The placeholders that the texts of a notice or a reply can use."""
    if notice.kind == "command_reply":
        replies: Mapping[Any, Vocabulary] = REPLIES
        return replies[notice.id]
    return PLACEHOLDERS[notice.kind]


def name_of(
    item: Service | Zone | None, unknown: str, owner: Notice, account: Account, rules: Rulebook
) -> str:
    """The name of a service or zone in a text of ``owner``; its id if it has no name."""
    return name_in(item.names if item else None, unknown, locale_in(owner, account, rules), rules)


def locale_in(owner: Notice, account: Account, rules: Rulebook) -> str:
    """The locale of the names in a notice or reply for a subscriber."""
    text_locale = best_locale(owner.texts, account.locale, rules.default_locale)
    return name_locale(account.locale, text_locale)


def shown_keyword(action: str, account: Account, rules: Rulebook) -> str:
    """The keyword of an action in the subscriber's language; empty if there is none."""
    return keyword_in(action, account.locale, rules)


def keyword_in(action: str, wanted: str, rules: Rulebook) -> str:
    """The same for readers of a locale."""
    commands = rules.commands
    if commands is None:
        return ""
    keywords = commands.keywords[action]
    if commands.shown:
        locale = best_locale(commands.shown, wanted, rules.default_locale)
        shown = commands.shown[locale].get(action)
        if shown in keywords:
            return shown
    return keywords[0]
