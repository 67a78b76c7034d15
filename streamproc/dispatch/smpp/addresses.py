"""Numbers as a message center addresses them: type and plan (TON, NPI) follow their form."""

from __future__ import annotations

from dataclasses import dataclass

from streamproc.contracts.numbers import (
    TON_INTERNATIONAL,
    Address,
    NumberError,
    Numbering,
    smpp_address,
    subscriber_key,
)
from streamproc.dispatch.smpp.inbound import UnreadableError


@dataclass(frozen=True)
class Addressing:
    """How numbers are addressed to a message center; None: by the number's form."""

    region: str | None = None
    """The country of numbers without country code."""
    source_ton: int | None = None
    source_npi: int | None = None
    dest_ton: int | None = None
    dest_npi: int | None = None

    def source(self, sender: str) -> Address:
        """The address of the sender: a number, a short code, or a name."""
        return _with(smpp_address(sender, self.region), self.source_ton, self.source_npi)

    def destination(self, subscriber: str) -> Address:
        """The address of a subscriber."""
        return _with(smpp_address(subscriber, self.region), self.dest_ton, self.dest_npi)

    def subscriber(self, address: Address) -> str:
        """The key of the subscriber who sent an SMS. Raises :class:`UnreadableError`."""
        number = address.digits.strip()
        if not number:
            raise UnreadableError("it names no sender")
        if address.ton == TON_INTERNATIONAL and number.removeprefix("+").isdigit():
            number = number.removeprefix("+").removeprefix("00")
            try:
                return subscriber_key(f"+{number}", Numbering(self.region))
            except NumberError:
                return number  # a range that the library does not know yet
        try:
            return subscriber_key(number, Numbering(self.region))
        except NumberError as error:
            raise UnreadableError(f"its sender {error}") from None


def _with(found: Address, ton: int | None, npi: int | None) -> Address:
    return Address(
        found.ton if ton is None else ton, found.npi if npi is None else npi, found.digits
    )
