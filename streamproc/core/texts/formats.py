"""Values as a locale shows them, by CLDR's data through Babel.

Babel takes tens of microseconds for what a reminder has time for one: what can be known beforehand
(the decimal sign, the unit's place) is asked of it once, and the rest is cached. English and
Chinese need it for dates, money and plural forms only: it is loaded when somebody asks.

No-break spaces become plain ones: a text with one of them is UCS-2 and holds 70 characters instead
of 160.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from streamproc.core.instants import DAY_MINUTES
from streamproc.core.texts.vocabulary import ENDLESS

if TYPE_CHECKING:
    from babel.core import Locale

NEVER: Final = "-"
"""An end that never comes, names that are none, a price that nobody said, where the text makes no
other words of it."""
STYLES: Final = ("short", "medium", "long", "full")
PLAIN_LANGUAGES: Final = ("en", "zh")
"""Languages that write ``1.25 GB`` and ``80%``, as CLDR has it too."""

_ENDLESS_WORDS: Final = {
    "en": "unlimited",
    "zh": "不限量",
    "de": "unbegrenzt",
    "es": "ilimitado",
    "fr": "illimité",
    "it": "illimitato",
    "nl": "onbeperkt",
    "pl": "bez limitu",
    "pt": "ilimitado",
    "ru": "безлимит",
}
_EPOCH: Final = datetime(1970, 1, 1)
_DATE_LENGTH: Final = len("2026-01-01")
_MINUTES_LENGTH: Final = len("2026-01-01 09:00")
_PLAIN_SPACES: Final = str.maketrans("\u00a0\u202f", "  ")
_SAMPLES: Final = (0, 1, 2, 3, 5, 6, 10, 11, 20, 21, 100, 101, 0.01, 1.5, 1.25, 2.25, 99.99)
"""One of each plural form of every language, with and without a fraction."""


class UnknownStyleError(ValueError):
    """A date or time style that the locale does not have; the message says which there are."""


def iso_minute(local_minute: int | None) -> str:
    """``2026-01-20 14:05``: the form that no reader takes for another day."""
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


def joined(names: Sequence[str]) -> str:
    """Names as a plain enumeration."""
    return names[0] if len(names) == 1 else ", ".join(names) or NEVER


def plain_spaces(text: str) -> str:
    """A text without the no-break spaces that would turn GSM-7 into UCS-2."""
    return text.translate(_PLAIN_SPACES)


class Formats:
    """How one locale shows values of one currency."""

    def __init__(self, tag: str, currency: str) -> None:
        self.tag = tag
        self.currency = currency
        plain = tag.partition("-")[0].lower() in PLAIN_LANGUAGES
        self.bytes: Callable[[int], str] = bytes_format(
            None if plain else self.locale, endless_word(tag)
        )
        self.percent = "{}%".format if plain else lru_cache(maxsize=256)(self._percent)
        self.number = lru_cache(maxsize=4096)(self._number)
        self.money = lru_cache(maxsize=4096)(self._money)
        self.plural_form = lru_cache(maxsize=1024)(self._plural_form)
        self.ordinal_form = lru_cache(maxsize=1024)(self._ordinal_form)

    @cached_property
    def locale(self) -> Locale:
        """CLDR's."""
        return babel_locale(self.tag)

    def _plural_form(self, value: int) -> str:
        return str(self.locale.plural_form(value))

    def _ordinal_form(self, value: int) -> str:
        return str(self.locale.ordinal_form(value))

    def _number(self, value: int) -> str:
        from babel.numbers import format_decimal

        return plain_spaces(format_decimal(value, locale=self.locale))

    def _percent(self, value: int) -> str:
        from babel.numbers import format_percent

        return plain_spaces(format_percent(Decimal(value) / 100, locale=self.locale))

    def _money(self, minor: int | None) -> str:
        if minor is None:
            return NEVER
        from babel.numbers import format_currency, get_currency_precision

        amount = Decimal(minor).scaleb(-get_currency_precision(self.currency))
        return plain_spaces(format_currency(amount, self.currency, locale=self.locale))

    def level(self, value: Any) -> str:
        """A threshold: in percent, bytes or money; nothing if there is none."""
        if value is None:
            return ""
        unit: str = value.unit
        if unit.startswith("percent"):
            return self.percent(value.value)
        return self.money(value.value) if unit == "minor_units" else self.bytes(value.value)

    def list(self, names: Sequence[str]) -> str:
        """Names as the language enumerates them: ``a, b and c``."""
        from babel.lists import format_list

        return plain_spaces(format_list(names, locale=self.locale)) or NEVER

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
            raise UnknownStyleError(f"{style!r} is no skeleton of {locale}") from None

        def shown(local_minute: int | None) -> str:
            return NEVER if local_minute is None else of_minute(local_minute)

        return shown


@lru_cache(maxsize=256)
def formats(tag: str, currency: str) -> Formats:
    """The formats of a language tag (``zh-CN``); see :func:`babel_locale`."""
    return Formats(tag, currency)


@lru_cache(maxsize=256)
def babel_locale(tag: str) -> Locale:
    """CLDR's locale of a tag, else of its language, else English."""
    from babel.core import Locale, UnknownLocaleError

    for name in (tag, tag.partition("-")[0]):
        try:
            return Locale.parse(name, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


def endless_word(tag: str) -> str:
    """What a locale says of bytes without limit."""
    return _ENDLESS_WORDS.get(tag.partition("-")[0].lower(), "∞")


def bytes_format(locale: Locale | None, endless: str = "unlimited") -> Callable[[int], str]:
    """Bytes in decimal units, cut (never rounded up) to two digits: ``1.25 GB``.

    Without a locale as English and Chinese have it. ``ENDLESS`` is shown as the word ``endless``.
    """
    kilo, mega, giga, tera = (
        _unit_format(locale, f"digital-{name}byte", f"{sign}B")
        for name, sign in (("kilo", "k"), ("mega", "M"), ("giga", "G"), ("tera", "T"))
    )
    single = _unit_format(locale, "digital-byte", "B")
    if kilo(200)[-2:].upper() == "KB":
        # Where the units are international, so is the byte's: "B", which CLDR spells out in some.
        single = _single_of(kilo)

    def readable(count: int) -> str:
        if count >= 1_000_000_000:
            if count >= 1_000_000_000_000:
                if count >= ENDLESS:
                    return endless
                return tera(count // 10_000_000_000)
            return giga(count // 10_000_000)
        if count >= 1_000_000:
            return mega(count // 10_000)
        if count >= 1000:
            return kilo(count // 10)
        if count >= 0:
            return single(count * 100)
        return f"-{readable(-count)}"

    return readable


def _single_of(kilo: Callable[[int], str]) -> Callable[[int], str]:
    return lambda hundredths: f"{kilo(hundredths)[:-2]}B"


def _unit_format(locale: Locale | None, unit: str, symbol: str) -> Callable[[int], str]:
    """Shows hundredths of a unit, without trailing zeros."""
    if locale is None:
        return lru_cache(maxsize=20_000)(_Digits("", ".", f" {symbol}"))
    from babel.numbers import format_decimal
    from babel.units import format_unit

    def by_babel(value: Any) -> str:
        return str(format_unit(value, unit, length="short", format="0.##", locale=locale))

    patterns = {
        by_babel(value).replace(format_decimal(value, "0.##", locale=locale), "\0")
        for value in _SAMPLES
    }
    symbols = {one for one in patterns if one.endswith(symbol)}
    if symbols:  # some languages spell out one of them (``1 Mbyte``), and have a symbol for more
        patterns = symbols
    pattern = plain_spaces(patterns.pop())
    if patterns or pattern.count("\0") != 1:  # the unit's form depends on the number
        return lru_cache(maxsize=20_000)(
            lambda hundredths: plain_spaces(by_babel(Decimal(hundredths) / 100))
        )
    before, after = pattern.split("\0")
    sign = str(format_decimal(0.5, "0.0", locale=locale))[1:-1]
    return lru_cache(maxsize=20_000)(_Digits(before, sign, after))


class _Digits:
    """Hundredths of something as digits between what stands before and after them."""

    def __init__(self, before: str, sign: str, after: str) -> None:
        self._before, self._sign, self._after = before, sign, after

    def __call__(self, hundredths: int) -> str:
        whole, rest = divmod(hundredths, 100)
        digits = f"{self._sign}{rest:02}".rstrip("0") if rest else ""
        return f"{self._before}{whole}{digits}{self._after}"


readable_bytes: Final = bytes_format(None)
"""For logs and screens, which speak English."""
