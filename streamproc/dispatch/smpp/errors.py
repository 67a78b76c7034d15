"""The meaning of SMPP 3.4 command status (5.1.3) for the next step."""

from __future__ import annotations

from typing import Final

from streamproc.dispatch.model import ErrorClass

NAMES: Final = {
    0x01: "ESME_RINVMSGLEN",
    0x02: "ESME_RINVCMDLEN",
    0x03: "ESME_RINVCMDID",
    0x04: "ESME_RINVBNDSTS",
    0x05: "ESME_RALYBND",
    0x06: "ESME_RINVPRTFLG",
    0x07: "ESME_RINVREGDLVFLG",
    0x08: "ESME_RSYSERR",
    0x0A: "ESME_RINVSRCADR",
    0x0B: "ESME_RINVDSTADR",
    0x0C: "ESME_RINVMSGID",
    0x0D: "ESME_RBINDFAIL",
    0x0E: "ESME_RINVPASWD",
    0x0F: "ESME_RINVSYSID",
    0x14: "ESME_RMSGQFUL",
    0x15: "ESME_RINVSERTYP",
    0x33: "ESME_RINVNUMDESTS",
    0x43: "ESME_RINVESMCLASS",
    0x45: "ESME_RSUBMITFAIL",
    0x48: "ESME_RINVSRCTON",
    0x49: "ESME_RINVSRCNPI",
    0x50: "ESME_RINVDSTTON",
    0x51: "ESME_RINVDSTNPI",
    0x53: "ESME_RINVSYSTYP",
    0x58: "ESME_RTHROTTLED",
    0x61: "ESME_RINVSCHED",
    0x62: "ESME_RINVEXPIRY",
    0x64: "ESME_RX_T_APPN",
    0x65: "ESME_RX_P_APPN",
    0x66: "ESME_RX_R_APPN",
    0xC0: "ESME_RINVOPTPARSTREAM",
    0xC1: "ESME_ROPTPARNOTALLWD",
    0xC2: "ESME_RINVPARLEN",
    0xC3: "ESME_RMISSINGOPTPARAM",
    0xC4: "ESME_RINVOPTPARAMVAL",
    0xFE: "ESME_RDELIVERYFAILURE",
    0xFF: "ESME_RUNKNOWNERR",
}

_THROTTLED: Final = frozenset({0x14, 0x58})
_TRANSIENT: Final = frozenset(
    {0x04, 0x05, 0x08, 0x0D, 0x0E, 0x0F, 0x45, 0x53, 0x64, 0xFE, 0xFF},
)
"""Faults of the message center, the session or the account, which are not of one message. A
vendor's own codes belong to this class too."""


def name_of(status: int) -> str:
    """The specification's name, or the number."""
    return NAMES.get(status, f"0x{status:08X}")


def class_of(status: int) -> ErrorClass:
    """The class of a refusal with this status. An unknown status is transient, so that no message
    is lost."""
    if status in _THROTTLED:
        return ErrorClass.THROTTLED
    if status in _TRANSIENT or status not in NAMES:
        return ErrorClass.TRANSIENT
    return ErrorClass.PERMANENT
