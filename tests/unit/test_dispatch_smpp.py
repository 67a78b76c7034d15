"""Texts to parts, delivery receipts of every form, command status to what happens next."""

from __future__ import annotations

import pytest
import smpp34

from streamproc.core.texts.segments import GSM_BASIC, GSM_EXTENSION, segments
from streamproc.dispatch.model import ErrorClass
from streamproc.dispatch.smpp import text as sms
from streamproc.dispatch.smpp.errors import class_of, name_of
from streamproc.dispatch.smpp.gateway import reference_of, validity_period
from streamproc.dispatch.smpp.national import codec
from streamproc.dispatch.smpp.receipt import DeliveryReceipt, missing_fact, parse_receipt
from tests.support.smsc_wire import parse_submit, text_of

RECEIPT = 0x04


def test_the_alphabet_is_the_cores() -> None:
    assert set(codec().decode(bytes(range(27)) + bytes(range(28, 128)))[0]) == GSM_BASIC
    for char in GSM_EXTENSION:
        assert len(codec().encode(char)[0]) == 2


@pytest.mark.parametrize("text", ["a" * 152 + "€" * 80, "流" * 66 + "😀" * 3, "流" * 67 * 2 + "😀"])
def test_neither_an_escape_nor_a_surrogate_pair_is_split(text: str) -> None:
    encoding = segments(text)[0]
    check_parts(text, *((160, 153) if encoding == "gsm7" else (140, 134)))


def check_parts(text: str, single: int, each: int) -> None:
    parts = sms.split(text, 7)
    assert len(parts) == segments(text)[1]
    read = ""
    for number, part in enumerate(parts, 1):
        body = part.short_message
        if len(parts) > 1:
            assert part.esm_class == 0x40
            assert body[:6] == bytes((5, 0, 3, 7, len(parts), number))
            body = body[6:]
        assert len(body) <= (single if len(parts) == 1 else each)
        read += text_of(part.data_coding, body)  # fails if a pair was split

    assert read == text


@pytest.mark.parametrize(
    ("text", "message_id", "state"),
    [
        (
            "id:42 sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 "
            "stat:DELIVRD err:000 text:Hello",
            "42",
            "delivered",
        ),
        ("stat:UNDELIV ERR:0a1 ID:42 Sub:001", "42", "failed"),
        ("ID:A1-b2 STAT:expired", "A1-b2", "expired"),
        ("id:42,stat:REJECTD,err:11", "42", "failed"),
        ("message_id=42;status=Delivered", "42", "delivered"),
        ("id: 42 stat: ACCEPTD", "42", "enroute"),
        ("stat:DELIVRD text:id:9 stat:DELETED id:42", "42", "delivered"),
        ("id:42 stat:DELIVRD err:000 Text:stat:EXPIRED id:7", "42", "delivered"),
        ("id:42 submit date:2601010000 done date:2601010001 stat:DELETED", "42", "failed"),
        ("id:42 sub:001 dlvrd:000 stat:UNDELIVRD err:001 text:", "42", "failed"),
        ("id:42 sub:001 dlvrd:000 stat:SKIPPED err:001 text:", "42", "failed"),
        ("id:42 sub:001 dlvrd:000 stat:EXPIRD err:001 text:", "42", "expired"),
        ("id:42 sub:001 dlvrd:000 stat:SENT err:000 text:", "42", "enroute"),
        ("id:42 sub:001 dlvrd:001 stat:DELIVRD\0", "42", "delivered"),
        ("\0id:42 sub:001 dlvrd:001 stat:DELIVRD err:000", "42", "delivered"),
        ("\r\nid:42\r\nstat:DELIVRD\r\nerr:000\r\n", "42", "delivered"),
        ('{"id":"42","stat":"DELIVRD","err":"000"}', "42", "delivered"),
        ("<dlr id='42' stat='UNDELIV'/>", "42", "failed"),
    ],
)
def test_receipt_texts_of_many_vendors(text: str, message_id: str, state: str) -> None:
    receipt = parse_receipt(RECEIPT, text.encode(), {})

    assert receipt is not None
    assert (receipt.message_id, receipt.state) == (message_id, state)


@pytest.mark.parametrize(
    ("code", "state"),
    [(1, "enroute"), (2, "delivered"), (3, "expired"), (4, "failed"), (5, "failed"), (8, "failed")],
)
def test_optional_parameters_alone_are_a_receipt(code: int, state: str) -> None:
    parameters = {0x1E: b"1A2B\0", 0x427: bytes((code,)), 0x423: b"\x03\x00\x1b"}
    receipt = parse_receipt(0, b"", parameters)

    assert receipt is not None
    assert (receipt.message_id, receipt.state, receipt.code) == ("1A2B", state, "\x03:27")


def test_optional_parameters_count_more_than_the_text() -> None:
    receipt = parse_receipt(RECEIPT, b"id:42 stat:ENROUTE err:5", {0x1E: b"43\0", 0x427: b"\2"})

    assert receipt is not None
    assert (receipt.message_id, receipt.state, receipt.code) == ("43", "delivered", "5")


def test_a_receipt_may_come_as_payload_or_in_ucs2() -> None:
    text = "id:42 stat:DELIVRD"
    assert parse_receipt(RECEIPT, b"", {0x424: text.encode()}) is not None
    for coded in (text.encode("utf-16-be"), text.encode("utf-16-le"), text.encode("utf-16")):
        assert parse_receipt(RECEIPT, coded, {}) is not None
    assert parse_receipt(RECEIPT, b"\xef\xbb\xbf" + text.encode(), {}) is not None


@pytest.mark.parametrize(
    ("esm_class", "header"),
    [(0x24, b""), (0x44, b"\5\0\3\7\2\1"), (0x44, b"\6\x08\4\1\7\2\1"), (0x84, b"")],
)
def test_a_receipt_may_have_other_bits_and_a_header(esm_class: int, header: bytes) -> None:
    found = parse_receipt(esm_class, header + b"id:42 stat:DELIVRD err:000", {})
    assert found == DeliveryReceipt("42", "delivered", "000")


@pytest.mark.parametrize("code", [b"\0", b"\x09", b"2", b""])
def test_a_state_that_is_not_of_the_standard_leaves_the_text_its_word(code: bytes) -> None:
    found = parse_receipt(RECEIPT, b"id:42 stat:DELIVRD", {0x427: code})
    assert found is not None
    assert found.state == "delivered"


def test_the_states_of_smpp_5_are_known() -> None:
    states = [parse_receipt(0, b"", {0x1E: b"42\0", 0x427: bytes([one])}) for one in (0, 9)]
    assert [one and one.state for one in states] == ["enroute", "failed"]


@pytest.mark.parametrize("text", ["", "hello", "id:42", "stat:DELIVRD", "id:42 stat:NONSENSE"])
def test_what_says_nothing_is_no_receipt(text: str) -> None:
    assert parse_receipt(RECEIPT, text.encode(), {}) is None


@pytest.mark.parametrize(
    ("text", "parameters", "reason"),
    [
        ("hello", {}, "it names no message"),
        ("id:42 stat:NONSENSE", {}, "its state is not known: NONSENSE"),
        ("id:42", {0x427: b"\x63"}, "its state is not known: 63"),
        ("", {0x1E: b"42"}, "its state is not known: none"),
    ],
)
def test_why_a_receipt_says_nothing_is_told(
    text: str, parameters: dict[int, bytes], reason: str
) -> None:
    assert parse_receipt(RECEIPT, text.encode(), parameters) is None
    assert missing_fact(RECEIPT, text.encode(), parameters) == reason


def test_a_message_from_a_subscriber_is_no_receipt() -> None:
    assert parse_receipt(0x00, b"id:42 stat:DELIVRD", {}) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0x58, ErrorClass.THROTTLED),
        (0x14, ErrorClass.THROTTLED),
        (0x08, ErrorClass.TRANSIENT),
        (0x45, ErrorClass.TRANSIENT),
        (0x0B, ErrorClass.PERMANENT),
        (0x0A, ErrorClass.PERMANENT),
        (0x401, ErrorClass.TRANSIENT),
        (0x0E, ErrorClass.TRANSIENT),
        (0x0F, ErrorClass.TRANSIENT),
        (0x53, ErrorClass.TRANSIENT),
        (0x101, ErrorClass.TRANSIENT),
    ],
)
def test_command_status_decides_what_happens_next(status: int, kind: ErrorClass) -> None:
    assert class_of(status) is kind
    assert name_of(status).startswith(("ESME_", "0x"))


@pytest.mark.parametrize(
    ("valid_ms", "period"),
    [
        (1, "000000000001000R"),
        (90_061_000, "000001010101000R"),
        (86_400_000 * 400, "000014000000000R"),
        (-5, "000000000001000R"),
    ],
)
def test_the_validity_period_is_relative(valid_ms: int, period: str) -> None:
    assert validity_period(valid_ms) == period


def test_a_reminder_has_the_same_reference_each_time() -> None:
    assert reference_of("a" * 32) == reference_of("a" * 32)
    assert len({reference_of(f"{n:032x}") for n in range(1000)}) > 200


def test_the_simulator_reads_what_the_library_writes() -> None:
    part = sms.split("流量提醒" * 40, 9)[1]
    data = smpp34.SubmitSm(
        "10086",
        "8613800000001",
        part.short_message,
        esm_class=part.esm_class,
        data_coding=part.data_coding,
        validity_period="000001000000000R",
        registered_delivery=1,
        tlvs=[smpp34.Tlv(0x204, b"\0\1")],
    ).encode()
    one = parse_submit(bytes(data)[16:])

    assert (one.source, one.destination) == ("10086", "8613800000001")
    assert (one.coding, one.validity, one.registered) == (8, "000001000000000R", 1)
    assert one.body == part.short_message
    assert one.tlvs == {0x204: b"\0\1"}
