"""The journal: the state of each reminder, in a compacted topic next to the reminders.

Partition p of the journal belongs to partition p of the reminders, so the memory of sent
messages moves with the partition. Key: the message's id; value: a :class:`JournalEntry`. The
last one counts.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

State = Literal["intent", "retry", "accepted", "uncertain", "settled"]

REPORTS_KEY = b"!reports"
"""Holds from where the reports topic is to be read again for this partition, by its partition, and
by :func:`read_key` how far it was read."""


class Facts(Struct, frozen=True, array_like=True, gc=False):
    """The data of the reminder that a later receipt needs, without its text or full number."""

    subscriber: str
    peer: str
    kind: str
    rule: str
    mandatory: bool
    parts: int
    as_of_ms: int
    requested_ms: int
    topic: str
    offset: int


class JournalEntry(Struct, omit_defaults=True, gc=False):
    """The state of a message.

    - ``intent``: about to be sent, or sent without an answer.
    - ``retry``: certainly not accepted, except the parts in ``done`` and, if ``doubtful``, perhaps
      more.
    - ``accepted``: reports may follow.
    - ``uncertain``: unknown, and not sent again; a late answer or a report can settle it.
    - ``settled``: nothing more will happen.
    """

    state: State
    forget_ms: int
    """When the id may be forgotten: a later repetition is expired anyway."""
    gateway: str = ""
    attempts: int = 0
    done: dict[int, str] = {}
    """Message ids of accepted parts."""
    reported: dict[int, str] = {}
    """Final states of parts."""
    facts: Facts | None = None
    doubtful: int = 0
    """Attempts for which it is unknown whether the gateway accepted the message."""
    sent_ms: int = 0
    """When it was last sent to a gateway."""


_decode = msgspec.json.Decoder(JournalEntry).decode
_decode_positions = msgspec.json.Decoder(dict[int, int]).decode
encode = msgspec.json.Encoder().encode


def decode_entry(value: bytes) -> JournalEntry:
    """Raises ``msgspec.DecodeError`` for a value that was not written by a dispatcher."""
    return _decode(value)


def decode_positions(value: bytes) -> dict[int, int]:
    """The value of :data:`REPORTS_KEY`."""
    return _decode_positions(value)


def read_key(partition: int) -> int:
    """The key of the end of the read reports, in the value of :data:`REPORTS_KEY`."""
    return -1 - partition


def read_positions(positions: dict[int, int]) -> dict[int, int]:
    """Up to where, by partition, the reports were read: a part of :data:`REPORTS_KEY`'s value."""
    return {read_key(key): offset for key, offset in positions.items() if key < 0}
