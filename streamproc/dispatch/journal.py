"""The journal: what is known of each reminder, in a compacted topic beside the reminders.

Partition p of the journal belongs to partition p of the reminders, so the memory of what was sent
moves with the partition. Key: the message's id; value: a :class:`JournalEntry`, the last one
counts.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

State = Literal["intent", "retry", "accepted", "uncertain", "settled"]

REPORTS_KEY = b"!reports"
"""Holds how far the reports topic has been read for this partition: partition -> next offset."""


class Facts(Struct, frozen=True, array_like=True, gc=False):
    """What a later receipt needs of the reminder, without its text or full number."""

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
    """``intent``: about to be sent, or sent without an answer. ``retry``: certainly not taken,
    but for ``done`` and, if ``doubtful``, perhaps more. ``accepted``: reports may follow.
    ``uncertain``: nobody knows, it is not sent again; a late answer or a report may settle it.
    ``settled``: nothing more will happen.
    """

    state: State
    forget_ms: int
    """When the id may be forgotten: a repeat that comes later is expired anyway."""
    gateway: str = ""
    attempts: int = 0
    done: dict[int, str] = {}
    """Message ids of accepted parts."""
    reported: dict[int, str] = {}
    """Final states of parts."""
    facts: Facts | None = None
    doubtful: int = 0
    """Attempts of which nobody knows whether the gateway took the message."""
    sent_ms: int = 0
    """When it last went to a gateway."""


_decode = msgspec.json.Decoder(JournalEntry).decode
_decode_positions = msgspec.json.Decoder(dict[int, int]).decode
encode = msgspec.json.Encoder().encode


def decode_entry(value: bytes) -> JournalEntry:
    """Raises ``msgspec.DecodeError`` for a value that no dispatcher wrote."""
    return _decode(value)


def decode_positions(value: bytes) -> dict[int, int]:
    """Value of :data:`REPORTS_KEY`."""
    return _decode_positions(value)
