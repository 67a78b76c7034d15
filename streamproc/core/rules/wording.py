"""Words in texts that belong to no plan, service or rule, by locale."""

from __future__ import annotations

from msgspec import Struct


class Wording(Struct, frozen=True):
    """Words by locale; an empty mapping where the rules file says nothing."""

    brand: dict[str, str] = {}
    """Whom the messages come from."""
    care: dict[str, str] = {}
    """Where people get help: a number or an address."""
    topup_names: dict[str, str] = {}
    """Of top-ups that are no pack, before the words that come with streamproc."""
    rollover_names: dict[str, str] = {}
    """The same of what rolled over; ``{name}`` in them is the name of the allowance."""
    has_narrow_signs: bool = True
    """Whether money has its currency's narrow sign (``$``) or CLDR's standard one (``US$``)."""
    has_binary_units: bool = False
    """Whether a kilobyte is shown as 1024 bytes."""
    transliterated: frozenset[str] = frozenset()
    """Locales whose SMS are written without diacritics."""


NO_WORDING = Wording()
