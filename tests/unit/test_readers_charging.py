"""Charging records of TS 32.298 in BER, plain and in files of TS 32.297.

The records here are encoded twice: by the library, from definitions with the tags, order and
mandatory fields of the specification, and by hand, octet by octet.
"""

from __future__ import annotations

import io
from datetime import datetime
from random import Random
from typing import Any

import asn1tools
import pytest

from streamproc.contracts.records.codec import decode_event
from streamproc.core.state.events import UsageRecorded
from streamproc.producing.readers import BadRecord, LeftOut, ReadEvent, open_reader
from streamproc.producing.readers.charging_records import digits, instant, network, phone_number

# As TS 32.298 has them: SET and SEQUENCE, and fields that streamproc does not read in between.
SPECIFICATION = asn1tools.compile_string(
    """
Records DEFINITIONS IMPLICIT TAGS ::= BEGIN
Record ::= CHOICE {
    sgsnPDPRecord [20] SGSNPDPRecord, sgsnMMRecord [22] SGSNMMRecord, sGWRecord [78] PGWRecord,
    pGWRecord [79] PGWRecord, chargingFunctionRecord [200] ChargingRecord
}
IPAddress ::= CHOICE { iPBinV4Address [0] OCTET STRING, iPTextV4Address [2] IA5String }
PDPAddress ::= CHOICE { iPAddress [0] IPAddress }
Diagnostics ::= CHOICE { gsm0408Cause [0] INTEGER }
SGSNMMRecord ::= SET { recordType [0] INTEGER, servedIMSI [1] OCTET STRING }
SGSNPDPRecord ::= SET {
    recordType [0] INTEGER, servedIMSI [3] OCTET STRING OPTIONAL, chargingID [10] INTEGER,
    ggsnAddressUsed [11] IPAddress, listOfTrafficVolumes [15] SEQUENCE OF Change OPTIONAL,
    recordOpeningTime [16] OCTET STRING, duration [17] INTEGER, causeForRecClosing [19] INTEGER,
    servedMSISDN [27] OCTET STRING OPTIONAL, chargingCharacteristics [28] OCTET STRING
}
PGWRecord ::= SET {
    recordType [0] INTEGER, servedIMSI [3] OCTET STRING OPTIONAL, p-GWAddress [4] IPAddress,
    chargingID [5] INTEGER, servingNodeAddress [6] SEQUENCE OF IPAddress,
    accessPointNameNI [7] IA5String OPTIONAL, pdpPDNType [8] OCTET STRING OPTIONAL,
    servedPDPPDNAddress [9] PDPAddress OPTIONAL, dynamicAddressFlag [11] BOOLEAN OPTIONAL,
    listOfTrafficVolumes [12] SEQUENCE OF Change OPTIONAL, recordOpeningTime [13] OCTET STRING,
    duration [14] INTEGER, causeForRecClosing [15] INTEGER, diagnostics [16] Diagnostics OPTIONAL,
    recordSequenceNumber [17] INTEGER OPTIONAL, nodeID [18] IA5String OPTIONAL,
    localSequenceNumber [20] INTEGER OPTIONAL, apnSelectionMode [21] ENUMERATED { a(0) } OPTIONAL,
    servedMSISDN [22] OCTET STRING OPTIONAL, chargingCharacteristics [23] OCTET STRING,
    servingNodePLMNIdentifier [27] OCTET STRING OPTIONAL, rATType [30] INTEGER OPTIONAL,
    listOfServiceData [34] SEQUENCE OF Service OPTIONAL,
    servingNodeType [35] SEQUENCE OF ENUMERATED { sGSN(0), gTPSGW(2) },
    vendorsOwn [250] SEQUENCE { x [0] INTEGER } OPTIONAL
}
Change ::= SEQUENCE {
    qosNegotiated [2] OCTET STRING OPTIONAL, dataVolumeGPRSUplink [3] INTEGER OPTIONAL,
    dataVolumeGPRSDownlink [4] INTEGER OPTIONAL, changeCondition [5] ENUMERATED { q(0), close(2) },
    changeTime [6] OCTET STRING, userLocationInformation [8] OCTET STRING OPTIONAL,
    ePCQoSInformation [9] SEQUENCE { qCI [1] INTEGER } OPTIONAL
}
Service ::= SEQUENCE {
    ratingGroup [1] INTEGER, chargingRuleBaseName [2] IA5String OPTIONAL,
    localSequenceNumber [4] INTEGER OPTIONAL, timeOfFirstUsage [5] OCTET STRING OPTIONAL,
    timeOfLastUsage [6] OCTET STRING OPTIONAL, serviceConditionChange [8] BIT STRING,
    datavolumeFBCUplink [12] INTEGER OPTIONAL, datavolumeFBCDownlink [13] INTEGER OPTIONAL,
    timeOfReport [14] OCTET STRING, serviceIdentifier [17] INTEGER OPTIONAL
}
ChargingRecord ::= SET {
    recordType [0] INTEGER, recordingNetworkFunctionID [1] IA5String,
    subscriberIdentifier [2] SET { type [0] ENUMERATED { e164(0), imsi(1) }, data [1] UTF8String },
    nFunctionConsumerInformation [3] SEQUENCE { networkFunctionality [0] ENUMERATED { sMF(1) } },
    listOfMultipleUnitUsage [5] SEQUENCE OF Unit OPTIONAL, recordOpeningTime [6] OCTET STRING,
    duration [7] INTEGER, recordSequenceNumber [8] INTEGER OPTIONAL,
    causeForRecClosing [9] INTEGER, localRecordSequenceNumber [11] INTEGER OPTIONAL,
    pDUSessionChargingInformation [13] SET {
        pDUSessionChargingID [0] INTEGER, userIdentifier [1] Party OPTIONAL,
        pDUSessionId [6] INTEGER, servingCNPLMNID [27] OCTET STRING OPTIONAL
    }
}
Party ::= CHOICE { sIP-URI [0] GraphicString, tEL-URI [1] GraphicString, iSDN-E164 [3] IA5String }
Unit ::= SEQUENCE {
    ratingGroup [0] INTEGER, usedUnitContainers [1] SEQUENCE OF Used OPTIONAL
}
Used ::= SEQUENCE {
    serviceIdentifier [0] INTEGER OPTIONAL, triggers [2] SEQUENCE OF OCTET STRING OPTIONAL,
    triggerTimeStamp [3] OCTET STRING OPTIONAL, dataTotalVolume [4] INTEGER OPTIONAL,
    dataVolumeUplink [5] INTEGER OPTIONAL, dataVolumeDownlink [6] INTEGER OPTIONAL,
    localSequenceNumber [9] INTEGER OPTIONAL
}
END
""",
    "ber",
)
OPENED = bytes.fromhex("260105160000") + b"+" + bytes.fromhex("0800")
LATER = bytes.fromhex("260105163000") + b"+" + bytes.fromhex("0800")
LAST = bytes.fromhex("260105171500") + b"+" + bytes.fromhex("0800")


def packed(number: str) -> bytes:
    """An international number as a served MSISDN."""
    filled = number + "f" * (len(number) % 2)
    pairs = zip(filled[::2], filled[1::2], strict=True)
    return b"\x91" + bytes.fromhex("".join(high + low for low, high in pairs))


def pgw(**changes: Any) -> dict[str, Any]:
    """A record of a P-GW with volumes of the bearer."""
    volumes = [
        {
            "dataVolumeGPRSUplink": 1000,
            "dataVolumeGPRSDownlink": 5_000_000_000,
            "changeCondition": "q",
            "changeTime": LATER,
            "userLocationInformation": bytes.fromhex("1863f810104b"),
            "ePCQoSInformation": {"qCI": 9},
        },
        {
            "dataVolumeGPRSUplink": 0,
            "dataVolumeGPRSDownlink": 7,
            "changeCondition": "close",
            "changeTime": LAST,
        },
    ]
    record = {
        "recordType": 85,
        "servedIMSI": bytes.fromhex("64000021436587f9"),
        "p-GWAddress": ("iPBinV4Address", bytes([192, 0, 2, 1])),
        "chargingID": 1513132479,
        "servingNodeAddress": [("iPBinV4Address", bytes([192, 0, 2, 2]))],
        "accessPointNameNI": "internet",
        "servedPDPPDNAddress": ("iPAddress", ("iPBinV4Address", bytes([10, 0, 0, 1]))),
        "dynamicAddressFlag": True,
        "listOfTrafficVolumes": volumes,
        "recordOpeningTime": OPENED,
        "duration": 4500,
        "causeForRecClosing": 0,
        "recordSequenceNumber": 5,
        "nodeID": "pgw-1",
        "localSequenceNumber": 193416080,
        "servedMSISDN": packed("8613800000001"),
        "chargingCharacteristics": b"\x04\x00",
        "servingNodePLMNIdentifier": bytes.fromhex("64f000"),
        "rATType": 6,
        "servingNodeType": ["gTPSGW"],
        "vendorsOwn": {"x": 1},
        **changes,
    }
    return {name: value for name, value in record.items() if value is not ...}


SERVICES = [
    {
        "ratingGroup": group,
        "chargingRuleBaseName": "base",
        "timeOfFirstUsage": OPENED,
        "timeOfLastUsage": LATER,
        "serviceConditionChange": (b"\x80", 1),
        "datavolumeFBCUplink": up,
        "datavolumeFBCDownlink": down,
        "timeOfReport": LAST,
        "serviceIdentifier": 3,
    }
    for group, up, down in ((10, 100, 200), (20, 0, 4_294_967_296), (30, 0, 0))
]
FUNCTION = {
    "recordType": 200,
    "recordingNetworkFunctionID": "chf-1",
    "subscriberIdentifier": {"type": "imsi", "data": "460000123456789"},
    "nFunctionConsumerInformation": {"networkFunctionality": "sMF"},
    "listOfMultipleUnitUsage": [
        {
            "ratingGroup": 10,
            "usedUnitContainers": [
                {"triggerTimeStamp": LATER, "dataVolumeUplink": 1, "dataVolumeDownlink": 2},
                {"triggerTimeStamp": LAST, "dataTotalVolume": 9000, "localSequenceNumber": 2},
            ],
        },
        {"ratingGroup": 20},
    ],
    "recordOpeningTime": OPENED,
    "duration": 60,
    "recordSequenceNumber": 1,
    "causeForRecClosing": 0,
    "pDUSessionChargingInformation": {
        "pDUSessionChargingID": 77,
        "userIdentifier": ("tEL-URI", "tel:+86-138-0000-0001"),
        "pDUSessionId": 5,
        "servingCNPLMNID": bytes.fromhex("64f000"),
    },
}


def encoded(kind: str, record: dict[str, Any]) -> bytes:
    return bytes(SPECIFICATION.encode("Record", (kind, record)))


def read(content: bytes) -> list[Any]:
    """Events, and what is none."""
    found = open_reader("3gpp-cdr")(io.BytesIO(content), "f")
    return [
        decode_event(one.value, one.key) if isinstance(one, ReadEvent) else one for one in found
    ]


def framed(*records: bytes, count: int | None = None, lost: int = 0, release: int = 6) -> bytes:
    """A file of TS 32.297 (6.1), with the extension of the release where it is needed."""
    extension = b"\x07" if release == 7 else b""
    bodies = b"".join(
        len(one).to_bytes(2) + bytes([release << 5 | 2, 1 << 5 | 7]) + extension + one
        for one in records
    )
    fixed = (
        bytes([release << 5, release << 5])
        + bytes(8)
        + (len(records) if count is None else count).to_bytes(4)
        + (1).to_bytes(4)
        + bytes([0])
        + bytes(20)
        + bytes([lost])
        + b"\x00\x02ab"
        + b"\x00\x01c"
        + extension * 2
    )
    length = 8 + len(fixed)
    return (length + len(bodies)).to_bytes(4) + length.to_bytes(4) + fixed + bodies


def test_volumes_of_a_bearer_are_one_event_each() -> None:
    first, second = read(encoded("pGWRecord", pgw()))

    assert (first.subscriber, first.source) == ("8613800000001", "3gpp-cdr")
    assert (first.uplink_bytes, first.downlink_bytes) == (1000, 5_000_000_000)
    assert first.time == datetime.fromisoformat("2026-01-05T16:30:00+08:00")
    assert first.id == "pGWRecord/pgw-1/1513132479//2026-01-05T16:00:00+08:00/5/1"
    assert (second.uplink_bytes, second.downlink_bytes) == (0, 7)
    assert second.id.endswith("/5/2")
    assert second.time == datetime.fromisoformat("2026-01-05T17:15:00+08:00")


def test_partial_records_have_ids_of_their_own() -> None:
    content = b"".join(encoded("pGWRecord", pgw(recordSequenceNumber=one)) for one in (1, 2, 3))

    assert len({one.id for one in read(content)}) == 6


def test_service_data_count_by_rating_group_instead_of_the_bearer() -> None:
    first, second = read(encoded("pGWRecord", pgw(listOfServiceData=SERVICES)))

    assert (first.rating_group, first.uplink_bytes, first.downlink_bytes) == (10, 100, 200)
    assert (second.rating_group, second.used_bytes) == (20, 2**32)
    assert second.time == datetime.fromisoformat("2026-01-05T16:30:00+08:00")


def test_a_charging_function_says_what_it_knows_directions_or_a_total() -> None:
    first, second = read(encoded("chargingFunctionRecord", FUNCTION))

    assert first.subscriber == second.subscriber == "8613800000001"
    assert (first.rating_group, first.uplink_bytes, first.downlink_bytes) == (10, 1, 2)
    assert second.total_bytes == 9000
    assert second.id == "chargingFunctionRecord/chf-1//77/2026-01-05T16:00:00+08:00/1/2"


def test_records_of_other_nodes_and_kinds_are_left_out_and_can_be_taken(tmp_path: Any) -> None:
    sgsn = {
        "recordType": 18,
        "chargingID": 7,
        "ggsnAddressUsed": ("iPTextV4Address", "192.0.2.1"),
        "listOfTrafficVolumes": pgw()["listOfTrafficVolumes"][:1],
        "recordOpeningTime": OPENED,
        "duration": 1,
        "causeForRecClosing": 0,
        "servedMSISDN": packed("8613800000001"),
        "chargingCharacteristics": b"\x08\x00",
    }
    moved = {"recordType": 76, "servedIMSI": b"\x64"}
    content = (
        encoded("sgsnPDPRecord", sgsn)
        + encoded("sgsnMMRecord", moved)
        + encoded("sGWRecord", pgw())
        + encoded("pGWRecord", pgw(listOfTrafficVolumes=...))
    )

    assert read(content) == [LeftOut(1), LeftOut(2), LeftOut(3), LeftOut(3), LeftOut(4)]
    path = tmp_path / "m.yaml"
    path.write_text(
        "source: sgsn\nonly: [{column: record, values: [sgsnPDPRecord]}]\nfields:\n"
        "  subscriber: {column: servedMSISDN}\n  time: {column: changeTime}\n"
        "  uplink_bytes: {column: uplink}\n  downlink_bytes: {column: downlink}\n"
    )
    found = list(open_reader("3gpp-cdr", path)(io.BytesIO(content), "f"))
    assert [one.line for one in found if isinstance(one, ReadEvent)] == [1]


def test_events_of_one_record_have_different_ids_without_an_id_in_the_mapping(
    tmp_path: Any,
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        "source: p\nfields:\n  subscriber: {column: servedMSISDN}\n  time: {column: changeTime}\n"
        "  uplink_bytes: {column: uplink}\n  downlink_bytes: {column: downlink}\n"
    )
    found: Any = open_reader("3gpp-cdr", path)(io.BytesIO(encoded("pGWRecord", pgw())), "f")

    assert [decode_event(one.value, one.key).id for one in found] == ["f-1", "f-1-1"]


@pytest.mark.parametrize("release", [6, 7])
def test_files_with_headers(release: int) -> None:
    one = encoded("pGWRecord", pgw())

    assert len(read(framed(one, one, release=release))) == 4
    assert read(framed(one, release=release)) == read(one)


def test_what_a_header_says_is_missing_is_told() -> None:
    one = encoded("pGWRecord", pgw())

    *events, wrong = read(framed(one, one, count=3))
    assert len(events) == 4
    assert wrong == BadRecord(2, "is the last; the file's header says 3 records")
    assert read(framed(one, lost=130))[-1] == BadRecord(
        1, "comes after lost ones: the file's header says 2 were lost"
    )
    other = framed(one).replace(bytes([6 << 5 | 2, 1 << 5 | 7]), bytes([6 << 5 | 2, 2 << 5 | 7]))
    assert read(other) == [BadRecord(1, "is not encoded in BER")]


def test_two_records_behind_one_header_are_told() -> None:
    record = encoded("pGWRecord", pgw())
    bad, *good = read(framed(record + record, record))
    assert (bad.line, bad.reason) == (1, "has further bytes behind it that its header counts to it")
    assert len(good) == 2
    assert len(read(framed(record + bytes(3)))) == 2, "padding is none"


def test_a_list_that_comes_twice_is_told() -> None:
    """The second one would replace the first, and its bytes would be lost."""
    record = encoded("pGWRecord", pgw())
    assert record[:3] == bytes.fromhex("bf4f81")
    volumes = record[record.index(b"\xac") :]
    volumes = volumes[: 2 + volumes[1]]
    content = record[4:] + volumes
    (bad,) = read(bytes.fromhex("bf4f82") + len(content).to_bytes(2) + content)
    assert bad.reason == "has a field twice"


def test_octets_between_records_are_told_and_not_taken_for_records() -> None:
    record = encoded("pGWRecord", pgw())
    *good, bad = read(record + b"\x12\x34\x56" + record)
    assert len(good) == 2
    assert (bad.line, bad.reason[:22]) == (2, "is no record in BER, o")


def test_padding_between_records_is_passed_over() -> None:
    one = encoded("pGWRecord", pgw())

    assert len(read(one + bytes(100) + one + b"\xff" * 9)) == 4


def test_damage_is_told_and_the_records_before_it_are_kept() -> None:
    one = encoded("pGWRecord", pgw())
    cut = read(one + one[:-5])

    assert len(cut) == 3
    assert cut[2] == BadRecord(
        2, "is no record in BER, or cut off; the rest of the file is not read"
    )
    assert read(b"msisdn;bytes\n8613800000001;5\n")[-1].reason.startswith("is no record in BER")
    assert read(encoded("pGWRecord", pgw(recordOpeningTime=b"123456789"))) == [
        BadRecord(1, "has an impossible time")
    ]
    assert read(encoded("pGWRecord", pgw(servedMSISDN=b"\x91\xab"))) == [
        BadRecord(1, "has a number with other signs than digits")
    ]
    assert [one.reason for one in read(encoded("pGWRecord", pgw(servedMSISDN=...)))] == [
        "subscriber: is missing"
    ] * 2
    broken = bytearray(one)
    broken[broken.index(b"internet") - 1] = 0x7F
    assert read(bytes(broken)) == [BadRecord(1, "cannot be decoded as a record of TS 32.298")]


@pytest.mark.parametrize("seed", range(60))
def test_no_octets_whatever_end_the_reading(seed: int) -> None:
    random = Random(seed)
    content = bytearray(encoded("pGWRecord", pgw(listOfServiceData=SERVICES)))
    for _ in range(random.randint(1, 4)):
        content[random.randrange(len(content))] = random.randrange(256)

    for one in read(bytes(content)):
        assert isinstance(one, UsageRecorded | BadRecord | LeftOut)


def tlv(tag: str, content: bytes) -> bytes:
    """A tag and its content, with a length of the definite form."""
    length = len(content)
    size = bytes([length]) if length < 128 else bytes([0x82]) + length.to_bytes(2)
    return bytes.fromhex(tag) + size + content


def test_a_record_that_was_written_by_hand() -> None:
    service = tlv(
        "30",
        tlv("81", b"\x0a")
        + tlv("86", LATER)
        + tlv("88", b"\x00\x80")
        + tlv("8c", b"\x01\x2c")
        + tlv("8d", b"\x00\xff\xff\xff\xff")
        + tlv("8e", LAST)
        + tlv("bf7f", b"\x80\x01\x00"),  # a field of a vendor
    )
    record = tlv(
        "bf4f",
        tlv("80", b"\x55")
        + tlv("bf8100", b"\x80\x01\x07")  # another one, before what is read
        + tlv("9f1b", bytes.fromhex("64f000"))
        + tlv("96", bytes.fromhex("91 68 31 08 00 00 00 f1"))
        + tlv("8d", OPENED)
        + tlv("85", b"\x5a\x30\xa5\x7f")
        + tlv("bf22", service),
    )

    (event,) = read(record)

    assert (event.subscriber, event.rating_group) == ("8613800000001", 10)
    assert (event.uplink_bytes, event.downlink_bytes) == (300, 0xFFFFFFFF)


def test_a_record_of_indefinite_length() -> None:
    one = encoded("pGWRecord", pgw())
    assert one[:3].hex() == "bf4f81"
    indefinite = bytes.fromhex("bf4f80") + one[4:] + bytes(2)

    assert read(indefinite + indefinite) == read(one) * 2


def test_octets_as_a_published_record_of_a_gateway_has_them() -> None:
    # Decoded values of a Huawei PGW-CDR, as github.com publishes them in a decoder's README.
    assert phone_number(b"5\x05W\x94\x97") == "5350754979"
    assert digits(b"c\x08\x11\x11\x12v\x00\xf4") == "368011112167004"
    assert instant(b"%\x03\x11\x10S7-\x04\x00") == "2025-03-11T10:53:37-04:00"
    assert network(b"c\xf8\x10") == "36801"


@pytest.mark.parametrize(
    ("octets", "number"),
    [
        ("91 68 31 08 00 00 00 f1", "+8613800000001"),  # international
        ("a1 31 08 00 00 00 f1", "13800000001"),  # national
        ("81 31 08 00 00 00 f1", "13800000001"),  # unknown
        ("68 31 08 00 00 00 f1", "8613800000001"),  # without the first octet
        ("", ""),
    ],
)
def test_numbers_say_whether_they_have_a_country_code(octets: str, number: str) -> None:
    assert phone_number(bytes.fromhex(octets)) == number


def test_a_network_of_three_digits() -> None:
    assert network(bytes.fromhex("130062")) == "310260"
