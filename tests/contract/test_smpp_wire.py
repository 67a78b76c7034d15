"""Bytes of SMPP 3.4 that other implementations wrote, frozen: for whatever writes and reads ours.

``WIKIPEDIA`` is the example of the article "Short Message Peer-to-Peer". The npm package ``smpp``
0.5.1 and the Java library jSMPP (``org.jsmpp:jsmpp`` 3.0.2) write all messages here byte for byte
the same, for the fields beside them. ``SESSION`` and ``DATA`` are what jSMPP writes.
"""

from __future__ import annotations

import struct

import pytest

from streamproc.contracts.numbers import Address
from streamproc.dispatch.smpp import pdu
from streamproc.dispatch.smpp.inbound import read, text_of
from streamproc.dispatch.smpp.pdus import (
    MessageError,
    ShortMessage,
    decode_deliver,
    encode_submit,
)

OURS, THEIRS = Address(0, 1, "10086"), Address(1, 1, "8613800000001")

WIKIPEDIA = (
    "0000003c000000040000000000000005000208353535000101353535353535353535"
    "000000000000000003000f48656c6c6f2077696b697065646961"
)
SUBMITS = {
    "an alphanumeric sender, a validity and a receipt": (
        ShortMessage(
            Address(5, 0, "ACME"),
            THEIRS,
            b"hello",
            validity_period="000001000000000R",
            registered_delivery=1,
        ),
        7,
        "0000004700000004000000000000000700050041434d4500010138363133383030303030303031000000"
        "00003030303030313030303030303030305200010000000568656c6c6f",
    ),
    "a part with a header, UCS-2, the largest sequence": (
        ShortMessage(
            OURS,
            THEIRS,
            bytes.fromhex("0500030702016d41"),
            esm_class=0x40,
            data_coding=8,
            registered_delivery=1,
        ),
        0x7FFFFFFF,
        "0000003b00000004000000007fffffff0000013130303836000101383631333830303030303030310040"
        "0000000001000800080500030702016d41",
    ),
    "a text as message_payload": (
        ShortMessage(
            OURS,
            THEIRS,
            b"",
            registered_delivery=1,
            parameters={0x0424: b"a long text"},
        ),
        3,
        "000000420000000400000000000000030000013130303836000101383631333830303030303030310000"
        "0000000001000000000424000b61206c6f6e672074657874",
    ),
    "parts joined by sar": (
        ShortMessage(
            OURS,
            THEIRS,
            b"x",
            registered_delivery=1,
            parameters={0x020C: b"\2\3", 0x020E: b"\2", 0x020F: b"\1"},
        ),
        4,
        "000000440000000400000000000000040000013130303836000101383631333830303030303030310000"
        "00000000010000000178020c00020203020e000102020f000101",
    ),
    "the example of Wikipedia": (
        ShortMessage(
            Address(2, 8, "555"), Address(1, 1, "555555555"), b"Hello wikipedia", data_coding=3
        ),
        5,
        WIKIPEDIA,
    ),
}
RECEIPT = (
    b"id:7 sub:001 dlvrd:001 submit date:2611300800 done date:2611300801 stat:DELIVRD err:000 "
    b"text:hello"
)
DELIVERS = {
    "a receipt": (
        "000000a00000000500000000000000090001013836313338303030303030303100000131303038360004"
        "00000000000000006269643a37207375623a30303120646c7672643a303031207375626d697420646174"
        "653a3236313133303038303020646f6e6520646174653a3236313133303038303120737461743a44454c"
        "49565244206572723a30303020746578743a68656c6c6f001e000237000427000102",
        ShortMessage(THEIRS, OURS, RECEIPT, esm_class=4, parameters={0x1E: b"7\0", 0x0427: b"\2"}),
    ),
    "an SMS in UCS-2, with a service type": (
        "0000003700000005000000000000000a434d540001013334363030303030303031000300323232320000"
        "00000000000008000490008ba2",
        ShortMessage(
            Address(1, 1, "34600000001"),
            Address(3, 0, "2222"),
            "退订".encode("utf-16-be"),
            data_coding=8,
        ),
    ),
}


SESSION = {
    "bind_transceiver": (
        pdu.encode(pdu.BIND_TRANSCEIVER, 1, pdu.bind_body("streamproc", "secret12", "sms")),
        "0000002c00000009000000000000000173747265616d70726f6300736563726574313200736d730034000000",
    ),
    "enquire_link": (pdu.encode(pdu.ENQUIRE_LINK, 12), "0000001000000015000000000000000c"),
    "its answer": (
        pdu.encode(pdu.ENQUIRE_LINK | pdu.RESPONSE, 12),
        "0000001080000015000000000000000c",
    ),
    "unbind": (pdu.encode(pdu.UNBIND, 13), "0000001000000006000000000000000d"),
    "its answer, too": (
        pdu.encode(pdu.UNBIND | pdu.RESPONSE, 13),
        "0000001080000006000000000000000d",
    ),
    "generic_nack": (
        pdu.encode(pdu.GENERIC_NACK, 14, status=pdu.INVALID_COMMAND),
        "0000001080000000000000030000000e",
    ),
    "the answer to a deliver_sm": (
        pdu.encode(pdu.DELIVER_SM | pdu.RESPONSE, 15, b"\0", pdu.TRY_AGAIN),
        "0000001180000005000000640000000f00",
    ),
    "the answer to a data_sm": (
        pdu.encode(pdu.DATA_SM | pdu.RESPONSE, 16, b"\0"),
        "0000001180000103000000000000001000",
    ),
}
DATA = (
    "0000004200000103000000000000000b00010133343630303030303030310000013130303836000000080424"
    "000490008ba2020c00020203020e000102020f000101"
)


@pytest.mark.parametrize("case", SESSION)
def test_a_pdu_of_the_session_is_written_as_others_write_it(case: str) -> None:
    ours, theirs = SESSION[case]
    assert ours.hex() == theirs
    length, _, _, _ = pdu.header(ours[: pdu.HEADER_BYTES])
    assert length == len(ours)


def test_a_data_sm_and_the_answer_to_a_submit_of_others_are_read() -> None:
    found = read(bytes.fromhex(DATA))
    assert (found.source, found.destination) == (Address(1, 1, "34600000001"), OURS)
    assert text_of(found, "gsm").text == "退订"
    assert pdu.message_id(bytes.fromhex("306131422d373700")) == "0a1B-77"


@pytest.mark.parametrize("case", SUBMITS)
def test_a_submit_is_written_as_others_write_it(case: str) -> None:
    message, sequence, wire = SUBMITS[case]
    assert encode_submit(message, sequence).hex() == wire


@pytest.mark.parametrize("case", DELIVERS)
def test_a_deliver_of_others_is_read(case: str) -> None:
    wire, message = DELIVERS[case]
    assert decode_deliver(bytes.fromhex(wire)) == message


@pytest.mark.parametrize("case", DELIVERS)
def test_a_deliver_that_is_cut_off_is_refused(case: str) -> None:
    wire, message = DELIVERS[case]
    whole = bytes.fromhex(wire)
    # The library passes over optional parameters that are cut off.
    optional = sum(4 + len(value) for value in message.parameters.values())
    for end in range(16, len(whole) - optional):
        with pytest.raises(MessageError):
            decode_deliver(struct.pack(">I", end) + whole[4:end])


def test_what_is_no_deliver_is_refused() -> None:
    with pytest.raises(MessageError):
        decode_deliver(bytes.fromhex(WIKIPEDIA))


@pytest.mark.parametrize(
    "message",
    [
        ShortMessage(OURS, THEIRS, b"x" * 300),
        ShortMessage(OURS, Address(1, 1, "8" * 30), b"x"),
        ShortMessage(OURS, THEIRS, b"x", data_coding=300),
    ],
)
def test_what_smpp_has_no_room_for_is_refused(message: ShortMessage) -> None:
    with pytest.raises(MessageError):
        encode_submit(message, 1)
