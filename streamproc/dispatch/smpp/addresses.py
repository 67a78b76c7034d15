"""Numbers in the form of SMPP: the type (TON) and plan (NPI) follow from the number's form."""

from __future__ import annotations

from dataclasses import dataclass

from streamproc.contracts import numbers
from streamproc.contracts.numbers import NumberError, smpp_address, subscriber_key
from streamproc.dispatch.smpp.inbound import Address, UnreadableError


@dataclass(frozen=True)
class Numbering:
    """How a message center wants numbers; None: as follows from the number's form."""

    region: str | None = None
    """The country of numbers without country code."""
    source_ton: int | None = None
    source_npi: int | None = None
    dest_ton: int | None = None
    dest_npi: int | None = None

    def source(self, sender: str) -> Address:
        """The address of the sender: a number, a short code, or a name."""
        return _with(_address(sender, self.region), self.source_ton, self.source_npi)

    def destination(self, subscriber: str) -> Address:
        """The address of a subscriber."""
        return _with(_address(subscriber, self.region), self.dest_ton, self.dest_npi)

    def subscriber(self, address: Address) -> str:
        """The key of the subscriber who wrote. Raises :class:`UnreadableError`."""
        number = address.number.removeprefix("+")
        if not number:
            raise UnreadableError("it names no sender")
        if address.ton == numbers.TON_INTERNATIONAL:
            return number
        try:
            return subscriber_key(address.number, numbers.Numbering(self.region))
        except NumberError:
            return number  # the worker rejects the text of a subscriber it does not know


def _address(text: str, region: str | None) -> Address:
    found = smpp_address(text, region)
    return Address(found.digits, found.ton, found.npi)


def _with(found: Address, ton: int | None, npi: int | None) -> Address:
    return Address(
        found.number, found.ton if ton is None else ton, found.npi if npi is None else npi
    )
