"""Records of the dispatcher about reminders: receipts, and dead letters.

They contain no text, and show the subscriber masked (law 21). A reader who is allowed to see more
follows ``reminder`` to the reminder's record.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streamproc.core.state.effects import Natural, Partition, ReminderId, Text, Topic, Word
from streamproc.core.state.events import Instant, Name

Masked = Annotated[str, Meta(min_length=1, max_length=64)]
Gateway = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}\Z")]
# A receipt has the type Word in place of this, so that an older reader accepts a new term.
Status = Literal["accepted", "delivered", "failed", "expired", "uncertain"]
"""The present terms. Readers must accept other terms."""
MessageId = Annotated[str, Meta(max_length=64)]
Error = Annotated[str, Meta(min_length=1, max_length=200)]


class ReminderRecord(Struct, frozen=True, gc=False):
    """Topic, partition and offset of the reminder."""

    topic: Topic
    partition: Partition
    offset: Natural


class Receipt(Struct, frozen=True, gc=False, tag="receipt.recorded", tag_field="type"):
    """The result of sending a reminder. A later receipt of the same reminder can report more.

    ``event_to_status_ms`` counts from the usage or due instant of the reminder (``as_of``),
    ``reminder_to_status_ms`` from the time at which the worker wrote it.
    """

    reminder_id: ReminderId
    status: Word
    time: Instant
    subscriber: Masked
    kind: Word
    rule: Name
    mandatory: bool
    attempts: Natural
    parts: Natural
    as_of: Instant
    requested_time: Instant
    event_to_status_ms: Natural
    reminder_to_status_ms: Natural
    reminder: ReminderRecord
    gateway: Gateway | UnsetType = UNSET
    message_ids: list[MessageId] | UnsetType = UNSET
    error_class: Word | UnsetType = UNSET
    error_code: Error | UnsetType = UNSET
    resend: Name | UnsetType = UNSET
    """Id of the dead letter that was sent again, if this receipt is about one."""


class DeadLetter(Struct, frozen=True, gc=False, tag="reminder.abandoned", tag_field="type"):
    """A reminder that the dispatcher does not try to send any more, or a record that is not a
    reminder (without an id)."""

    reason: Word
    detail: Text
    time: Instant
    reminder: ReminderRecord
    attempts: Natural = 0
    reminder_id: ReminderId | UnsetType = UNSET
    subscriber: Masked | UnsetType = UNSET
    kind: Word | UnsetType = UNSET
    rule: Name | UnsetType = UNSET
    gateway: Gateway | UnsetType = UNSET
    resend: Name | UnsetType = UNSET


_decode_receipt = msgspec.json.Decoder(Receipt).decode
_decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode

encode_receipt = msgspec.json.Encoder().encode
"""Receipt or dead letter to JSON; timestamps are RFC 3339 in UTC."""


def decode_receipt(value: bytes) -> Receipt:
    """Decode a receipt. Raises ``msgspec.ValidationError`` or ``msgspec.DecodeError``."""
    return _decode_receipt(value)


def decode_dead_letter(value: bytes) -> DeadLetter:
    """Decode a dead letter. Raises ``msgspec.ValidationError`` or ``msgspec.DecodeError``."""
    return _decode_dead_letter(value)
