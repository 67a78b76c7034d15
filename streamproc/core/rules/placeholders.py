"""The placeholders of texts, and the kind of value of each.

Figures are any object with an attribute per placeholder. Their values are raw: whole bytes, minor
currency units, local minutes; how they look is the locale's and the template's business.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

ENDLESS: Final = 1 << 60
"""A number of bytes that stands for no limit; no real one is as large."""


class Kind(Enum):
    """What a placeholder's value is, as an attribute of the figures."""

    BYTES = "bytes"
    """``int``; shown in the decimal units of tariffs, cut and never rounded up."""
    COUNT = "count"
    """``int``; plural forms are chosen by it. None (no meaning here) is shown as nothing."""
    MONEY = "money"
    """``int`` in minor units of the rulebook's currency; None is shown as a dash."""
    INSTANT = "instant"
    """``int``: minutes since 1970-01-01T00:00 of the subscriber's own clocks; None is never."""
    DATE = "date"
    """``int``: days since 1970-01-01 of the subscriber's own calendar; None is never."""
    PRICE_UNIT = "price_unit"
    """``int``: bytes that a price is for; one of a unit is shown without the number: ``MB``."""
    TEXT = "text"
    """``str``, shown as it is."""
    NAME = "name"
    """``str``: a name, which may be in another script than the text."""
    NAMES = "names"
    """``Sequence[str]``, enumerated as the language does; an empty one is shown as a dash."""
    LEVEL = "level"
    """A threshold, with ``unit`` (``percent...``, ``minor_units`` or bytes) and ``value``; or None:
    nothing."""


Vocabulary = dict[str, Kind]

EVERYWHERE: Final[Vocabulary] = {"brand": Kind.NAME, "care": Kind.TEXT}
"""What every text may speak of. Its values are the rules file's own, the same in all texts of a
locale: they are filled in when a text is compiled, and figures do not have them."""


PERIOD_USED: Final = "period_used"
OF_SOME_KINDS: Final = {
    "threshold": "",
    "runs_out": "in a {kinds}",
    "cap": "in {kinds}",
    PERIOD_USED: "in {kinds}",
    "days": "beside days_before",
}
"""Placeholders that have a meaning in rules of some kinds only (``RuleKind.placeholders``), and
where that is, in words; empty where most kinds have it."""

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
"""What the texts of rules may speak of."""
