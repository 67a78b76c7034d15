"""What message centers send: SMS of subscribers in every coding, their parts, their numbers."""

from __future__ import annotations

import struct

import pytest
import smpp34

from streamproc.contracts.numbers import Address
from streamproc.dispatch.model import IncomingPart
from streamproc.dispatch.smpp import pdu
from streamproc.dispatch.smpp import text as sms
from streamproc.dispatch.smpp.addresses import Addressing
from streamproc.dispatch.smpp.inbound import Inbound, UnreadableError, read, text_of
from streamproc.dispatch.smpp.receipt import is_receipt, parse_receipt
from streamproc.dispatch.smpp.text import Alphabet, TextForm, split
from tests.support.smsc_wire import tlv

NOBODY = Address(0, 0, "")


def inbound(body: bytes, coding: int = 0, esm: int = 0, **parameters: bytes) -> Inbound:
    tags = {"reference": 0x020C, "total": 0x020E, "number": 0x020F}
    found = {tags[name]: value for name, value in parameters.items()}
    return Inbound(NOBODY, NOBODY, esm, coding, body, found)


@pytest.mark.parametrize(
    ("body", "coding", "alphabet", "text"),
    [
        (b"STOP", 0x00, "gsm", "STOP"),
        (b"\x00\x1b\x65", 0x00, "gsm", "@€"),
        (b"\x1b\x41", 0x00, "gsm", "A"),
        (b"f\xfcr", 0x00, "latin1", "für"),
        (b"STOP", 0x01, "gsm", "STOP"),
        (b"f\xfcr", 0x03, "gsm", "für"),
        (b"\xd0\xe2\xde\xdf", 0x06, "gsm", "атоп"),
        ("退订".encode("utf-16-be"), 0x08, "gsm", "退订"),
        (b"STOP", 0x11, "gsm", "STOP"),
        ("退订".encode("utf-16-be"), 0x18, "gsm", "退订"),
        (b"STOP", 0xF1, "gsm", "STOP"),
        ("退订".encode("utf-16-be"), 0xE0, "gsm", "退订"),
        (b"", 0x00, "gsm", ""),
    ],
)
def test_an_sms_is_read_by_its_coding(
    body: bytes, coding: int, alphabet: Alphabet, text: str
) -> None:
    assert text_of(inbound(body, coding), alphabet).text == text


@pytest.mark.parametrize(
    ("body", "coding", "esm"),
    [
        (b"\x01\x02", 0x02, 0),
        (b"\x01\x02", 0x04, 0),
        (b"\x01\x02", 0x14, 0),
        (b"\x01\x02", 0xF5, 0),
        (b"\x01\x02", 0x99, 0),
        (b"\xff", 0x00, 0),
        (b"\xff", 0x01, 0),
        (b"\x90", 0x08, 0),
        (b"\x0a\x00\x03", 0x00, 0x40),
        (b"\x05\x00\x09\x07\x02\x01x", 0x00, 0x40),
        (b"\x05\x00\x03\x07\x02\x03x", 0x00, 0x40),
        (b"\x05\x00\x03\x07\x02\x00x", 0x00, 0x40),
        (b"\x03\x24\x01\x0ex", 0x00, 0x40),
    ],
)
def test_what_cannot_be_read_is_refused_for_good(body: bytes, coding: int, esm: int) -> None:
    with pytest.raises(UnreadableError):
        text_of(inbound(body, coding, esm), "gsm")


@pytest.mark.parametrize(
    ("message", "joint"),
    [
        (inbound(b"\x05\x00\x03\x07\x02\x01x", esm=0x40), IncomingPart(7, 2, 1)),
        (inbound(b"\x06\x08\x04\x01\x07\x02\x02x", esm=0x40), IncomingPart(0x107, 2, 2)),
        (inbound(b"\x05\x00\x03\x07\x01\x01x", esm=0x40), None),
        (inbound(b"x", reference=b"\1\7", total=b"\2", number=b"\1"), IncomingPart(0x107, 2, 1)),
        (inbound(b"x", reference=b"\1\7"), None),
        (inbound(b"\x06\x05\x04\x00\x01\x00\x02x", esm=0x40), None),
    ],
)
def test_parts_know_where_they_belong(message: Inbound, joint: IncomingPart | None) -> None:
    read = text_of(message, "gsm")
    assert (read.text, read.joint) == ("x", joint)


@pytest.mark.parametrize(
    ("header", "body", "text"),
    [
        (b"\x03\x24\x01\x01", b"\x1bs\x1bi", "şı"),
        (b"\x03\x25\x01\x01", b"\x1d\x07\x0c", "şığ"),
        (b"\x03\x24\x01\x02", b"\x1ba\x09", "áÇ"),
        (b"\x06\x24\x01\x03\x25\x01\x03", b"\x1b\x7b\x7b", "ãã"),
    ],
)
def test_national_tables_are_read(header: bytes, body: bytes, text: str) -> None:
    assert text_of(inbound(header + body, esm=0x40), "gsm").text == text


def data_sm(body: bytes) -> bytes:
    """A ``data_sm`` by the specification (4.7.1)."""
    addresses = b"\1\x018613800000001\0" + b"\0\x0110086\0"
    facts = b"\0" + addresses + b"\4\0\0" + tlv(0x0424, body) + tlv(0x0427, b"\2")
    return pdu.encode(pdu.DATA_SM, 7, facts)


def test_a_data_sm_is_read_like_a_deliver_sm() -> None:
    found = read(data_sm(b"hello"))
    deliver = smpp34.DeliverSm(
        "8613800000001",
        "10086",
        b"",
        source_addr_ton=1,
        source_addr_npi=1,
        dest_addr_npi=1,
        esm_class=4,
        tlvs=[smpp34.Tlv(0x0424, b"hello"), smpp34.Tlv(0x0427, b"\2")],
    )
    assert found == read(bytes(deliver.encode()))
    assert found.source == Address(1, 1, "8613800000001")
    assert (found.body, found.esm_class) == (b"hello", 4)


def test_every_cut_of_a_data_sm_is_refused() -> None:
    whole = data_sm(b"hello")
    for end in range(pdu.HEADER_BYTES, len(whole)):
        cut = struct.pack(">I", end) + whole[4:end]
        try:
            assert read(cut).body in (b"", b"hello")
        except UnreadableError:
            continue


@pytest.mark.parametrize(
    ("address", "region", "subscriber"),
    [
        (Address(1, 1, "8613800000001"), None, "8613800000001"),
        (Address(1, 1, "+8613800000001"), None, "8613800000001"),
        (Address(1, 1, "19999999999999"), None, "19999999999999"),
        (Address(0, 1, "008613800000001"), None, "8613800000001"),
        (Address(2, 1, "13800000001"), "CN", "8613800000001"),
        (Address(0, 1, "13800000001"), "CN", "8613800000001"),
        (Address(2, 1, "0501234567"), "UA", "380501234567"),
    ],
)
def test_the_sender_is_the_key_of_the_subscriber(
    address: Address, region: str | None, subscriber: str
) -> None:
    assert Addressing(region).subscriber(address) == subscriber


@pytest.mark.parametrize("address", [Address(2, 1, "13800000001"), Address(1, 1, "")])
def test_a_sender_that_would_be_another_account_is_refused(address: Address) -> None:
    with pytest.raises(UnreadableError, match=r"region: CN|names no sender"):
        Addressing().subscriber(address)


@pytest.mark.parametrize(
    ("addressing", "number", "address"),
    [
        (Addressing(), "8613800000001", Address(1, 1, "8613800000001")),
        (Addressing("UA"), "0501234567", Address(1, 1, "380501234567")),
        (Addressing(), "10086", Address(0, 1, "10086")),
        (Addressing(), "ACME Ltd", Address(5, 0, "ACME Ltd")),
        (Addressing(dest_ton=2, dest_npi=8), "8613800000001", Address(2, 8, "8613800000001")),
    ],
)
def test_type_and_plan_follow_the_form_of_a_number(
    addressing: Addressing, number: str, address: Address
) -> None:
    assert addressing.destination(number) == address


UNMARKED = [
    "id:42 sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:DELIVRD err:000",
    "id:42 sub:000 dlvrd:000 submit date:2601010000 done date:2601010001 DELIVRD err:000 Text:",
    "ID:42 Submit_Date:2601010000 Done_Date:2601010001 Stat:DELIVRD",
]


@pytest.mark.parametrize("text", UNMARKED)
def test_a_receipt_without_a_mark_is_one(text: str) -> None:
    receipt = parse_receipt(0, text.encode(), {})
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == ("42", "delivered")


@pytest.mark.parametrize(
    "text", ["STOP", "id:42", "my id: 42 stat: ok", "done date:1 submit date:2 stat:DELIVRD err:1"]
)
def test_an_sms_that_looks_a_little_like_a_receipt_is_none(text: str) -> None:
    assert not is_receipt(0, text.encode(), {})


@pytest.mark.parametrize(
    ("form", "text", "lengths"),
    [
        (TextForm(), "a" * 160, [160]),
        (TextForm(), "a" * 161, [6 + 153, 6 + 8]),
        (TextForm(long_texts="udh16"), "a" * 161, [7 + 152, 7 + 9]),
        (TextForm(long_texts="udh16"), "流" * 71, [7 + 132, 7 + 10]),
        (TextForm(long_texts="sar"), "a" * 161, [152, 9]),
        (TextForm(long_texts="payload"), "a" * 161, [0]),
        (TextForm("latin1"), "ü" * 160, [160]),
        (TextForm("latin1"), "[" * 81, [6 + 76, 6 + 5]),
        (TextForm("latin1"), "€", [2]),
        (TextForm("ucs2"), "a" * 71, [6 + 134, 6 + 8]),
        (TextForm(national=("turkish",)), "ş" * 77, [4 + 154]),
        (TextForm(national=("turkish",)), "ş" * 78, [9 + 148, 9 + 8]),
        (TextForm(long_texts="udh16", national=("turkish",)), "ş" * 78, [10 + 148, 10 + 8]),
        (TextForm(national=("turkish",)), "流", [2]),
    ],
)
def test_parts_are_as_long_as_they_may_be(form: TextForm, text: str, lengths: list[int]) -> None:
    parts = split(text, 0x1234, form)
    assert [len(part.short_message) for part in parts] == lengths
    assert sms.count_parts(text, form) == len(lengths)
