"""Charging records of 3GPP (TS 32.298), encoded in BER: one table for each container of bytes.

Records follow one another directly, or are in a file of TS 32.297 with headers of its own. Only the
fields below are read. Each SET and SEQUENCE is read as a sequence of tagged fields, and unknown
fields are skipped: releases and vendors add fields, and a complete schema would stop at the first
field that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, BinaryIO, Final, NamedTuple

import asn1tools

from streamproc.errors import StreamprocError
from streamproc.producing.readers.record_results import UnreadableFileError

Columns = dict[str, str]

MODULE: Final = """
Charging DEFINITIONS IMPLICIT TAGS ::= BEGIN
Record ::= CHOICE {
    sgsnPDPRecord [20] SEQUENCE OF SgsnField,
    ggsnPDPRecord [21] SEQUENCE OF Strict,
    egsnPDPRecord [70] SEQUENCE OF Strict,
    sGWRecord [78] SEQUENCE OF ServingField,
    pGWRecord [79] SEQUENCE OF Strict,
    chargingFunctionRecord [200] SEQUENCE OF FunctionField,
    ...
}
SgsnField ::= CHOICE {
    recordType [0] INTEGER,
    servedIMSI [3] OCTET STRING,
    chargingID [10] INTEGER,
    accessPointNameNI [12] OCTET STRING,
    listOfTrafficVolumes [15] SEQUENCE OF Traffic,
    recordOpeningTime [16] OCTET STRING,
    duration [17] INTEGER,
    causeForRecClosing [19] INTEGER,
    recordSequenceNumber [21] INTEGER,
    nodeID [22] OCTET STRING,
    localSequenceNumber [24] INTEGER,
    servedMSISDN [27] OCTET STRING,
    rATType [29] INTEGER,
    servingNodePLMNIdentifier [38] OCTET STRING,
    ...
}
ServingField ::= CHOICE {
    recordType [0] INTEGER,
    servedIMSI [3] OCTET STRING,
    chargingID [5] INTEGER,
    accessPointNameNI [7] OCTET STRING,
    listOfTrafficVolumes [12] SEQUENCE OF Traffic,
    recordOpeningTime [13] OCTET STRING,
    duration [14] INTEGER,
    causeForRecClosing [15] INTEGER,
    recordSequenceNumber [17] INTEGER,
    nodeID [18] OCTET STRING,
    localSequenceNumber [20] INTEGER,
    servedMSISDN [22] OCTET STRING,
    servingNodePLMNIdentifier [27] OCTET STRING,
    rATType [30] INTEGER,
    ...
}
Strict ::= CHOICE {
    recordType [0] INTEGER,
    servedIMSI [3] OCTET STRING,
    chargingID [5] INTEGER,
    accessPointNameNI [7] OCTET STRING,
    listOfTrafficVolumes [12] SEQUENCE OF Traffic,
    recordOpeningTime [13] OCTET STRING,
    duration [14] INTEGER,
    causeForRecClosing [15] INTEGER,
    recordSequenceNumber [17] INTEGER,
    nodeID [18] OCTET STRING,
    localSequenceNumber [20] INTEGER,
    servedMSISDN [22] OCTET STRING,
    servingNodePLMNIdentifier [27] OCTET STRING,
    rATType [30] INTEGER,
    listOfServiceData [34] SEQUENCE OF Service,
    ...
}
Traffic ::= SEQUENCE OF TrafficField
TrafficField ::= CHOICE {
    uplink [3] INTEGER,
    downlink [4] INTEGER,
    changeTime [6] OCTET STRING,
    ...
}
Service ::= SEQUENCE OF ServiceField
ServiceField ::= CHOICE {
    ratingGroup [1] INTEGER,
    containerNumber [4] INTEGER,
    timeOfFirstUsage [5] OCTET STRING,
    timeOfLastUsage [6] OCTET STRING,
    uplink [12] INTEGER,
    downlink [13] INTEGER,
    timeOfReport [14] OCTET STRING,
    serviceIdentifier [17] INTEGER,
    ...
}
FunctionField ::= CHOICE {
    recordType [0] INTEGER,
    nodeID [1] OCTET STRING,
    subscriberIdentifier [2] SEQUENCE OF SubscriptionField,
    listOfMultipleUnitUsage [5] SEQUENCE OF Unit,
    recordOpeningTime [6] OCTET STRING,
    duration [7] INTEGER,
    recordSequenceNumber [8] INTEGER,
    causeForRecClosing [9] INTEGER,
    localSequenceNumber [11] INTEGER,
    pDUSession [13] SEQUENCE OF SessionField,
    chargingSessionIdentifier [16] OCTET STRING,
    chargingID [27] INTEGER,
    ...
}
SubscriptionField ::= CHOICE {
    subscriptionIDType [0] INTEGER,
    subscriptionIDData [1] OCTET STRING,
    ...
}
SessionField ::= CHOICE {
    pDUSessionChargingID [0] INTEGER,
    userIdentifier [1] Party,
    rATType [12] INTEGER,
    dataNetworkNameIdentifier [13] OCTET STRING,
    servingNodePLMNIdentifier [27] OCTET STRING,
    ...
}
Party ::= CHOICE {
    sIP-URI [0] OCTET STRING,
    tEL-URI [1] OCTET STRING,
    uRN [2] OCTET STRING,
    iSDN-E164 [3] OCTET STRING,
    externalId [4] OCTET STRING,
    ...
}
Unit ::= SEQUENCE OF UnitField
UnitField ::= CHOICE {
    ratingGroup [0] INTEGER,
    usedUnitContainers [1] SEQUENCE OF Used,
    ...
}
Used ::= SEQUENCE OF UsedField
UsedField ::= CHOICE {
    serviceIdentifier [0] INTEGER,
    triggerTimeStamp [3] OCTET STRING,
    total [4] INTEGER,
    uplink [5] INTEGER,
    downlink [6] INTEGER,
    containerNumber [9] INTEGER,
    ...
}
END
"""
"""The fields that are read, by the tags of TS 32.298 (release 17)."""

TIMES: Final = frozenset(
    (
        *("recordOpeningTime", "changeTime", "timeOfFirstUsage", "timeOfLastUsage"),
        *("timeOfReport", "triggerTimeStamp"),
    )
)
_TEXTS: Final = frozenset(("accessPointNameNI", "nodeID", "dataNetworkNameIdentifier"))
_HEADER_BYTES: Final = 50
"""The fixed part of a file's header (TS 32.297, 6.1.1)."""
_COUNT_AT: Final = slice(18, 22)
_LOST_AT: Final = 47
_BER: Final = 1
MAX_RECORD_BYTES: Final = 1 << 20
MAX_FILE_BYTES: Final = 256 << 20
"""A file is read as a whole. Charging functions close theirs much earlier."""
UNDECODABLE: Final = (
    *(asn1tools.Error, ArithmeticError, LookupError, TypeError, ValueError, RecursionError),
)
"""What asn1tools raises if bytes are not a record."""
_EXTENDED_RELEASE: Final = 7
_PADDING: Final = b"\x00\xff"
_INTERNATIONAL: Final = 1


class _Fault(NamedTuple):
    """Bytes that are not a record; ``reason`` says why."""

    reason: str


class ChargingFaultError(StreamprocError, ValueError):
    """A record that cannot be read; the message is the reason."""


@cache
def _specification() -> Any:
    return asn1tools.compile_string(MODULE, "ber")


def charging_tables(content: BinaryIO) -> Iterator[tuple[int, Columns | str | None]]:
    """Number of a record, and each of its containers of bytes; a text describes a fault.

    None: a record of another kind, or without containers.
    """
    held = content.read(MAX_FILE_BYTES + 1)
    if len(held) > MAX_FILE_BYTES:
        raise UnreadableFileError(f"has more than {MAX_FILE_BYTES >> 20} MiB of records")
    number = 0
    for number, found in enumerate(_records(held), 1):
        if isinstance(found, _Fault):
            yield number, found.reason
            continue
        try:
            tables = _tables(found)
        except ChargingFaultError as fault:
            yield number, str(fault)
            continue
        except UNDECODABLE:
            yield number, "cannot be decoded as a record of TS 32.298"
            continue
        if not tables:
            yield number, None
        for table in tables:
            yield number, table
    yield from _about_the_file(held, number)


def _records(held: bytes) -> Iterator[bytes | _Fault]:
    """The records of a file, each as its own bytes."""
    if _has_header(held):
        yield from _framed(held)
        return
    at = 0
    while at < len(held):
        if held[at] in _PADDING:
            at += 1
            continue
        length = _length(held, at) if _is_begin(held[at]) else None
        if length is None or at + length > len(held):
            yield _Fault("is no record in BER, or cut off; the rest of the file is not read")
            return
        yield held[at : at + length]
        at += length


def _is_begin(first: int) -> bool:
    """Whether a record can begin with this octet: the tag of each kind of records is constructed
    and context-specific."""
    return first & 0xE0 == 0xA0


def _length(held: bytes, at: int) -> int | None:
    """Length of the record that begins there, in bytes."""
    specification = _specification()
    try:
        length: int | None = specification.decode_length(held[at : at + 16])
    except UNDECODABLE:
        length = None
    if length is None and _is_indefinite(held[at : at + 4]):
        # Such a record must be read to find its end.
        try:
            length = specification.decode_with_length("Record", held[at : at + MAX_RECORD_BYTES])[1]
        except UNDECODABLE:
            return None
    return length


def _is_indefinite(first: bytes) -> bool:
    """Whether only an end mark shows the length of a record."""
    return b"\x80" in first[1:] and _is_begin(first[0])


def _has_header(held: bytes) -> bool:
    """Whether a file begins with the header of TS 32.297, which contains the length of the file."""
    return len(held) >= _HEADER_BYTES and int.from_bytes(held[:4]) == len(held)


def _framed(held: bytes) -> Iterator[bytes | _Fault]:
    """The records of a file of TS 32.297."""
    at = int.from_bytes(held[4:8])
    while at < len(held):
        header = held[at : at + 5]
        if len(header) < 4:
            yield _Fault("has a header that is cut off")
            return
        length = int.from_bytes(header[:2])
        begin = at + (5 if header[2] >> 5 == _EXTENDED_RELEASE else 4)
        if begin + length > len(held):
            yield _Fault("is cut off")
            return
        at = begin + length
        if header[3] >> 5 != _BER:
            yield _Fault("is not encoded in BER")
        else:
            yield _alone(held[begin:at])


def _alone(framed: bytes) -> bytes | _Fault:
    """The record behind a header; the decoder would pass over what follows it."""
    length = _length(framed, 0) if framed else None
    if length is not None and framed[length:].strip(_PADDING):
        return _Fault("has further bytes behind it that its header counts to it")
    return framed


def _about_the_file(held: bytes, read: int) -> Iterator[tuple[int, str]]:
    """Parts of the file that are missing according to its header."""
    if not _has_header(held):
        return
    expected = int.from_bytes(held[_COUNT_AT])
    if expected not in (read, 0xFFFFFFFF):
        yield read, f"is the last; the file's header says {expected} records"
    lost = held[_LOST_AT]
    if lost:
        many = f"at least {lost}" if lost < 128 else f"{max(lost - 128, 1)}"
        yield 1, f"comes after lost ones: the file's header says {many} were lost"


def _tables(record: bytes) -> list[Columns]:
    """The containers of bytes of a record."""
    decoded = _specification().decode("Record", record)
    kind, fields = decoded if isinstance(decoded, tuple) else (None, None)
    if kind is None:
        return []
    held = _named(fields)
    common = _columns(held) | {"record": kind}
    if kind == "chargingFunctionRecord":
        common |= _columns(_named(held.get("pDUSession", ())))
        containers = _of_function(held)
    elif "listOfServiceData" in held:
        # The bytes by rating group. The bytes of the bearer are the same, so they
        # must not be added.
        containers = [_named(one) for one in held["listOfServiceData"]]
    else:
        containers = [_named(one) for one in held.get("listOfTrafficVolumes", ())]
    tables = []
    for number, container in enumerate(containers, 1):
        table = _EMPTY | common | _columns(container)
        tables.append(table | {"container": str(number)})
    # A container is also closed if nothing was used in it.
    return [one for one in tables if {one[name] for name in _AMOUNTS} - {"", "0"}]


_AMOUNTS: Final = ("uplink", "downlink", "total")
_EMPTY: Final = dict.fromkeys(
    (
        *("chargingID", "recordSequenceNumber", "localSequenceNumber", "nodeID"),
        *("recordOpeningTime", "pDUSessionChargingID"),
        *("uplink", "downlink", "total", "containerNumber"),
    ),
    "",
)
"""Columns that always exist, so that ids can be made from them."""


def _of_function(held: dict[str, Any]) -> list[dict[str, Any]]:
    """The used units of a charging function's record, each with its rating group."""
    found = []
    for unit in held.get("listOfMultipleUnitUsage", ()):
        fields = _named(unit)
        for used in fields.get("usedUnitContainers", ()):
            found.append({"ratingGroup": fields.get("ratingGroup", 0), **_named(used)})
    return found


def _named(fields: Any) -> dict[str, Any]:
    """Fields by name, without the unknown ones. Raises ChargingFaultError."""
    known = [(name, value) for name, value in fields if name is not None]
    named = dict(known)
    if len(named) < len(known):
        raise ChargingFaultError("has a field twice")
    return named


def _columns(fields: dict[str, Any]) -> Columns:
    """Fields that are not lists, as text."""
    table = Columns()
    for name, value in fields.items():
        if name == "userIdentifier":
            table[name] = (value[1] or b"").decode(errors="replace")
        elif name == "subscriberIdentifier":
            data: bytes = _named(value).get("subscriptionIDData", b"")
            table[name] = data.decode(errors="replace")
        elif name in _TEXTS:
            table[name] = value.decode(errors="replace")
        elif isinstance(value, list):
            continue
        elif name in TIMES:
            table[name] = instant(value)
        elif name == "servedMSISDN":
            table[name] = phone_number(value)
        elif name == "servedIMSI":
            table[name] = digits(value)
        elif name == "servingNodePLMNIdentifier":
            table[name] = network(value)
        elif isinstance(value, bytes):
            table[name] = value.hex()
        else:
            table[name] = str(value)
    return table


def digits(packed: bytes) -> str:
    """TBCD: two digits per octet, the lower half first, then F. Raises ChargingFaultError."""
    text = "".join(f"{one & 15:x}{one >> 4:x}" for one in packed).rstrip("f")
    if not text.isdecimal():
        raise ChargingFaultError("has a number with other signs than digits")
    return text


def phone_number(packed: bytes) -> str:
    """An ISDN-AddressString (TS 29.002): type of number and digits.

    An international number gets its plus. Some systems omit the first octet.
    """
    if not packed:
        return ""
    if not packed[0] & 0x80:
        return digits(packed)
    plus = "+" if packed[0] >> 4 & 7 == _INTERNATIONAL else ""
    return plus + digits(packed[1:])


def instant(packed: bytes) -> str:
    """A TimeStamp (YYMMDDhhmmss in BCD, sign, hhmm) in ISO 8601. Raises ChargingFaultError."""
    text = packed.hex()
    if len(packed) != 9 or packed[6:7] not in (b"+", b"-"):
        raise ChargingFaultError("has an impossible time")
    year, month, day, hour, minute, second = (text[at : at + 2] for at in range(0, 12, 2))
    sign, offset = packed[6:7].decode(), f"{text[14:16]}:{text[16:18]}"
    return f"20{year}-{month}-{day}T{hour}:{minute}:{second}{sign}{offset}"


def network(packed: bytes) -> str:
    """MCC and MNC of a PLMN (TS 24.008), such as ``46000``. Raises ChargingFaultError."""
    if len(packed) != 3:
        raise ChargingFaultError("has an impossible network code")
    nibbles = packed.hex()
    mcc, mnc = nibbles[1] + nibbles[0] + nibbles[3], nibbles[5] + nibbles[4]
    return mcc + mnc + nibbles[2].replace("f", "")
