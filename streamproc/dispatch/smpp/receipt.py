"""Delivery receipts in the forms that message centers send.

SMPP 3.4 leaves their form to the vendor. The usual text is ``id:... sub:... dlvrd:... submit
date:... done date:... stat:... err:... text:...`` (appendix B). Fields can have any order and
case, some can be missing, there can be other separators and extra fields, and the state can be
a bare word. Or the facts are in optional parameters (``receipted_message_id``,
``message_state``, ``network_error_code``), with or without a text. An optional parameter takes
precedence over the text. Receipts come as ``deliver_sm`` or ``data_sm``, and not every message
center marks them as receipts.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streamproc.dispatch.matching import bounded_id
from streamproc.dispatch.model import ReportState
from streamproc.dispatch.smpp.text import MESSAGE_PAYLOAD, UDH_INDICATOR

RECEIPTED_MESSAGE_ID: Final = 0x001E
MESSAGE_STATE: Final = 0x0427
NETWORK_ERROR_CODE: Final = 0x0423
CODE_LIMIT: Final = 32
"""Characters of an error code; ``err`` of SMPP 3.4 has three."""
TEXT_LIMIT: Final = 4_096
"""Octets of a receipt in which facts are looked for. The usual text has 170."""

_RECEIPT_CLASSES: Final = frozenset({0x04, 0x20, 0x24})
"""``esm_class`` message types: final and intermediate delivery notifications, or both."""
_CLASS_BITS: Final = 0x3C

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
_LATER_STATES: Final[Mapping[int, ReportState]] = {
    0: "enroute",  # scheduled
    9: "failed",  # skipped
}
"""Of SMPP 5.0. Message centers of 3.4 send them without a meaning, so a word in the text counts
more."""
_WORDS: Final[Mapping[str, ReportState]] = {
    "ENROUTE": "enroute",
    "BUFFERED": "enroute",
    "BUFFRED": "enroute",
    "SCHEDULED": "enroute",
    "SENT": "enroute",
    "ACCEPTD": "enroute",
    "ACCEPTED": "enroute",
    "DELIVRD": "delivered",
    "DELIVERED": "delivered",
    "EXPIRED": "expired",
    "EXPIRD": "expired",
    "DELETED": "failed",
    "UNDELIV": "failed",
    "UNDELIVRD": "failed",
    "UNDELIVERABLE": "failed",
    "UNDELIVERED": "failed",
    "REJECTD": "failed",
    "REJECTED": "failed",
    "UNKNOWN": "failed",
    "FAILED": "failed",
    "SKIPPED": "failed",
}
_FIELD: Final = re.compile(
    r"(?:^|[\s,;|&{<])[\"']?(message[_ ]?id|msg_?id|id|status|stat|state|error|err)[\"']?\s*[:=]\s*"
    r"[\"']?([^\s,;|&\"']+)",
    re.IGNORECASE,
)
_NAMES: Final = {"stat": "stat", "status": "stat", "state": "stat", "err": "err", "error": "err"}
_BARE_STATE: Final = re.compile(rf"(?<![\w:=])({'|'.join(_WORDS)})(?![\w:=])", re.IGNORECASE)
_UNMARKED: Final = re.compile(r"^\W*id\s*:\s*\S+\s", re.IGNORECASE)
_TELLING: Final = re.compile(
    r"\b(sub|dlvrd|submit[ _]date|done[ _]date|stat|err|text)\s*:", re.IGNORECASE
)
TELLING_FIELDS: Final = 3
"""An unmarked text is a receipt if it begins with an id and has this many of the usual fields: no
subscriber writes such a text."""


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """The report of a message center about a part that it accepted."""

    message_id: str
    state: ReportState
    code: str


def parse_receipt(
    esm_class: int, body: bytes, parameters: Mapping[int, bytes]
) -> DeliveryReceipt | None:
    """The receipt in a message; None if there is none, or if it contains no facts."""
    if not is_receipt(esm_class, body, parameters):
        return None
    message_id, state, fields = _facts(esm_class, body, parameters)
    if not message_id or state is None:
        return None
    network = parameters.get(NETWORK_ERROR_CODE, b"")
    code = fields.get("err", "")
    if len(network) == 3:
        code = f"{chr(network[0])}:{int.from_bytes(network[1:], 'big')}"
    return DeliveryReceipt(bounded_id(message_id), state, code[:CODE_LIMIT])


def missing_fact(esm_class: int, body: bytes, parameters: Mapping[int, bytes]) -> str:
    """Why a receipt says nothing, for the log."""
    message_id, _, fields = _facts(esm_class, body, parameters)
    if not message_id:
        return "it names no message"
    number = parameters.get(MESSAGE_STATE, b"").hex()
    word = fields.get("stat", "")[:CODE_LIMIT]
    return f"its state is not known: {word or number or 'none'}"


def is_receipt(esm_class: int, body: bytes, parameters: Mapping[int, bytes]) -> bool:
    """Whether it is a receipt, marked or not, and not a text of a subscriber."""
    if esm_class & _CLASS_BITS in _RECEIPT_CLASSES or RECEIPTED_MESSAGE_ID in parameters:
        return True
    text = _decoded(_whole(esm_class, body, parameters))
    told = {found.lower() for found in _TELLING.findall(text)}
    return bool(_UNMARKED.match(text)) and len(told) >= TELLING_FIELDS


def _facts(
    esm_class: int, body: bytes, parameters: Mapping[int, bytes]
) -> tuple[str, ReportState | None, dict[str, str]]:
    """Id, state, and all fields of the text."""
    fields = _fields(_decoded(_whole(esm_class, body, parameters)))
    message_id = _c_string(parameters.get(RECEIPTED_MESSAGE_ID, b"")) or fields.get("id", "")
    number = int.from_bytes(parameters.get(MESSAGE_STATE, b"")[:1] or b"\xff", "big")
    word = _WORDS.get(fields.get("stat", "").upper())
    return message_id, _STATES.get(number) or word or _LATER_STATES.get(number), fields


def _whole(esm_class: int, body: bytes, parameters: Mapping[int, bytes]) -> bytes:
    """The text, without a user data header."""
    body = body or parameters.get(MESSAGE_PAYLOAD, b"")
    return body[body[0] + 1 :] if esm_class & UDH_INDICATOR and body else body


def _fields(text: str) -> dict[str, str]:
    """The first value of each field, except after ``text:``, where anything can follow."""
    head = re.split(r"\btext\s*[:=]", text, maxsplit=1, flags=re.IGNORECASE)
    tail = head[1] if len(head) > 1 else ""
    found: dict[str, str] = {}
    # Fields can come after the text, and its 20 characters can look like fields. So the part after
    # it is searched last, and from its end.
    for name, value in [*_FIELD.findall(head[0]), *reversed(_FIELD.findall(tail))]:
        found.setdefault(_NAMES.get(name.lower(), "id"), value)
    bare = _BARE_STATE.search(head[0])
    if bare is not None and not re.search(r"\bstat(us|e)?\s*[:=]", head[0], re.IGNORECASE):
        found["stat"] = bare[1]
    return found


def _decoded(text: bytes) -> str:
    text = text[:TEXT_LIMIT].removeprefix(BOM_UTF8)
    if text.startswith((BOM_UTF16_BE, BOM_UTF16_LE)):
        return text.decode("utf-16", "replace")
    for zero, coding in ((0, "utf-16-be"), (1, "utf-16-le")):
        if len(text) > 1 and not any(text[zero:8:2]) and any(text[1 - zero : 8 : 2]):
            return text.decode(coding, "replace")
    # Some message centers send the zero with which their strings end.
    return text.decode("latin-1").replace("\0", " ")


def _c_string(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode("latin-1").strip()
