"""Every text with figures that a text can meet at worst: what is wrong with it, how long it gets.

The *usual* figures are those of the rules: their longest name, their largest grant. A text must
keep its budget of segments with them. The *extreme* ones (several buckets, petabytes, an end that
never comes) must be renderable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from streamproc.core.effects import Threshold
from streamproc.core.instants import DAY_MINUTES
from streamproc.core.notices.composing import owner_of, vocabulary_of
from streamproc.core.reminding import threshold_of
from streamproc.core.rulebook import Rulebook, TextOptions
from streamproc.core.text import segments
from streamproc.core.texts.formats import formats
from streamproc.core.texts.locales import given_in
from streamproc.core.texts.template import Text, compile_text
from streamproc.core.texts.vocabulary import ENDLESS, REMINDER, Kind, Vocabulary

SMS: Final = "sms"
MAX_SEGMENTS: Final = 255
"""More parts than that cannot be numbered."""

_LATE_MINUTE: Final = (datetime(2026, 11, 28, 22, 48) - datetime(1970, 1, 1)) // timedelta(
    minutes=1
)
"""No digit of date or time can be left out."""
_NUMBERS: Final = (0, 1, 2, 3, 5, 6, 10, 11, 12, 20, 21, 22, 25, 100, 101, 102, 103, 111, 365)
"""One of each plural form of every language."""
_LONGEST_NAME: Final = "W" * 64


class _Owner(NamedTuple):
    """What has texts: a rule, a notice, a reply."""

    name: str
    key: str
    """In ``Rulebook.text_options``."""
    texts: dict[str, str]
    known: Vocabulary
    values: dict[str, Any]
    """Figures that are always the same."""
    has_budget: bool


class Sample(NamedTuple):
    """Figures to render a text with, and what they are called."""

    name: str
    is_usual: bool
    figures: Any


class Rendered(NamedTuple):
    """A text with one sample's figures."""

    sample: Sample
    text: str
    encoding: str
    segments: int


class Checked(NamedTuple):
    """A text of a rule, all its renderings, and what is wrong with it."""

    rule: str
    locale: str
    channel: str
    max_segments: int
    rendered: list[Rendered]
    problems: list[str]

    @property
    def longest(self) -> Rendered:
        """The longest of the usual ones."""
        usual = [one for one in self.rendered if one.sample.is_usual]
        return max(usual, key=lambda one: (one.segments, len(one.text)))


def check(rules: Rulebook) -> list[Checked]:
    """Every text of the rulebook: of rules, notices and replies."""
    found = []
    for owner in _owners(rules):
        figures = samples(owner, rules)
        for locale, template in owner.texts.items():
            options = rules.text_options.get((owner.key, locale), TextOptions())
            channels = {SMS: template, **options.channels}
            given = given_in(rules.wording, locale, rules.default_locale)
            for channel, source in channels.items():
                text = compile_text(
                    source,
                    locale,
                    owner.known,
                    rules.currency,
                    given,
                    is_narrow=rules.wording.has_narrow_signs,
                )
                is_limited = channel == SMS and owner.has_budget
                budget = options.max_segments if is_limited else MAX_SEGMENTS
                found.append(_checked(owner.name, text, channel, budget, figures))
    return found


def _owners(rules: Rulebook) -> Iterator[_Owner]:
    for rule in rules.rules_by_id.values():
        values = {"days": getattr(rule, "days_before", None), "threshold": _level(rule)}
        yield _Owner(rule.id, rule.id, rule.texts, REMINDER, values, True)
    for notice in rules.notices.values():
        values = {"days": notice.days, "cycles": notice.cycles, "number": "88"}
        key, known = owner_of(notice), vocabulary_of(notice)
        yield _Owner(notice.id, key, notice.texts, known, values, True)
    for name, reply in rules.commands.replies.items() if rules.commands else ():
        # Lists in replies are as long as they are: nobody can promise a number of parts.
        key, known = owner_of(reply), vocabulary_of(reply)
        yield _Owner(f"reply.{name}", key, reply.texts, known, {}, False)


def _checked(
    rule: str, text: Text, channel: str, max_segments: int, figures: list[Sample]
) -> Checked:
    rendered = []
    problems = list(_missing_forms(text))
    for sample in figures:
        shown = text.render(sample.figures)
        encoding, parts = segments(shown)
        rendered.append(Rendered(sample, shown, encoding, parts))
        if not shown.strip():
            problems.append(f"is empty with {sample.name} figures")
        allowed = max_segments if sample.is_usual else MAX_SEGMENTS
        if parts > allowed:
            problems.append(
                f"needs {parts} segments ({len(shown)} characters, {encoding}) with "
                f"{sample.name} figures, may have {allowed}: {shown}"
            )
    return Checked(rule, text.locale, channel, max_segments, rendered, problems)


def _missing_forms(text: Text) -> Iterator[str]:
    """Plural forms that whole numbers have in the language and the text has no words for.

    A text with no form but ``other`` does without them on purpose.
    """
    shown = formats(text.locale, "XXX")
    for name, kind, keys in text.branches:
        if kind == "select" or not any(key.isalpha() for key in keys - {"other"}):
            continue
        form = shown.ordinal_form if kind == "selectordinal" else shown.plural_form
        missing = {form(number) for number in _NUMBERS} - keys
        if missing:
            yield f"{{{name}, {kind}}} has no words for {', '.join(sorted(missing))}"


def samples(owner: _Owner, rules: Rulebook) -> list[Sample]:
    """Figures that texts meet, usual ones first."""
    allowances = [one for plan in rules.plans.values() for one in plan.allowances]
    packs = rules.packs.values()
    granted = [*(one.granted_bytes for one in allowances), *(one.granted_bytes for one in packs)]
    names = [*(one.id for one in allowances), *(one.id for one in packs)]
    size = max(granted, default=10**9)
    longest = [max([*names, "topup"], key=len)]
    values = {**_names(rules), **owner.values}
    usual = _figures(owner.known, _long_bytes(size), longest, _much_money(rules) + 888, values)
    nothing = _figures(owner.known, 0, longest, 0, values)
    huge = _figures(owner.known, 2**53 - 1, longest, 2**53 - 1, values)
    full = {"used": 0, "remaining": _long_bytes(size), "percent": 0}
    empty = {"used": _long_bytes(size), "remaining": 0, "percent": 100}
    negative = {"remaining": -(10**9), "percent": 112, "spend": -1, "cost": -1}
    ends = [name for name, kind in owner.known.items() if kind is Kind.INSTANT]
    endless = dict.fromkeys([*ends, *({"last_day"} & owner.known.keys())])
    long = {
        one: _LONGEST_NAME for one, kind in owner.known.items() if kind in (Kind.TEXT, Kind.NAME)
    }
    return [
        Sample("usual", True, usual({})),
        Sample("full", True, usual(full)),
        Sample("empty", True, usual(empty)),
        Sample("huge", False, huge({})),
        Sample("zero", False, nothing({})),
        Sample("negative", False, usual(negative)),
        Sample("endless", False, usual({**endless, "as_of": _LATE_MINUTE})),
        Sample("unlimited", False, usual({"granted": ENDLESS, "remaining": ENDLESS})),
        Sample("five buckets", False, usual({"bucket": (names * 5)[:5] or longest})),
        Sample("no buckets", False, usual({"bucket": [], "services": []})),
        Sample("longest names", False, usual({**long, "bucket": [_LONGEST_NAME]})),
    ]


def _much_money(rules: Rulebook) -> int:
    """The largest price, cap or threshold that the rules have."""
    tariffs = [one for plan in rules.plans.values() for one in plan.all_tariffs]
    found = [tier.price_minor for one in tariffs for tier in one.tiers]
    found += [one.cap_minor or 0 for one in tariffs]
    found += [one.price_minor or 0 for one in rules.packs.values()]
    found += [one.price_minor for one in rules.services.values()]
    found += [one.price_minor for one in rules.zones.values()]
    for rule in rules.watch_rules:
        found += [rule.cap_minor or 0, *(rule.thresholds if rule.kind == "spend_amount" else ())]
    return max(found, default=0)


def _names(rules: Rulebook) -> dict[str, Any]:
    """The longest names that the rules have."""
    plan = max(rules.plans, key=len, default="")
    services = [*rules.services, *(n for s in rules.services.values() for n in s.names.values())]
    zones = [*rules.zones, *(n for zone in rules.zones.values() for n in zone.names.values())]
    service, zone = max(services, key=len, default=""), max(zones, key=len, default="")
    return {"plan": plan, "better_plan": plan, "service": service, "zone": zone}


def _long_bytes(at_most: int) -> int:
    """Bytes of at most that order in most characters: ``888.88 MB`` is longer than ``20 GB``."""
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
    """Values for every placeholder there is, by kind where nothing better is known; some changed.

    ``services`` are names in one text and a list that was written out in another.
    """
    of_kind: dict[Kind, Any] = {
        Kind.BYTES: granted,
        Kind.PRICE_UNIT: 888_880_000,
        Kind.NAME: "WWWWWW",
        Kind.COUNT: 22,
        Kind.MONEY: minor,
        Kind.INSTANT: _LATE_MINUTE,
        Kind.DATE: _LATE_MINUTE // DAY_MINUTES,
        Kind.TEXT: "WWWWWW",
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

    def changed(more: Mapping[str, Any]) -> Any:
        kept = {
            name: one
            for name, one in more.items()
            if known.get(name) not in (Kind.TEXT, Kind.NAME) or one
        }
        return SimpleNamespace(**{**usual, **kept})

    return changed


def _level(rule: Any) -> Threshold | None:
    thresholds: tuple[int, ...] = getattr(rule, "thresholds", ())
    return threshold_of(rule, max(thresholds)) if thresholds else None
