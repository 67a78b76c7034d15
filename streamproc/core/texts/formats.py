"""Values as a locale shows them, with data of CLDR through Babel.

Babel needs tens of microseconds per value, too long for each reminder. So everything that does not
depend on the value (the decimal sign, the place of the unit) is asked once, and the rest is cached.
English and Chinese need Babel only for dates, money and plural forms; it is loaded at the first
use.

No-break spaces become ordinary spaces: a text with a no-break space is UCS-2, so an SMS holds 70
characters instead of 160.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from streamproc.core.instants import DAY_MINUTES
from streamproc.core.texts.direction import as_it_is, closed
from streamproc.core.texts.money import written_money, written_number
from streamproc.core.texts.packaged_words import ENDLESS as ENDLESS_WORDS
from streamproc.core.texts.packaged_words import LESS_THAN, UNITS, UNTIL
from streamproc.core.texts.quantities import (
    BINARY_SIZES,
    UNIT_SIZES,
    bytes_format,
    price_unit_format,
    unit_formats,
)
from streamproc.core.texts.spaces import plain_spaces
from streamproc.errors import StreamprocError

if TYPE_CHECKING:
    from babel.core import Locale

NEVER: Final = "-"
"""Shown for an end that never comes, an empty list of names, or an unknown price, if the text has
no other words for it."""
STYLES: Final = ("short", "medium", "long", "full")
PLAIN_LANGUAGES: Final = ("en", "zh")
"""Languages that write ``1.25 GB`` and ``80%``, as CLDR has it too."""

_EPOCH: Final = datetime(1970, 1, 1)
_DATE_LENGTH: Final = len("2026-01-01")
_MINUTES_LENGTH: Final = len("2026-01-01 09:00")
_TIGHT_PERCENT: Final = ("ru",)
"""CLDR writes ``50 %`` in these languages, people write ``50%``."""
_DAY_AND_MONTH: Final = ("pl", "ru")
"""Languages whose dates in lists are numbers: ``8.01``."""
_BETWEEN_DATE_AND_TIME: Final = {
    "zh-CN": "",
    "zh": " ",
    "ja": " ",
    "ar": "، ",
    "fa": "، ",
    "fr": " ",
}
_CLAUSES: Final = {
    "zh": "；",
    "ja": "；",
    "ar": "؛ ",
    "fa": "؛ ",
    "ur": "؛ ",
    "fr": " ; ",
    "fr-CA": "; ",  # in Canada no space stands before a semicolon
}
"""Separators between list items that are longer than a name, by tag or language; default ``; ``."""
_BRACKETS: Final = {"zh": "（{}）", "ja": "（{}）"}
_SOON_MINUTES: Final = 180 * DAY_MINUTES
"""A date further away is shown with its year."""


class UnknownStyleError(StreamprocError, ValueError):
    """A date or time style that the locale does not have. The message lists the styles it has."""


def iso_minute(local_minute: int | None) -> str:
    """``2026-01-20 14:05``: a form that every reader reads as the same day."""
    return NEVER if local_minute is None else _iso_minute(local_minute)


@lru_cache(maxsize=65_536)
def _iso_minute(local_minute: int) -> str:
    return _clock(local_minute).isoformat(" ", "minutes")[:_MINUTES_LENGTH]


def iso_date(local_day: int | None) -> str:
    """``2026-01-20``."""
    if local_day is None:
        return NEVER
    return iso_minute(local_day * DAY_MINUTES)[:_DATE_LENGTH]


def _clock(local_minute: int) -> datetime:
    return _EPOCH + timedelta(minutes=local_minute)


class Formats:
    """How one locale shows values of one currency.

    ``is_narrow``: money has the narrow sign of the currency, which readers in its country know.
    ``is_binary``: a kilobyte has 1024 bytes.
    """

    def __init__(
        self, tag: str, currency: str, *, is_narrow: bool = True, is_binary: bool = False
    ) -> None:
        self.tag = tag
        self.language = tag.partition("-")[0].lower()
        self.currency = currency
        self._is_narrow = is_narrow
        plain = self.language in PLAIN_LANGUAGES
        words = UNITS.get(self.language)
        units = unit_formats(None if plain or words else self.locale, words)
        less_than = LESS_THAN.get(self.language, "<{}")
        sizes = BINARY_SIZES if is_binary else UNIT_SIZES
        self.bytes: Callable[[int], str] = bytes_format(units, endless_word(tag), less_than, sizes)
        self.price_unit: Callable[[int], str] = price_unit_format(units, sizes)
        self.percent = "{}%".format if plain else lru_cache(maxsize=256)(self._percent)
        self.number = lru_cache(maxsize=4096)(self._number)
        self.money = lru_cache(maxsize=4096)(self._money)
        self.plural_form = lru_cache(maxsize=1024)(self._plural_form)
        self.ordinal_form = lru_cache(maxsize=1024)(self._ordinal_form)
        self.is_leftward = not plain and self.locale.text_direction == "rtl"
        """Whether texts run from right to left."""
        self.name: Callable[[str], str] = closed if self.is_leftward else as_it_is
        """Shows a name or an amount inside a text."""

    @cached_property
    def locale(self) -> Locale:
        """The locale object of CLDR."""
        return babel_locale(self.tag)

    def _plural_form(self, value: int) -> str:
        return str(self.locale.plural_form(value))

    def _ordinal_form(self, value: int) -> str:
        return str(self.locale.ordinal_form(value))

    def _number(self, value: int) -> str:
        return written_number(self.locale, value)

    def _percent(self, value: int) -> str:
        from babel.numbers import format_percent

        text = plain_spaces(format_percent(Decimal(value) / 100, locale=self.locale))
        return text.replace(" %", "%") if self.language in _TIGHT_PERCENT else text

    def _money(self, minor: int | None) -> str:
        if minor is None:
            return NEVER
        text = written_money(self.locale, minor, self.currency, is_narrow=self._is_narrow)
        return self.name(text)

    def level(self, value: Any) -> str:
        """A threshold: in percent, bytes or money; nothing if there is none."""
        if value is None:
            return ""
        unit: str = value.unit
        if unit.startswith("percent"):
            return self.percent(value.value)
        if unit == "minor_units":
            return self.money(value.value)
        # The exact number of bytes in the rules, because nothing may be cut off.
        return self.bytes(value.value) if value.value >= UNIT_SIZES[0] else f"{value.value} B"

    def list(self, names: Sequence[str]) -> str:
        """Names joined as the language does it: ``a, b and c``."""
        if len(names) == 1:
            return self.name(names[0])
        from babel.lists import format_list

        shown = [self.name(one) for one in names]
        return plain_spaces(format_list(shown, locale=self.locale)) or NEVER

    def clauses(self, items: Sequence[str]) -> str:
        """Items that are longer than a name (``Video 1 GB; Music 2 GB``)."""
        between = _CLAUSES.get(self.tag) or _CLAUSES.get(self.language, "; ")
        return between.join(items)

    def bracketed(self, text: str) -> str:
        """Text in brackets after an item, with the space before it."""
        return _BRACKETS.get(self.language, " ({})").format(text)

    def end(self, local_minute: int, as_of_minute: int, clock: str = "") -> str:
        """An end in a list: ``until Jan 8, 09:00``; with its year if that is half a year away.

        ``clock`` is the style of the other times of the text; empty if it has none.
        """
        is_soon = abs(local_minute - as_of_minute) < _SOON_MINUTES
        skeleton = "Md" if self.language in _DAY_AND_MONTH else "MMMd"
        date = self.instant("date", f"::{'' if is_soon else 'y'}{skeleton}")(local_minute)
        # A 12-hour or 24-hour clock is a matter of the country; for most languages
        # alone it is unknown.
        has_clock = ("-" in self.tag and self.language != "zh") or self.language == "ar"
        usual = "short" if has_clock else "::Hm"
        time = self.instant("time", clock or usual)(local_minute)
        between = _BETWEEN_DATE_AND_TIME.get(self.tag)
        if between is None:
            between = _BETWEEN_DATE_AND_TIME.get(self.language, ", ")
        return UNTIL.get(self.language, "{}").format(f"{date}{between}{time}")

    def instant(self, kind: str, style: str) -> Callable[[int | None], str]:
        """Shows local minutes; ``kind`` is ``date``, ``time`` or ``datetime``.

        ``style`` is one of CLDR's four, or a skeleton such as ``::MMMd``. Raises
        :class:`UnknownStyleError`.
        """
        from babel import dates

        locale = self.locale
        if style.startswith("::"):
            skeleton = style[2:].strip()

            def show(when: datetime) -> str:
                return str(dates.format_skeleton(skeleton, when, locale=locale))

        elif style in STYLES:
            named: Any = getattr(dates, f"format_{kind}")

            def show(when: datetime) -> str:
                return str(named(when, style, locale=locale))

        else:
            raise UnknownStyleError(f"{style!r}: one of {', '.join(STYLES)}, or a ::skeleton")

        @lru_cache(maxsize=8192)
        def of_minute(local_minute: int) -> str:
            return plain_spaces(show(_clock(local_minute)))

        try:
            of_minute(0)
        except (KeyError, ValueError, AttributeError):
            raise UnknownStyleError(f"{style!r} is not a skeleton of {locale}") from None

        def shown(local_minute: int | None) -> str:
            return NEVER if local_minute is None else of_minute(local_minute)

        return shown


@lru_cache(maxsize=256)
def formats(tag: str, currency: str, *, is_narrow: bool = True, is_binary: bool = False) -> Formats:
    """The formats of a language tag (``zh-CN``); see :func:`babel_locale`."""
    return Formats(tag, currency, is_narrow=is_narrow, is_binary=is_binary)


@lru_cache(maxsize=256)
def babel_locale(tag: str) -> Locale:
    """CLDR's locale of a tag; if there is none, of its language; if there is none, English."""
    from babel.core import Locale, UnknownLocaleError

    for name in (tag, tag.partition("-")[0]):
        try:
            return Locale.parse(name, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


def endless_word(tag: str) -> str:
    """The word of a locale for bytes without limit."""
    return ENDLESS_WORDS.get(tag.partition("-")[0].lower(), ENDLESS_WORDS["en"])
