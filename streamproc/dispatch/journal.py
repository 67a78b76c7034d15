"""The journal: the state of each reminder, in a compacted topic next to the reminders.

Partition p of the journal belongs to partition p of the reminders, so the memory of sent
messages moves with the partition. Key: the message's id; value: a :class:`JournalEntry`. The
last one counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from streamproc.contracts.records.codec import UNREADABLE
from streamproc.core.instants import DAY_MS, to_ms
from streamproc.dispatch.matching import bounded_id
from streamproc.dispatch.number_hashes import keyed
from streamproc.tracing.context import TRACE_NAMES, TraceHeaders, trace_of

State = Literal["intent", "retry", "accepted", "uncertain", "settled"]

REPORTS_KEY = b"!reports"
"""Holds from where the reports topic is to be read again for this partition, by its partition, and
by :func:`read_key` how far it was read."""
FORGET_UNREAD_MS: Final = 60 * DAY_MS
"""How long after its record the id of an unreadable entry is remembered: reminders live shorter."""
_ID: Final = re.compile(rb"[0-9a-f]{32}(~[0-9]{1,10}-[0-9]{1,19})?")
"""A reminder's id, and the place of the dead letter if it is sent again."""

_FIRST_MS: Final = to_ms(datetime.min.replace(tzinfo=UTC))
_LAST_MS: Final = to_ms(datetime.max.replace(tzinfo=UTC))
Moment = Annotated[int, Meta(ge=_FIRST_MS, le=_LAST_MS)]
"""Milliseconds that a datetime can have."""
Count = Annotated[int, Meta(ge=0, le=1 << 53)]
Part = Annotated[int, Meta(ge=1, le=255)]


class Facts(Struct, frozen=True, array_like=True, gc=False):
    """The data of the reminder that a later receipt needs, without its text or full number."""

    subscriber: str
    """Masked."""
    peer: str
    """Keyed hashes of the number."""
    kind: str
    rule: str
    mandatory: bool
    parts: Part
    as_of_ms: Moment
    requested_ms: Moment
    topic: str
    offset: Count


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
    forget_ms: Count
    """When the id may be forgotten: a later repetition is expired anyway."""
    gateway: str = ""
    attempts: Count = 0
    done: dict[Part, str] = {}
    """Message ids of accepted parts."""
    reported: dict[Part, str] = {}
    """Final states of parts."""
    facts: Facts | None = None
    doubtful: Count = 0
    """Attempts for which it is unknown whether the gateway accepted the message."""
    sent_ms: Count = 0
    """When it was last sent to a gateway."""
    doubted: str = ""
    """The gateway of the last attempt in doubt."""
    doubt_ms: Count = 0
    """When that attempt was sent."""
    former: list[str] = []
    """Message ids of parts that gateways before this one accepted."""
    trace: list[str] = []
    """``traceparent`` of its last submit, and ``tracestate`` if there is one; only if it has a
    span."""

    @property
    def trace_headers(self) -> TraceHeaders:
        """The trace of its last submit."""
        return trace_of(list(zip(TRACE_NAMES, [one.encode() for one in self.trace], strict=False)))


_decode = msgspec.json.Decoder(JournalEntry).decode
_decode_positions = msgspec.json.Decoder(dict[int, int]).decode
encode = msgspec.json.Encoder().encode


@dataclass
class JournalContent:
    """What the records of a partition's journal say."""

    entries: list[tuple[str, JournalEntry]] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)
    """The value of :data:`REPORTS_KEY`."""
    unread: list[str] = field(default_factory=list)
    """Ids whose entry cannot be read. They count as intents of an unknown gateway."""
    ignored: int = 0
    """Records that are about no message."""


def read_journal(records: Mapping[bytes | None, tuple[bytes, int]]) -> JournalContent:
    """The last value and time in ms of each key. Nothing in a journal keeps a dispatcher from
    starting: an entry that it cannot read is kept as one about which nothing is known."""
    content = JournalContent()
    for key, (value, time_ms) in records.items():
        if key == REPORTS_KEY:
            try:
                content.positions = _decode_positions(value)
            except UNREADABLE:
                content.ignored += 1
        elif key is None or not _ID.fullmatch(key):
            content.ignored += 1
        else:
            content.entries.append((key.decode(), _entry(key.decode(), value, time_ms, content)))
    return content


def _entry(message_id: str, value: bytes, time_ms: int, content: JournalContent) -> JournalEntry:
    try:
        entry = decode_entry(value)
    except UNREADABLE:
        content.unread.append(message_id)
        forget_ms = min(max(time_ms, 0), _LAST_MS) + FORGET_UNREAD_MS
        return JournalEntry("intent", forget_ms)
    # Earlier releases kept the ids of message centers whatever they were.
    entry.done = {part: bounded_id(sms_id) for part, sms_id in entry.done.items()}
    return entry


def decode_entry(value: bytes) -> JournalEntry:
    """Raises :data:`UNREADABLE` for a value that was not written by a dispatcher."""
    entry = _decode(value)
    facts = entry.facts
    if entry.state in ("accepted", "uncertain") and facts is None:
        raise msgspec.ValidationError("an open entry has no facts")
    if facts is not None and facts.peer != keyed(facts.peer):
        # It must not be written again with the hash of an earlier release.
        entry.facts = msgspec.structs.replace(facts, peer="")
    return entry


def is_suspect(entry: JournalEntry) -> bool:
    """Whether a gateway may have a copy of the message under an id that never came here."""
    in_doubt = entry.state in ("intent", "uncertain") or entry.doubtful > 0
    return in_doubt or is_without_id(entry)


def is_without_id(entry: JournalEntry) -> bool:
    """Whether a gateway accepted a part without giving it an id."""
    return not all(one.strip() for one in (*entry.done.values(), *entry.former))


def read_key(partition: int) -> int:
    """The key of the end of the read reports, in the value of :data:`REPORTS_KEY`."""
    return -1 - partition


def read_positions(positions: dict[int, int]) -> dict[int, int]:
    """Up to where, by partition, the reports were read: a part of :data:`REPORTS_KEY`'s value."""
    return {read_key(key): offset for key, offset in positions.items() if key < 0}
