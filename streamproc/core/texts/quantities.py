"""Bytes as a locale writes them: in the units of tariffs, cut off and never rounded up."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from streamproc.core.rules.placeholders import ENDLESS
from streamproc.core.texts.spaces import plain_spaces

if TYPE_CHECKING:
    from babel.core import Locale

UNIT_SIZES: Final = (10**3, 10**6, 10**9, 10**12)
BINARY_SIZES: Final = (2**10, 2**20, 2**30, 2**40)
"""For operators whose gigabyte has 1024 megabytes."""
_NAMES: Final = (("kilo", "k"), ("mega", "M"), ("giga", "G"), ("tera", "T"))
_SAMPLES: Final = (0, 1, 2, 3, 5, 6, 10, 11, 20, 21, 100, 101, 0.01, 1.5, 1.25, 2.25, 99.99)
"""One number for each plural form of every language, with and without a fraction."""

UnitFormat = Callable[[int], str]
"""Shows hundredths of a unit."""


def unit_formats(
    locale: Locale | None, words: tuple[str, ...] | None = None
) -> tuple[UnitFormat, ...]:
    """How kilo-, mega-, giga- and terabytes are written; ``words`` replace those of CLDR.

    Without a locale, as in English and Chinese.
    """
    if words is not None:
        return tuple(lru_cache(maxsize=20_000)(_Digits("", ".", f" {word}")) for word in words)
    return tuple(_unit_format(locale, f"digital-{name}byte", f"{sign}B") for name, sign in _NAMES)


def bytes_format(
    units: tuple[UnitFormat, ...],
    endless: str = "unlimited",
    less_than: str = "<{}",
    sizes: tuple[int, ...] = UNIT_SIZES,
) -> Callable[[int], str]:
    """Bytes for customers: ``1.25 GB``; less than a kilobyte ``<1 MB``; 0 or less ``0 MB``.

    ``ENDLESS`` is shown as the word ``endless``; ``sizes`` are the sizes of the units in bytes.
    """
    kilo, mega, giga, tera = units
    kilo_bytes, mega_bytes, giga_bytes, tera_bytes = sizes
    nothing, little = mega(0), less_than.format(mega(100))

    def readable(count: int) -> str:
        if count >= giga_bytes:
            if count >= tera_bytes:
                if count >= ENDLESS:
                    return endless
                return tera(count * 100 // tera_bytes)
            return giga(count * 100 // giga_bytes)
        if count >= mega_bytes:
            return mega(count * 100 // mega_bytes)
        if count >= kilo_bytes:
            return kilo(count * 100 // kilo_bytes)
        return little if count > 0 else nothing

    return readable


def price_unit_format(
    units: tuple[UnitFormat, ...], sizes: tuple[int, ...] = UNIT_SIZES
) -> Callable[[int], str]:
    """The unit of a price: ``MB``, ``10 kB``; people do not say "per 1 MB"."""
    shown = bytes_format(units, sizes=sizes)
    single = {
        size: unit(100).replace("1", "", 1).strip() for size, unit in zip(sizes, units, strict=True)
    }

    def readable(count: int) -> str:
        return single.get(count) or (shown(count) if count >= sizes[0] else f"{count} B")

    return readable


def readable_bytes(count: int) -> str:
    """For logs and screens: in English, and exact to the byte."""
    if count < 0:
        return f"-{readable_bytes(-count)}"
    return _english(count) if count >= UNIT_SIZES[0] else f"{count} B"


def _unit_format(locale: Locale | None, unit: str, symbol: str) -> UnitFormat:
    """Hundredths of a unit, without trailing zeros."""
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
    if symbols:  # some languages spell out one of them (``1 Mbyte``), and have a symbol too
        patterns = symbols
    pattern = plain_spaces(patterns.pop())
    if patterns or pattern.count("\0") != 1:  # the form of the unit depends on the number
        return lru_cache(maxsize=20_000)(
            lambda hundredths: plain_spaces(by_babel(Decimal(hundredths) / 100))
        )
    before, after = pattern.split("\0")
    sign = str(format_decimal(0.5, "0.0", locale=locale))[1:-1]
    return lru_cache(maxsize=20_000)(_Digits(before, sign, after))


class _Digits:
    """Hundredths of a unit as digits, between a prefix and a suffix."""

    def __init__(self, before: str, sign: str, after: str) -> None:
        self._before, self._sign, self._after = before, sign, after

    def __call__(self, hundredths: int) -> str:
        whole, rest = divmod(hundredths, 100)
        digits = f"{self._sign}{rest:02}".rstrip("0") if rest else ""
        return f"{self._before}{whole}{digits}{self._after}"


_english: Final = bytes_format(unit_formats(None))
