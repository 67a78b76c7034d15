"""``submit_sm`` and ``deliver_sm`` to bytes and back: the only module that knows ``smpp34``.

That library is young and comes from one company. Whatever replaces it has this interface, and must
pass ``tests/contract/test_smpp_wire.py``: bytes that other implementations wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import smpp34

from streamproc.contracts.numbers import Address
from streamproc.errors import StreamprocError

ADDRESS_LIMIT = 20
"""Octets of an address, without the zero at its end. The library writes longer ones, too."""


class MessageError(StreamprocError, ValueError):
    """SMPP has no room for a message, or the bytes are not one."""


@dataclass(frozen=True, slots=True)
class ShortMessage:
    """The fields of a ``submit_sm`` or ``deliver_sm`` that are used here (SMPP 3.4, 4.4 and 4.6).

    All others are empty or zero.
    """

    source: Address
    destination: Address
    short_message: bytes
    """At most 254 octets, with the user data header."""
    esm_class: int = 0
    data_coding: int = 0
    validity_period: str = ""
    registered_delivery: int = 0
    parameters: Mapping[int, bytes] = field(default_factory=dict)
    """Optional parameters by tag."""


def encode_submit(message: ShortMessage, sequence: int) -> bytes:
    """A whole ``submit_sm``. Raises :class:`MessageError`."""
    source, destination = message.source, message.destination
    if max(len(source.digits), len(destination.digits)) > ADDRESS_LIMIT:
        raise MessageError(f"an address has more than {ADDRESS_LIMIT} octets")
    try:
        return bytes(
            smpp34.SubmitSm(
                source.digits,
                destination.digits,
                message.short_message,
                source_addr_ton=source.ton,
                source_addr_npi=source.npi,
                dest_addr_ton=destination.ton,
                dest_addr_npi=destination.npi,
                esm_class=message.esm_class,
                validity_period=message.validity_period,
                registered_delivery=message.registered_delivery,
                data_coding=message.data_coding,
                sequence_number=sequence,
                tlvs=[smpp34.Tlv(tag, value) for tag, value in message.parameters.items()],
            ).encode()
        )
    except (smpp34.SmppError, ValueError, OverflowError) as error:
        raise MessageError(str(error)) from error


def decode_deliver(data: bytes) -> ShortMessage:
    """A whole ``deliver_sm``. Raises :class:`MessageError`."""
    try:
        found = smpp34.decode(data)
    except (smpp34.SmppError, ValueError) as error:
        raise MessageError(str(error)) from error
    if not isinstance(found, smpp34.DeliverSm):
        raise MessageError("it is not a deliver_sm")
    return ShortMessage(
        Address(found.source_addr_ton, found.source_addr_npi, found.source_addr),
        Address(found.dest_addr_ton, found.dest_addr_npi, found.destination_addr),
        bytes(found.short_message),
        esm_class=found.esm_class,
        data_coding=found.data_coding,
        parameters={one.tag: bytes(one.value) for one in found.tlvs},
    )
