"""Numbers as SMPP addresses them: the type (TON) and plan (NPI) follow the number's form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamproc.dispatch.smpp.inbound import Address, UnreadableError

TON_UNKNOWN, TON_INTERNATIONAL, TON_ALPHANUMERIC = 0, 1, 5
NPI_UNKNOWN, NPI_ISDN = 0, 1
_SHORTEST_WITH_COUNTRY: Final = 9


@dataclass(frozen=True)
class Numbering:
    """What a message center is told of numbers; None: what follows from the number's form."""

    region: str | None = None
    """The country of numbers without country code."""
    source_ton: int | None = None
    source_npi: int | None = None
    dest_ton: int | None = None
    dest_npi: int | None = None

    def source(self, sender: str) -> Address:
        """The address of the sender: a number, a short code, or a name."""
        return _with(_address(sender), self.source_ton, self.source_npi)

    def destination(self, subscriber: str) -> Address:
        """The address of a subscriber."""
        return _with(_address(subscriber), self.dest_ton, self.dest_npi)

    def subscriber(self, address: Address) -> str:
        """The key of the subscriber who wrote. Raises :class:`UnreadableError`."""
        number = address.number.removeprefix("+")
        if not number:
            raise UnreadableError("it names no sender")
        return number


def _address(text: str) -> Address:
    digits = text.removeprefix("+")
    if not digits.isdigit():
        return Address(text, TON_ALPHANUMERIC, NPI_UNKNOWN)
    is_international = len(digits) >= _SHORTEST_WITH_COUNTRY
    return Address(digits, TON_INTERNATIONAL if is_international else TON_UNKNOWN, NPI_ISDN)


def _with(found: Address, ton: int | None, npi: int | None) -> Address:
    return Address(
        found.number, found.ton if ton is None else ton, found.npi if npi is None else npi
    )
