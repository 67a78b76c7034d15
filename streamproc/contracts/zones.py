"""Names of time zones: IANA's own, and no other.

A database of zones on disk has more files than IANA has zones: zones with leap seconds
(``right/UTC``), copies (``posix/...``), the zone of the machine (``localtime``). Other systems do
not know them.
"""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def _names() -> frozenset[str]:
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(listed) - {"Factory", "localtime"}


def is_zone(name: str) -> bool:
    """Whether IANA has a zone of this name."""
    return name in _names()
