"""Figures as people read them, in every locale: the values that a shown figure can mean."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_skeleton, format_time
from babel.lists import format_list
from babel.numbers import format_decimal, format_percent, get_currency_precision

ENDLESS = float("inf")
"""Bytes without a limit."""

_ENDLESS_WORDS = (
    *("unlimited", "不限量", "unbegrenzt", "ilimitado", "illimité", "illimitato", "onbeperkt"),
    *("bez limitu", "безлимит", "безлимитно", "غير محدود", "∞", "吃到飽", "無限", "अनलिमिटेड"),
    *("असीमित", "無限量", "不限量上網"),
)
_UNIT_WORDS = {
    1: ("B", "byte", "bytes", "Б", "o", "octet", "octets", "ب", "بايت", "बाइट"),
    10**3: ("kB", "KB", "кБ", "КБ", "ko", "ك.ب", "كيلوبايت", "केबी"),
    10**6: ("MB", "МБ", "Mo", "م.ب", "ميغابايت", "ميجابايت", "ميجا", "एमबी", "Mbyte"),
    10**9: ("GB", "ГБ", "Go", "غ.ب", "غيغابايت", "جيجابايت", "جيجا", "जीबी"),
    10**12: ("TB", "ТБ", "To", "ت.ب", "تيرابايت", "تيرا", "टीबी"),
}
_UNITS = {word: size for size, words in _UNIT_WORDS.items() for word in words}
_BYTES = re.compile(r"(<|أقل من|)\s*(-?)(?:(\d+)(?:[.,٫](\d{1,2}))?\s*)?(\D+)")
"""Less than, minus, whole units and hundredths, unit."""
_SIGNS = {
    "AUD": ("$", "A$", "AU$", "AUD"),
    "CAD": ("$", "CA$", "CAD"),
    "CNY": ("¥", "CN¥", "CNY"),
    "EUR": ("€", "EUR"),
    "INR": ("₹", "Rs", "INR"),
    "JPY": ("¥", "JP¥", "￥", "円", "JPY"),
    "KWD": ("KWD", "دك"),
    "USD": ("$", "US$", "USD"),
}
"""What stands beside an amount, without full stops."""
_MARKS = "\u200e\u200f\u061c\u2066\u2067\u2068\u2069\u202a\u202b\u202c"
_PLAIN = str.maketrans("\u00a0\u202f\u2009", "   ", _MARKS)
_EPOCH = datetime(1970, 1, 1)


@lru_cache(maxsize=65_536)
def plain(text: str) -> str:
    """The text without direction marks, and with ordinary spaces."""
    return text.translate(_PLAIN).strip()


@lru_cache(maxsize=256)
def locale_of(tag: str) -> Locale:
    for name in (tag, tag.partition("-")[0]):
        try:
            return Locale.parse(name, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


def is_bytes(text: str, value: float | None) -> bool:
    """Whether a text shows this number of bytes: cut off, never rounded up, to two digits of a
    unit."""
    shown = plain(text)
    if value is None:
        return shown in ("", "-")
    if shown in _ENDLESS_WORDS or value == ENDLESS:
        return shown in _ENDLESS_WORDS and value == ENDLESS
    match = re.fullmatch(
        r"(<|أقل من|[不未]足|mniej niż|менее|)\s*(-?)(?:(\d+)(?:[.,٫](\d{1,2}))?\s*)?(\D+)", shown
    )
    if match is None:
        return False
    less, minus, whole, fraction, unit = match.groups()
    size = _UNITS.get(unit.strip())
    if size is None or minus:
        return False
    units = 1 if whole is None else int(whole)
    if less:
        return 0 < value < units * size
    hundredths = units * 100 + int((fraction or "0").ljust(2, "0"))
    low = hundredths * size / 100
    if hundredths == 0 and size > 1:
        return value == 0
    return low <= value < low + max(size / 100, 1)


def is_money(text: str, minor: int | None, currency: str) -> bool:
    """Whether a text shows an amount in minor units, with a sign of its currency alone."""
    if not is_amount(text, minor, currency):
        return False
    sign = re.sub(r"[\d\s.,'’-]", "", plain(text))
    return minor is None or sign in _SIGNS[currency]


def has_sign(text: str, currency: str) -> bool:
    """Whether a text has a sign of this currency anywhere."""
    shown = plain(text).replace(".", "")
    return any(one in shown for one in _SIGNS[currency])


def is_amount(text: str, minor: int | None, currency: str) -> bool:
    """Whether a text shows an amount in minor units; the currency is not checked."""
    shown = plain(text)
    if minor is None:
        return shown in ("", "-")
    precision = get_currency_precision(currency)
    match = re.search(r"-?\d[\d.,  '’]*", shown)
    if match is None:
        return False
    number = match[0].rstrip(" .,")
    fraction = ""
    cut = re.search(rf"[.,](\d{{{precision}}})$", number) if precision else None
    if cut:
        fraction, number = cut[1], number[: cut.start()]
    digits = re.sub(r"\D", "", number)
    found = int(digits or "0") * 10**precision + int(fraction or "0")
    is_negative = "-" in shown[: match.start()] or number.startswith("-")
    return found == abs(minor) and is_negative is (minor < 0)


def is_count(text: str, value: int | None, form: str, tag: str) -> bool:
    shown = plain(text)
    if value is None:
        return shown in ("", "0", "0%")
    if form == "percent":
        return shown == plain(format_percent(value / 100, locale=locale_of(tag)))
    return shown in (str(value), plain(format_decimal(value, locale=locale_of(tag))))


def local_clock(instant_ms: float | None, zone: str) -> datetime | None:
    """What clocks in a zone show at an instant, to the minute; None for never."""
    if instant_ms is None or instant_ms == float("inf"):
        return None
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(instant_ms))
    return when.astimezone(ZoneInfo(zone)).replace(tzinfo=None, second=0, microsecond=0)


def is_clock(text: str, value: datetime | None, form: str, style: str, tag: str) -> bool:
    """Whether a text shows a local time in a form (``date``, ``time``, ``datetime``) and style."""
    shown = plain(text)
    if value is None:
        return shown in ("", "-")
    wanted = _clock(value, form, style, tag)
    # The full stop of an abbreviation can also be the stop of its sentence.
    return shown == wanted or f"{shown}." == wanted


@lru_cache(maxsize=100_000)
def _clock(value: datetime, form: str, style: str, tag: str) -> str:
    if not form:
        return value.isoformat(" ", "minutes")
    locale = locale_of(tag)
    if style.startswith("::"):
        return plain(format_skeleton(style[2:], value, locale=locale))
    chosen: Any = style or {"date": "medium", "time": "short", "datetime": "short"}[form]
    shows = {"date": format_date, "time": format_time, "datetime": format_datetime}
    return plain(shows[form](value, chosen, locale=locale))


def is_date(text: str, value: date | None, style: str, form: str, tag: str) -> bool:
    if value is None:
        return plain(text) in ("", "-")
    if not form:
        return plain(text) == value.isoformat()
    return is_clock(text, datetime(value.year, value.month, value.day), "date", style, tag)


def is_names(text: str, names: list[str], form: str, tag: str) -> bool:
    """Whether a text lists these names, plainly or as the language does."""
    shown = plain(text)
    if not names:
        return shown in ("", "-")
    ways = [", ".join(names), "、".join(names), "، ".join(names)]
    ways.append(plain(format_list(names, locale=locale_of(tag))))
    ways += [
        plain(format_list(names, style=style, locale=locale_of(tag)))
        for style in ("unit", "standard-short", "unit-narrow")
        if "start" in locale_of(tag).list_patterns.get(style, ())
    ]
    return shown in [plain(one) for one in ways]


def plural_key(value: float | None, keys: tuple[str, ...], tag: str, ordinal: bool = False) -> str:
    """The branch that a number belongs to."""
    if value == ENDLESS:
        return "unlimited" if "unlimited" in keys else "other"
    count = int(value or 0)
    if f"={count}" in keys:
        return f"={count}"
    locale = locale_of(tag)
    form = (locale.ordinal_form if ordinal else locale.plural_form)(count)
    return form if form in keys else "other"
