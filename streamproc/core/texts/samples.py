"""Figures for trying texts: usual ones, as the rules file allows them, and extreme ones.

The *usual* figures come from the rules: their longest name, their largest grant. The *extreme* ones
are several buckets, petabytes, an end that never comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from streamproc.core.instants import DAY_MINUTES
from streamproc.core.rules.commands import ACTIONS, HELP, WORDS
from streamproc.core.rules.kinds import WATCH_KINDS
from streamproc.core.rules.kinds.base import MINOR_UNITS
from streamproc.core.rules.placeholders import ENDLESS, REMINDER, Kind, Nothing, Vocabulary
from streamproc.core.rules.preferences import PREFERENCES
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import Threshold
from streamproc.core.texts.catalogue import formats_under
from streamproc.core.texts.composing import keyword_in, owner_of, vocabulary_of
from streamproc.core.texts.formats import Formats
from streamproc.core.texts.locales import given_in, in_locale
from streamproc.core.texts.naming import (
    category_name,
    kind_name,
    name_in,
    plan_name,
    rolled_over_name,
)
from streamproc.core.texts.reminding import last_day_before, threshold_of
from streamproc.core.texts.template import compile_text

LATE_MINUTE: Final = (datetime(2026, 11, 28, 22, 48) - datetime(1970, 1, 1)) // timedelta(minutes=1)
"""A date and time in which no digit is 0 at the start, so it has the full length."""
_LONGEST_NAME: Final = "W" * 64
_SERVICES: Final = (("Video VIP", 1500), ("Music", 800))
"""Services for rules files without any; with their price in minor units."""


class TextOwner(NamedTuple):
    """Anything that has texts: a rule, a notice, a reply."""

    name: str
    key: str
    """Its key in ``Rulebook.text_options``."""
    texts: dict[str, str]
    known: Vocabulary
    values: dict[str, Any]
    """Figures that are always the same."""
    is_reply: bool
    ttl_ms: int

    @property
    def has_budget(self) -> bool:
        """Whether its length is checked. Lists in replies have any length, so their parts cannot be
        limited."""
        return not self.is_reply


class Sample(NamedTuple):
    """Figures to render a text with, and a name for them."""

    name: str
    is_usual: bool
    figures: Any


def owners_of(rules: Rulebook) -> Iterator[TextOwner]:
    """Everything that has texts: rules, notices, replies."""
    for rule in rules.rules_by_id.values():
        values = {"days": getattr(rule, "days_before", None), "threshold": _level(rule)}
        yield TextOwner(rule.id, rule.id, rule.texts, REMINDER, values, False, rule.ttl_ms)
    for notice in rules.notices.values():
        values = {"days": notice.days, "cycles": notice.cycles}
        key, known = owner_of(notice), vocabulary_of(notice)
        yield TextOwner(notice.id, key, notice.texts, known, values, False, notice.ttl_ms)
    for name, reply in rules.commands.replies.items() if rules.commands else ():
        key, known = owner_of(reply), vocabulary_of(reply)
        yield TextOwner(f"reply.{name}", key, reply.texts, known, {}, True, reply.ttl_ms)


def samples(owner: TextOwner, words: LocaleWords) -> list[Sample]:
    """Figures that a text in the locale of ``words`` can get, usual ones first."""
    names, size = words.buckets, words.size
    longest = [max([*names, words.topup], key=len)]
    values = {**words.values_for(owner), **owner.values}
    usual = _figures(owner.known, size, longest, words.money_minor + 888, values)
    nothing = _figures(owner.known, 0, longest, 0, values)
    huge = _figures(owner.known, 2**53 - 1, longest, 2**53 - 1, values)
    full = {"used": 0, "remaining": size, "percent": 0}
    empty = {"used": size, "remaining": 0, "percent": 100}
    negative = {"remaining": -(10**9), "percent": 112, "spend": -1, "cost": -1}
    ends = [name for name, kind in owner.known.items() if kind is Kind.INSTANT]
    endless = dict.fromkeys([*ends, *({"last_day"} & owner.known.keys())])
    midnight = LATE_MINUTE // DAY_MINUTES * DAY_MINUTES
    exclusive = {name: midnight for name in ends if name != "as_of"}
    long = {one: _LONGEST_NAME for one, kind in owner.known.items() if kind is Kind.NAME}
    return [
        Sample("usual", True, usual({})),
        Sample("full", True, usual(full)),
        Sample("empty", True, usual(empty)),
        Sample("midnight", True, usual(exclusive)),
        Sample("huge", False, huge({})),
        Sample("zero", False, nothing({})),
        Sample("negative", False, usual(negative)),
        Sample("endless", False, usual({**endless, "as_of": LATE_MINUTE})),
        Sample("unlimited", False, usual({"granted": ENDLESS, "remaining": ENDLESS})),
        Sample("five buckets", False, usual({"bucket": (names * 5)[:5] or longest})),
        Sample("no buckets", False, usual({"bucket": [], "services": words.none_listed(owner)})),
        Sample("longest names", False, usual({**long, "bucket": [_LONGEST_NAME]})),
    ]


class LocaleWords:
    """Names, lists and sizes as readers of a locale see them, made once for all texts."""

    def __init__(self, locale: str, rules: Rulebook) -> None:
        self._locale = locale
        self._rules = rules
        self._shown: Formats = formats_under(locale, rules)
        allowances = [one for plan in rules.plans.values() for one in plan.allowances]
        granted = [one.granted_bytes for one in allowances]
        granted += [one.granted_bytes for one in rules.packs.values()]
        self.size = _long_bytes(max(granted, default=10**9))
        self.money_minor = _much_money(rules)
        self.topup = kind_name("topup", locale, rules)
        named = [
            name_in(rules.source_names.get(one), one, locale, rules)
            for one in (*(one.id for one in allowances), *rules.packs)
        ]
        rolling = {
            name_in(rules.source_names.get(one.id), one.id, locale, rules)
            for plan in rules.plans.values()
            for one in plan.allowances
            if one.rollover is not None
        }
        named += sorted(rolled_over_name(one, locale, rules) for one in rolling)
        self.buckets = self._longest_first(named)

    def values_for(self, owner: TextOwner) -> dict[str, Any]:
        """Values of the placeholders that are names or text."""
        is_list = owner.known.get("services") is Kind.TEXT
        is_question = owner.name == "reply.unsubscribed"
        listed = self._list_of_services if is_question else self._values["questions"]
        found = {**self._values, **self._keywords_for(owner)}
        if is_list:
            found["services"] = listed
        template = owner.texts.get(self._locale, "")
        if "{buckets}" in template:
            given = given_in(self._rules.wording, self._locale, self._rules.default_locale)
            text = compile_text(template, self._locale, owner.known, given=given)
            found["buckets"] = self._two_buckets(text.clock)
        return found

    def none_listed(self, owner: TextOwner) -> Sequence[str]:
        """The services of a subscriber who has none."""
        if owner.known.get("services") is not Kind.TEXT:
            return []
        return Nothing(self._fragment("none"))

    @cached_property
    def _values(self) -> dict[str, Any]:
        rules, shown = self._rules, self._shown
        plans = self._longest_first(plan_name(one, self._locale, rules) for one in rules.plans)
        zones = self._longest_first(
            name_in(one.names, one.id, self._locale, rules) for one in rules.zones.values()
        )
        names = [name for name, _ in self._services]
        numbered = [
            f"{number} {shown.name(name)} {shown.money(minor)}"
            for number, (name, minor) in enumerate(self._services, 1)
        ]
        return {
            "plan": plans[0] if plans else "",
            "better_plan": plans[0] if plans else "",
            "zone": zones[0] if zones else "Europe",
            "service": names[0],
            "services": names,
            "questions": shown.clauses(numbered),
            "buckets": self._two_buckets(),
            **{one.action: self._chosen(one.sample) for one in PREFERENCES},
            "category": self._categories[0] if self._categories else "",
            "categories": shown.list(self._categories[:2]),
            "number": "88",
            "commands": self._commands(),
        }

    def _chosen(self, sample: tuple[int, ...] | str) -> str:
        """A preference as replies show it."""
        if not isinstance(sample, str):
            return self._shown.list([self._shown.percent(one) for one in sample])
        words = {f"word_{one}" for one in WORDS if f"{{word_{one}}}" in sample}
        return sample.format(**{one: self._fragment(one) for one in words})

    def _longest_first(self, names: Iterable[str]) -> list[str]:
        return sorted(dict.fromkeys(names), key=len, reverse=True)

    @cached_property
    def _categories(self) -> list[str]:
        return self._longest_first(
            category_name(one, self._locale, self._rules) for one in self._rules.categories
        )

    @cached_property
    def _list_of_services(self) -> str:
        return self._shown.list([name for name, _ in self._services])

    @cached_property
    def _services(self) -> list[tuple[str, int]]:
        found = [
            (name_in(one.names, one.id, self._locale, self._rules), one.price_minor)
            for one in self._rules.services.values()
        ]
        return (sorted(found, key=lambda one: -len(one[0])) or list(_SERVICES))[:2]

    def _two_buckets(self, clock: str = "") -> str:
        shown, size = self._shown, self.size
        first, *others = self.buckets or [self.topup]
        second = others[0] if others else self.topup
        end = shown.bracketed(shown.end(LATE_MINUTE + 9 * DAY_MINUTES, LATE_MINUTE, clock))
        return shown.clauses(
            [
                f"{shown.name(first)} {shown.bytes(size)}",
                f"{shown.name(second)} {shown.bytes(size // 9)}{end}",
            ]
        )

    @cached_property
    def _keywords(self) -> dict[str, str]:
        return {one: keyword_in(one, self._locale, self._rules) for one in ACTIONS}

    def _keywords_for(self, owner: TextOwner) -> dict[str, str]:
        """The keywords in texts. The keyword of the action that a reply is about is called
        ``keyword``."""
        found, category = self._keywords, self._values["category"]
        action = owner.name.removeprefix("reply.").removeprefix(HELP)
        is_of_all = action in ("stopped_all", "started_except")
        return {
            **{f"{one}_keyword": keyword for one, keyword in found.items()},
            "unsubscribe": found["unsubscribe"],
            "yes": found["confirm"],
            "no": found["refuse"],
            "start": found["start"] if is_of_all else f"{found['start']} {category}".strip(),
            "help": found["help"],
            "keyword": found.get(action, found["schedule"]),
        }

    def _commands(self) -> str:
        replies = self._rules.commands.replies if self._rules.commands else {}
        names = [one for one in replies if one.startswith(HELP)]
        return self._shown.clauses([self._fragment(one) for one in names])

    def _fragment(self, name: str) -> str:
        """A text that is a part of other replies."""
        commands, rules = self._rules.commands, self._rules
        if commands is None:
            return ""
        reply, default = commands.replies[name], rules.default_locale
        template = in_locale(reply.texts, self._locale, default)
        given = given_in(rules.wording, self._locale, default)
        text = compile_text(template, self._locale, vocabulary_of(reply), given=given)
        keyword = keyword_in(name.removeprefix(HELP), self._locale, rules) if HELP in name else ""
        return text.render(SimpleNamespace(keyword=keyword))


def _much_money(rules: Rulebook) -> int:
    """The largest price, cap or threshold in the rules."""
    tariffs = [one for plan in rules.plans.values() for one in plan.all_tariffs]
    found = [tier.price_minor for one in tariffs for tier in one.tiers]
    found += [one.cap_minor or 0 for one in tariffs]
    found += [one.price_minor or 0 for one in rules.packs.values()]
    found += [one.price_minor for one in rules.services.values()]
    found += [one.price_minor for one in rules.zones.values()]
    for rule in rules.watch_rules:
        is_money = WATCH_KINDS[rule.kind].unit == MINOR_UNITS
        found += [rule.cap_minor or 0, *(rule.thresholds if is_money else ())]
    return max(found, default=0)


def _long_bytes(at_most: int) -> int:
    """A number of bytes of at most this order with most characters: ``888.88 MB`` is longer than
    ``20 GB``."""
    found = [
        (min(len(str(at_most // unit)), 3), unit)
        for unit in (10**3, 10**6, 10**9, 10**12)
        if at_most >= unit
    ]
    if not found:
        return at_most
    digits, unit = max(found)
    return int("8" * digits) * unit + unit * 88 // 100


def _figures(
    known: Vocabulary, granted: int, names: list[str], minor: int, values: Mapping[str, Any]
) -> Callable[[Mapping[str, Any]], Any]:
    """Values for every placeholder. Where nothing better is known they depend on the kind of value.

    ``services`` is a list of names in one text and a ready text in another.
    """
    of_kind: dict[Kind, Any] = {
        Kind.BYTES: granted,
        Kind.PRICE_UNIT: 1_000_000,
        Kind.NAME: "W" * 6,
        Kind.COUNT: 22,
        Kind.MONEY: minor,
        Kind.INSTANT: LATE_MINUTE,
        Kind.DATE: last_day_before(LATE_MINUTE),
        Kind.TEXT: "W" * 6,
        Kind.NAMES: names,
        Kind.LEVEL: None,
    }
    used = granted - granted * 2 // 9
    usual = {
        **{name: of_kind[kind] for name, kind in known.items()},
        "used": used,
        "remaining": granted - used,
        "percent": used * 100 // granted if granted else 100,
        **values,
    }
    words = (Kind.TEXT, Kind.NAME)

    def changed(more: Mapping[str, Any]) -> Any:
        kept = {name: one for name, one in more.items() if known.get(name) not in words or one}
        return SimpleNamespace(**{**usual, **kept})

    return changed


def _level(rule: Any) -> Threshold | None:
    thresholds: tuple[int, ...] = getattr(rule, "thresholds", ())
    return threshold_of(rule, max(thresholds)) if thresholds else None
