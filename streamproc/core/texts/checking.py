"""Every text with figures that a text can meet at worst: what is wrong with it, how long it gets.

The *usual* figures are those of the rules: their longest name, their largest grant. A text must
keep its budget of segments with them. The *extreme* ones (several buckets, petabytes, an end that
never comes) must be renderable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, NamedTuple, Protocol

from streamproc.core.rulebook import Rulebook, TextOptions
from streamproc.core.text import segments
from streamproc.core.texts.formats import formats
from streamproc.core.texts.template import Text, compile_text
from streamproc.core.texts.vocabulary import REMINDER, Kind, Level

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


class _Speaks(Protocol):
    """What a rule's texts are rendered by; ``thresholds`` and ``days_before`` if it has any."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def texts(self) -> dict[str, str]: ...


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
    """Every text of the rulebook, in the order of the rules."""
    found = []
    for rule in rules.rules_by_id.values():
        figures = samples(rule, rules)
        for locale, template in rule.texts.items():
            options = rules.text_options.get((rule.id, locale), TextOptions())
            channels = {SMS: template, **options.channels}
            for channel, source in channels.items():
                text = compile_text(source, locale, REMINDER, rules.currency)
                budget = options.max_segments if channel == SMS else MAX_SEGMENTS
                found.append(_checked(rule.id, text, channel, budget, figures))
    return found


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


def samples(rule: _Speaks, rules: Rulebook) -> list[Sample]:
    """Figures that the rule's texts meet, usual ones first."""
    allowances = [one for plan in rules.plans.values() for one in plan.allowances]
    packs = rules.packs.values()
    granted = [*(one.granted_bytes for one in allowances), *(one.granted_bytes for one in packs)]
    names = [*(one.id for one in allowances), *(one.id for one in packs)]
    prices = [plan.overage_price_minor for plan in rules.plans.values()]
    level = _level(rule)
    known = {
        "days": getattr(rule, "days_before", None),
        "threshold": level,
    }
    size = max(granted, default=10**9)
    longest = [max([*names, "topup"], key=len)]
    usual = _figures(_long_bytes(size), longest, 100 * max(prices, default=0) + 888, known)
    huge = _figures(2**53 - 1, longest, 2**53 - 1, known)
    return [
        Sample("usual", True, usual()),
        Sample("full", True, usual(used=0, remaining=_long_bytes(size), percent=0)),
        Sample("empty", True, usual(used=_long_bytes(size), remaining=0, percent=100)),
        Sample("huge", False, huge()),
        Sample("zero", False, _figures(0, longest, 0, known)()),
        Sample("negative", False, usual(remaining=-(10**9), percent=112, spend=-1)),
        Sample("endless", False, usual(expires=None, cycle_end=None, runs_out=None)),
        Sample("five buckets", False, usual(bucket=(names * 5)[:5] or longest)),
        Sample("no buckets", False, _figures(0, [], 0, known)()),
        Sample("longest name", False, usual(bucket=[_LONGEST_NAME])),
    ]


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


class _Figures:
    """Values for every placeholder there is, whatever the rule: by kind, where nothing is known."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __call__(self, **changed: Any) -> Any:
        return SimpleNamespace(**{**self._values, **changed})


def _figures(granted: int, bucket: list[str], minor: int, known: Mapping[str, Any]) -> _Figures:
    used = granted - granted * 2 // 9
    of_kind: dict[Kind, Any] = {
        Kind.BYTES: granted,
        Kind.COUNT: 22,
        Kind.MONEY: minor,
        Kind.INSTANT: _LATE_MINUTE,
        Kind.TEXT: _LONGEST_NAME,
        Kind.NAMES: bucket,
        Kind.LEVEL: None,
    }
    return _Figures(
        {
            **{name: of_kind[kind] for name, kind in REMINDER.items()},
            "used": used,
            "remaining": granted - used,
            "percent": used * 100 // granted if granted else 100,
            **known,
        }
    )


def _level(rule: _Speaks) -> Level | None:
    thresholds: tuple[int, ...] = getattr(rule, "thresholds", ())
    if not thresholds:
        return None
    unit = "percent" if rule.kind == "usage_percent" else "bytes"
    return Level(unit, max(thresholds))
