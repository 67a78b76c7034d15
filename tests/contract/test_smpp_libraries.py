"""What the SMPP gateway takes for granted of ``smpp34`` and ``gsm0338`` (docs/hooks.md)."""

from __future__ import annotations

from importlib.metadata import version

import gsm0338
import pytest
import smpp34
from gsm0338 import charset

from streamproc.dispatch.smpp import pdu
from tests.support.smsc_wire import GSM_BASIC, GSM_EXTENDED, parse_submit

DELIVER = smpp34.DeliverSm(
    "8613800000001",
    "10086",
    b"hello",
    source_addr_ton=1,
    esm_class=4,
    tlvs=[smpp34.Tlv(0x1E, b"7\0")],
)


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("smpp34") == "1.5.0"


def test_a_submit_is_encoded_whole_with_all_that_we_set() -> None:
    data = bytes(
        smpp34.SubmitSm(
            "10086",
            "8613800000001",
            b"\5\0\3\7\2\1x",
            source_addr_ton=0,
            source_addr_npi=1,
            dest_addr_ton=1,
            dest_addr_npi=1,
            esm_class=0x40,
            validity_period="000001000000000R",
            registered_delivery=1,
            data_coding=8,
            sequence_number=0x7FFFFFFF,
            tlvs=[smpp34.Tlv(0x020C, b"\1\2")],
        ).encode()
    )
    length, command, status, sequence = pdu.header(data[: pdu.HEADER_BYTES])
    one = parse_submit(data[pdu.HEADER_BYTES :])
    assert (length, command, status, sequence) == (len(data), 4, 0, 0x7FFFFFFF)
    assert (one.source, one.destination, one.esm_class) == ("10086", "8613800000001", 0x40)
    assert (one.body, one.coding, one.tlvs) == (b"\5\0\3\7\2\1x", 8, {0x020C: b"\1\2"})


def test_a_deliver_sm_is_decoded_and_nothing_else_is_taken_for_one() -> None:
    read = smpp34.decode(bytes(DELIVER.encode()))
    assert isinstance(read, smpp34.DeliverSm)
    assert (read.source_addr, read.source_addr_ton, read.destination_addr) == (
        *("8613800000001", 1),
        "10086",
    )
    assert (read.esm_class, read.data_coding, bytes(read.short_message)) == (4, 0, b"hello")
    assert [(one.tag, bytes(one.value)) for one in read.tlvs] == [(0x1E, b"7\0")]
    data_sm = smpp34.decode(pdu.encode(pdu.DATA_SM, 1, b"\0"))
    assert not isinstance(data_sm, smpp34.DeliverSm)


def test_what_is_cut_short_raises_the_librarys_error() -> None:
    whole = bytes(DELIVER.encode())
    for data in (whole[:-3], whole[:20], whole + b"\0"):
        with pytest.raises(smpp34.SmppError):
            smpp34.decode(data)


def test_the_codec_takes_tables_of_names_and_its_own_are_those_of_the_specification() -> None:
    codec = gsm0338.Codec(charset.BASIC_CHARACTER_SET, charset.BASIC_CHARACTER_SET_EXTENSION)
    for code, char in enumerate(GSM_BASIC):
        if char != "\x1b":
            assert codec.decode(bytes((code,)), "strict") == (char, 1)
            assert codec.encode(char) == (bytes((code,)), 1)
    for code, char in GSM_EXTENDED.items():
        assert codec.decode(bytes((0x1B, code)), "strict")[0] == char
    spanish = gsm0338.SINGLE_SHIFT_CHARACTER_SET_SPANISH
    assert gsm0338.Codec(charset.BASIC_CHARACTER_SET, spanish).encode("á")[0] == b"\x1ba"


def test_the_codec_says_what_it_cannot_write_or_read() -> None:
    codec = gsm0338.Codec(charset.BASIC_CHARACTER_SET, charset.BASIC_CHARACTER_SET_EXTENSION)
    with pytest.raises(UnicodeEncodeError):
        codec.encode("流")
    with pytest.raises(UnicodeDecodeError):
        codec.decode(b"\xff", "strict")
    assert codec.decode(b"\x1bA", "replace")[0] == "\ufffd"
