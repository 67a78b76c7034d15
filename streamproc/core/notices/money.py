"""Amounts of money as people read them."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND"), 0
    ),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Decimal digits of ISO 4217 currencies that have not two."""


def readable_money(amount_minor: int, currency: str) -> str:
    """Minor units in the currency's main unit: ``15.00 CNY``."""
    digits = _DIGITS.get(currency, 2)
    if not digits:
        return f"{amount_minor} {currency}"
    whole, rest = divmod(amount_minor, 10**digits)
    return f"{whole}.{rest:0{digits}} {currency}"


def price_minor_of(used_bytes: int, price_minor: int, unit_bytes: int) -> int:
    """What usage costs; a unit that was begun counts whole."""
    return -(-used_bytes // unit_bytes) * price_minor
