"""Money as a locale writes it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from streamproc.core.texts.packaged_words import GSM_LANGUAGES, GSM_SIGNS, NARROW_SIGNS
from streamproc.core.texts.segments import segments
from streamproc.core.texts.spaces import plain_spaces

if TYPE_CHECKING:
    from babel.core import Locale

_GROUPS_FROM_FIVE_DIGITS: Final = ("bg", "es", "es_ES", "it", "it_IT", "pl", "pl_PL", "pt_PT")
"""Locales with CLDR's minimumGroupingDigits of 2, which Babel ignores: ``1234,50`` but ``12
345,60``."""
_WHOLE_IN_PRINT: Final = ("TWD",)
"""Currencies whose whole amounts are written without a fraction."""


def written_number(locale: Locale, value: int) -> str:
    """A whole number with the locale's grouping."""
    from babel.numbers import format_decimal

    return plain_spaces(
        format_decimal(value, locale=locale, group_separator=_is_grouped(locale, value))
    )


def written_money(locale: Locale, minor: int, currency: str, *, is_narrow: bool) -> str:
    """An amount in minor units; with the narrow sign (``$``), or with CLDR's standard one."""
    from babel.numbers import format_currency, get_currency_precision, get_currency_symbol

    digits = get_currency_precision(currency)
    amount = Decimal(minor).scaleb(-digits)
    is_whole = currency in _WHOLE_IN_PRINT and amount == amount.to_integral_value()
    text = format_currency(
        amount.to_integral_value() if is_whole else amount,
        currency,
        locale=locale,
        currency_digits=not is_whole,
        format=_without_fraction(locale) if is_whole else None,
        group_separator=_is_grouped(locale, int(amount)),
    )
    sign = get_currency_symbol(currency, locale=locale)
    before, _, after = text.partition(sign)
    shown = _narrow(sign, currency, locale) if is_narrow else sign
    # A sign that consists of letters needs a space before digits.
    apart = " " if shown[-1].isalpha() and after[:1].isdigit() else ""
    return plain_spaces(f"{before}{shown}{apart}{after}")


def _narrow(sign: str, currency: str, locale: Locale) -> str:
    """The narrow sign, unless it makes a text UCS-2 while the standard sign, or the code,
    does not."""
    narrow = NARROW_SIGNS.get(currency, sign)
    if not _is_ucs2(narrow):
        return narrow
    if not _is_ucs2(sign):
        return sign
    return GSM_SIGNS.get(currency, currency) if locale.language in GSM_LANGUAGES else narrow


def _is_ucs2(text: str) -> bool:
    return segments(text)[0] == "ucs2"


def _without_fraction(locale: Locale) -> str:
    pattern: str = locale.currency_formats["standard"].pattern
    return pattern.replace(".00", "")


def _is_grouped(locale: Locale, value: int) -> bool:
    return abs(value) >= 10_000 or str(locale) not in _GROUPS_FROM_FIVE_DIGITS
