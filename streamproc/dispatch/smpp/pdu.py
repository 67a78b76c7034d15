"""The few PDUs that ``smpp34`` has no Python class for: headers with strings.

The library handles everything with a message or optional parameters, except ``data_sm``
(``inbound``).
"""

from __future__ import annotations

import struct
from typing import Final

from streamproc.dispatch.matching import bounded_id

GENERIC_NACK: Final = 0x80000000
BIND_RECEIVER: Final = 0x00000001
BIND_TRANSMITTER: Final = 0x00000002
SUBMIT_SM: Final = 0x00000004
DELIVER_SM: Final = 0x00000005
UNBIND: Final = 0x00000006
BIND_TRANSCEIVER: Final = 0x00000009
ENQUIRE_LINK: Final = 0x00000015
ALERT_NOTIFICATION: Final = 0x00000102
DATA_SM: Final = 0x00000103
RESPONSE: Final = 0x80000000
"""The command of an answer is the request's plus this number."""
NAMES: Final = {DELIVER_SM: "a deliver_sm", DATA_SM: "a data_sm"}

OK: Final = 0x00000000
INVALID_COMMAND: Final = 0x00000003
UNKNOWN_ERROR: Final = 0x000000FF
TRY_AGAIN: Final = 0x00000064
"""ESME_RX_T_APPN: the application cannot accept it now."""
NEVER: Final = 0x00000065
"""ESME_RX_P_APPN: the application cannot accept it at all."""

HEADER_BYTES: Final = 16
MAX_PDU_BYTES: Final = 70_000
"""A message payload has at most 64 KiB; a longer length means that the stream is broken."""

_HEADER: Final = struct.Struct(">IIII")


def encode(command: int, sequence: int, body: bytes = b"", status: int = OK) -> bytes:
    """A whole PDU."""
    return _HEADER.pack(HEADER_BYTES + len(body), command, status, sequence) + body


def header(data: bytes) -> tuple[int, int, int, int]:
    """Length, command, status, sequence."""
    length, command, status, sequence = _HEADER.unpack(data)
    return length, command, status, sequence


def bind_body(system_id: str, password: str, system_type: str) -> bytes:
    """The body of a bind, interface version 3.4, for all addresses."""
    strings = (system_id, password, system_type)
    return b"".join(one.encode("ascii") + b"\0" for one in strings) + b"\x34\x00\x00\x00"


def message_id(body: bytes) -> str:
    """The id at the start of the answer to a submit."""
    return bounded_id(body.split(b"\0", 1)[0].decode("latin-1"))
