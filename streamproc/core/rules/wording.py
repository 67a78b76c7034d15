"""Words in texts that do not belong to a plan, service or rule, by locale."""

from __future__ import annotations

from msgspec import Struct


class Wording(Struct, frozen=True):
    """Words by locale; an empty mapping where the rules file says nothing."""

    brand: dict[str, str] = {}
    """The sender's name in messages."""
    care: dict[str, str] = {}
    """Where people get help: a number or an address."""
    topup_names: dict[str, str] = {}
    """Names of top-ups that are not packs; they replace the names that come with streamproc."""
    rollover_names: dict[str, str] = {}
    """The same for rolled-over bytes; ``{name}`` in them is the name of the allowance."""
    has_narrow_signs: bool = True
    """Whether money has the narrow sign of its currency (``$``) or the standard one of CLDR
    (``US$``)."""
    has_binary_units: bool = False
    """Whether a kilobyte is shown as 1024 bytes."""
    transliterated: frozenset[str] = frozenset()
    """Locales whose SMS are written without diacritics."""


NO_WORDING = Wording()
