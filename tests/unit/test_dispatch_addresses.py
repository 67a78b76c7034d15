"""Numbers on the wire of SMPP: their type follows their form."""

from __future__ import annotations

import pytest

from streamproc.contracts.numbers import Address
from streamproc.dispatch.smpp.addresses import Addressing
from streamproc.dispatch.smpp.inbound import UnreadableError

INTERNATIONAL, UNKNOWN, NAME = (1, 1), (0, 1), (5, 0)


@pytest.mark.parametrize(
    ("text", "region", "number", "kind"),
    [
        ("8613800000001", None, "8613800000001", INTERNATIONAL),
        ("13800000001", "CN", "8613800000001", INTERNATIONAL),
        ("13800000001", None, "13800000001", UNKNOWN),  # and never +1 380 000 0001
        ("460001234567890", None, "460001234567890", UNKNOWN),
        ("10086", "CN", "10086", UNKNOWN),
        ("+49 1511 2345678", None, "4915112345678", INTERNATIONAL),
        ("Operator", None, "Operator", NAME),
    ],
)
def test_senders_and_subscribers_are_addressed_by_the_form_of_the_number(
    text: str, region: str | None, number: str, kind: tuple[int, int]
) -> None:
    addressing = Addressing(region)

    assert addressing.source(text) == addressing.destination(text) == Address(*kind, number)


@pytest.mark.parametrize(
    ("number", "ton", "region", "key"),
    [
        ("8613800000001", 1, None, "8613800000001"),
        ("+8613800000001", 0, None, "8613800000001"),
        ("13800000001", 2, "CN", "8613800000001"),
        ("013800000001", 0, "CN", "8613800000001"),
        ("008613800000001", 0, None, "8613800000001"),
        ("447700900123", 1, None, "447700900123"),  # the network knows its numbers
    ],
)
def test_who_wrote_is_the_key_of_the_subscriber(
    number: str, ton: int, region: str | None, key: str
) -> None:
    assert Addressing(region).subscriber(Address(ton, 1, number)) == key


def test_nobody_wrote() -> None:
    with pytest.raises(UnreadableError):
        Addressing().subscriber(Address(1, 1, "+"))
