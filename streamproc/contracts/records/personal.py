"""What each field of a record can say about a person: the one list.

A new field of any record needs its line here. `tests/house/test_personal.py` names those that
have none, also in ``schemas/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Final

import msgspec
from msgspec import Struct

from streamproc.contracts.records.alarms import AlarmChanged
from streamproc.contracts.records.codec import decode_effect
from streamproc.contracts.records.receipts import DeadLetter, Receipt
from streamproc.contracts.records.reveals import DataRevealed
from streamproc.contracts.records.rule_versions import RulesPublished
from streamproc.core.state.effects import Effect
from streamproc.core.state.events import InputEvent


class Holds(Enum):
    """What the text in a field can be."""

    SUBSCRIBER = auto()
    """A subscriber's key: a phone number, or an id of the operator."""
    MASKED = auto()
    """A subscriber's number with most digits hidden."""
    ID = auto()
    """An id or a source that another system chose. It can be made of a number."""
    RECORD_ID = auto()
    """An id of streamproc. It is a hash of the subscriber, so a guessed number can be tested."""
    TEXT = auto()
    """Words to or from a subscriber, or about a record."""
    NAME = auto()
    """A name of the rules file, of Kafka or of the network. It is the same for many subscribers."""
    WORD = auto()
    """A term of the contract. It is never hidden."""


_FIELDS: Final[Mapping[Holds, str]] = {
    Holds.SUBSCRIBER: "subscriber member recipient",
    Holds.ID: (
        "id source of_id of_source request_id request_source event_id message_ids resend "
        "user host kafka_user author approver"  # of somebody who works here: a person, too
    ),
    Holds.RECORD_ID: "reminder reminder_id",
    Holds.TEXT: "text channel_texts detail summary note",
    Holds.NAME: (
        "plan pack service services segments category tariff roaming_zone time_zone locale rule "
        "bucket counter gateway figures about decision error_class error_code kind outcome reason "
        "severity state status topic unit app_id file rules texts alarm change tier command"
    ),
    Holds.WORD: (
        "type currency encoding effective until role summary_every summary_at own_percents"
    ),
}
_OF_FIELD: Final = {name: holds for holds, names in _FIELDS.items() for name in names.split()}
_OF_STRUCT: Final[Mapping[tuple[str, str], Holds]] = {
    ("BucketFigures", "id"): Holds.NAME,
    ("Reminder", "id"): Holds.RECORD_ID,
    ("PolicyChanged", "id"): Holds.RECORD_ID,
    ("ConfirmationDecided", "id"): Holds.RECORD_ID,
    ("UnsubscriptionRequested", "id"): Holds.RECORD_ID,
    ("RefundRequested", "id"): Holds.RECORD_ID,
    ("RulesPublished", "id"): Holds.RECORD_ID,
    ("AlarmChanged", "id"): Holds.RECORD_ID,
    ("AlarmChanged", "source"): Holds.NAME,
    ("AlarmChanged", "sample"): Holds.MASKED,
    ("DataRevealed", "id"): Holds.RECORD_ID,
    ("DataRevealed", "sample"): Holds.MASKED,
    ("Receipt", "subscriber"): Holds.MASKED,
    ("DeadLetter", "subscriber"): Holds.MASKED,
}

OwnRecord = Receipt | DeadLetter | RulesPublished | AlarmChanged | DataRevealed
AnyRecord = InputEvent | Effect | OwnRecord
"""Every record of the contract."""

_decode_other = msgspec.json.Decoder(OwnRecord).decode


def held_by(struct: str, field: str) -> Holds:
    """What a field of a struct holds. A field that is not listed must not be shown at all."""
    return _OF_STRUCT.get((struct, field)) or _OF_FIELD.get(field, Holds.TEXT)


def is_listed(struct: str, field: str) -> bool:
    """Whether a field is listed. Fields without text need not be."""
    return field in _OF_FIELD or (struct, field) in _OF_STRUCT


def fields_of(record: Struct) -> Iterator[tuple[str, object]]:
    """The fields that a record has, by name."""
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if value is not msgspec.UNSET:
            yield name, value


def decode_output(value: bytes) -> Effect | OwnRecord | None:
    """A record that streamproc writes; None if it is none."""
    for decode in (decode_effect, _decode_other):
        try:
            return decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return None
