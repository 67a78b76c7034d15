"""The placeholders of texts, and the kind of value of each.

Figures are any object with an attribute for each placeholder. Their values are raw: whole bytes,
minor currency units, local minutes. The locale and the template decide how they look.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

ENDLESS: Final = 1 << 60
"""A number of bytes that means "no limit"; no real number is as large."""


class Kind(Enum):
    """The kind of value of a placeholder, an attribute of the figures."""

    BYTES = "bytes"
    """``int``; shown in decimal units, as tariffs use them; cut off, never rounded up."""
    COUNT = "count"
    """``int``; the plural form depends on it. None (no meaning here) is shown as nothing."""
    MONEY = "money"
    """``int`` in minor units of the rulebook's currency; None is shown as a dash."""
    INSTANT = "instant"
    """``int``: minutes since 1970-01-01T00:00 on the subscriber's clocks; None means never."""
    DATE = "date"
    """``int``: days since 1970-01-01 in the subscriber's calendar; None means never."""
    PRICE_UNIT = "price_unit"
    """``int``: the bytes that a price is for. One unit is shown without its number: ``MB``."""
    TEXT = "text"
    """``str``, shown as it is; :class:`Nothing` for an empty list."""
    NAME = "name"
    """``str``: a name. It may be in another script than the text."""
    NAMES = "names"
    """``Sequence[str]``, joined as the language does it; an empty one is shown as a dash."""
    LEVEL = "level"
    """A threshold, with ``unit`` (``percent...``, ``minor_units`` or bytes) and ``value``. None is
    shown as nothing."""


class Nothing(str):
    """The word for an empty list: in a select it also takes the branch ``none``, whatever the word
    is."""

    __slots__ = ()


Vocabulary = dict[str, Kind]

EVERYWHERE: Final[Vocabulary] = {"brand": Kind.NAME, "care": Kind.TEXT}
"""Placeholders of every text. The rules file gives their values, one per locale. They are filled in
when a text is compiled, so figures do not have them."""


PERIOD_USED: Final = "period_used"
OF_SOME_KINDS: Final = {
    "threshold": "",
    "runs_out": "in a {kinds}",
    "cap": "in {kinds}",
    PERIOD_USED: "in {kinds}",
    "days": "beside days_before",
}
"""Placeholders that only some kinds of rules can use (``RuleKind.placeholders``). The value says in
words which kinds those are; it is empty if most kinds can use it."""

REMINDER: Final[Vocabulary] = {
    **EVERYWHERE,
    "bucket": Kind.NAMES,
    "buckets": Kind.TEXT,
    "used": Kind.BYTES,
    "granted": Kind.BYTES,
    "remaining": Kind.BYTES,
    "overage": Kind.BYTES,
    "percent": Kind.COUNT,
    "threshold": Kind.LEVEL,
    "as_of": Kind.INSTANT,
    "cycle_end": Kind.INSTANT,
    "expires": Kind.INSTANT,
    "last_day": Kind.DATE,
    "days": Kind.COUNT,
    "spend": Kind.MONEY,
    "cap": Kind.MONEY,
    "price": Kind.MONEY,
    "price_unit": Kind.PRICE_UNIT,
    "pack_price": Kind.MONEY,
    "runs_out": Kind.INSTANT,
    PERIOD_USED: Kind.BYTES,
}
"""The placeholders of the texts of rules."""
