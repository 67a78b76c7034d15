"""Delivery receipts in the forms that message centres send.

SMPP 3.4 leaves their form to the vendor. The usual text is ``id:... sub:... dlvrd:... submit
date:... done date:... stat:... err:... text:...`` (appendix B), with fields in any order and case,
some missing, other separators, extra fields; or the facts come as optional parameters
(``receipted_message_id``, ``message_state``, ``network_error_code``), alone or besides a text. An
optional parameter counts more than the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streamproc.dispatch.model import ReportState

RECEIPTED_MESSAGE_ID: Final = 0x001E
MESSAGE_STATE: Final = 0x0427
NETWORK_ERROR_CODE: Final = 0x0423
MESSAGE_PAYLOAD: Final = 0x0424

_RECEIPT_CLASSES: Final = frozenset({0x04, 0x20})
"""``esm_class`` message types: final and intermediate delivery notifications."""

_STATES: Final[Mapping[int, ReportState]] = {
    1: "enroute",
    2: "delivered",
    3: "expired",
    4: "failed",  # deleted
    5: "failed",  # undeliverable
    6: "enroute",  # accepted
    7: "failed",  # unknown
    8: "failed",  # rejected
}
_WORDS: Final[Mapping[str, ReportState]] = {
    "ENROUTE": "enroute",
    "BUFFERED": "enroute",
    "BUFFRED": "enroute",
    "SCHEDULED": "enroute",
    "ACCEPTD": "enroute",
    "ACCEPTED": "enroute",
    "DELIVRD": "delivered",
    "DELIVERED": "delivered",
    "EXPIRED": "expired",
    "DELETED": "failed",
    "UNDELIV": "failed",
    "UNDELIVERABLE": "failed",
    "UNDELIVERED": "failed",
    "REJECTD": "failed",
    "REJECTED": "failed",
    "UNKNOWN": "failed",
    "FAILED": "failed",
}
_FIELD: Final = re.compile(
    r"(?:^|[\s,;|&])(message[_ ]?id|msg_?id|id|status|stat|state|error|err)\s*[:=]\s*"
    r"[\"']?([^\s,;|&\"']+)",
    re.IGNORECASE,
)
_NAMES: Final = {"stat": "stat", "status": "stat", "state": "stat", "err": "err", "error": "err"}


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """What a message center says of a part it accepted."""

    message_id: str
    state: ReportState
    code: str


def parse_receipt(
    esm_class: int, short_message: bytes, parameters: Mapping[int, bytes]
) -> DeliveryReceipt | None:
    """The receipt in a ``deliver_sm``; None if it is none (a message from a subscriber)."""
    if esm_class & 0x3C not in _RECEIPT_CLASSES and RECEIPTED_MESSAGE_ID not in parameters:
        return None
    text = short_message or parameters.get(MESSAGE_PAYLOAD, b"")
    fields = _fields(_decoded(text))
    message_id = _c_string(parameters.get(RECEIPTED_MESSAGE_ID, b"")) or fields.get("id", "")
    state_byte = parameters.get(MESSAGE_STATE, b"")
    state = _STATES.get(state_byte[0]) if state_byte else _WORDS.get(fields.get("stat", "").upper())
    if not message_id or state is None:
        return None
    network = parameters.get(NETWORK_ERROR_CODE, b"")
    code = fields.get("err", "")
    if len(network) == 3:
        code = f"{chr(network[0])}:{int.from_bytes(network[1:], 'big')}"
    return DeliveryReceipt(message_id, state, code[:32])


def _fields(text: str) -> dict[str, str]:
    """The first of each field, except what follows ``text:``, where anything may stand."""
    head = re.split(r"\btext\s*[:=]", text, maxsplit=1, flags=re.IGNORECASE)
    tail = head[1] if len(head) > 1 else ""
    found: dict[str, str] = {}
    # Fields may stand behind the text, of which 20 characters may look like fields: so what is
    # behind it is looked at last, and from its end.
    for name, value in [*_FIELD.findall(head[0]), *reversed(_FIELD.findall(tail))]:
        found.setdefault(_NAMES.get(name.lower(), "id"), value)
    return found


def _decoded(text: bytes) -> str:
    if len(text) > 1 and text[0] == 0 and text[2:3] in (b"\0", b""):
        return text.decode("utf-16-be", "replace")
    return text.decode("latin-1")


def _c_string(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode("latin-1").strip()
