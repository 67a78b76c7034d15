"""The rows of one partition: stored packed, decoded at use, with their due queue.

A stored row is eight bytes of due instant (big endian, signed milliseconds) and then the packed
state. So the due queue can be rebuilt after a load without decoding any state (law 19).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from struct import Struct
from typing import Generic, Protocol, TypeVar

from streamproc.engine.due import NEVER_DUE, SPAN_BITS, DueQueue
from streamproc.engine.ids import IDS_KEY, IdMemory, SeenIds

T = TypeVar("T")

DUE_BYTES = 8
BUCKET_BYTES = DUE_BYTES - SPAN_BITS // 8
"""This many first bytes are the bucket number of the due queue, so a load calculates nothing per
row."""
MISSING = object()
_pack_due = Struct(">q").pack
NEVER_DUE_BYTES = _pack_due(NEVER_DUE)


class RowCodec(Protocol[T]):
    """How the application packs its rows. The engine sees only bytes."""

    def pack(self, row: T) -> bytes: ...

    def unpack(self, data: bytes) -> T: ...

    def due_ms(self, row: T) -> int:
        """When the row has work without any input; NEVER_DUE if never."""


def _due_of(data: bytes) -> int:
    return int.from_bytes(data[:DUE_BYTES], "big", signed=True)


class Rows(Generic[T]):
    """Rows by key. ``get`` and ``put`` see every applied change, committed or not.

    Changed rows are packed when a commit takes them. With ``eager`` they are packed at once, for a
    part of the application that works on packed rows (it writes ``stored`` and ``changed`` itself).
    """

    def __init__(
        self, codec: RowCodec[T], eager: bool = False, ids: IdMemory | None = None
    ) -> None:
        self.codec = codec
        fallback: IdMemory = SeenIds()
        self.ids = fallback if ids is None else ids
        """What the partition has counted already."""
        self.partition: int | None = None
        """The partition of these rows; None until it is set."""
        self.stored: dict[bytes, bytes] = {}
        self.live: dict[bytes, T | None] = {}
        """Rows that changed and are not packed yet; always empty with ``eager``."""
        self.changed: dict[bytes, bytes | None] = {}
        """Rows packed since the last commit was taken; None is a deletion.

        It holds their bytes, not only their keys. With millions of rows, a second lookup misses
        every CPU cache for each of four objects.
        """
        self._eager = eager
        self._queue = DueQueue(self._due_ms)

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.live or self.changed or self.ids.is_changed)

    def get(self, key: bytes) -> T | None:
        """The row of a key, decoded once per commit; None if there is none."""
        row = self.live.get(key, MISSING)
        if row is not MISSING:
            return row  # type: ignore[return-value]
        data = self.stored.get(key)
        return None if data is None else self.codec.unpack(data[DUE_BYTES:])

    def put(self, key: bytes, row: T | None) -> None:
        """Store a row; None deletes it. The change belongs to the next commit."""
        if self._eager:
            self.changed.update(self._store(((key, row),)))
        else:
            self.live[key] = row

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """The changes since the last call, packed, for the changelog; None is a deletion."""
        changes = list(self.changed.items())
        changes += self._store(self.live.items())
        changes += self.ids.take_changes()
        self.live = {}
        self.changed = {}
        return changes

    def _store(self, rows: Iterable[tuple[bytes, T | None]]) -> list[tuple[bytes, bytes | None]]:
        """Pack rows; returns the keys with their stored bytes."""
        stored, queue = self.stored, self._queue
        pack, due_of, dropped = self.codec.pack, self.codec.due_ms, queue.dropped
        changes: list[tuple[bytes, bytes | None]] = []
        for key, row in rows:
            if row is None:
                if stored.pop(key, None) is not None:
                    changes.append((key, None))
                continue
            due_ms = due_of(row)
            if due_ms >= NEVER_DUE:
                stored[key] = data = NEVER_DUE_BYTES + pack(row)
                changes.append((key, data))
                continue
            due = _pack_due(due_ms)
            before = stored.get(key)
            stored[key] = data = due + pack(row)
            changes.append((key, data))
            # If the due instant is the same and its entry is still in the queue, no second entry is
            # needed. An account is stored many times between two due instants.
            if before is None or not before.startswith(due) or key in dropped:
                dropped.discard(key)
                queue.push(due_ms, key)
        return changes

    def load(self, found: Mapping[bytes, bytes | None]) -> None:
        """Store changelog records. Call :meth:`loaded` after the last ones."""
        stored = self.stored
        stored.update(found)  # type: ignore[arg-type]  # deletions go at once
        for key in [one for one in found if one.startswith(IDS_KEY)]:
            self.ids.load(key, found[key])
            del stored[key]
        if None in found.values():
            for key, data in found.items():
                if data is None:
                    stored.pop(key, None)

    def loaded(self) -> None:
        """All records are here: calculate the due queue from the stored rows (law 19)."""
        self.ids.loaded()
        found: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for key, data in self.stored.items():
            found[data[:BUCKET_BYTES]].append(key)
        self._queue.rebuild(
            {
                number: keys
                for one, keys in found.items()
                # Rows that are never due need no entry.
                if (number := int.from_bytes(one, "big", signed=True)) < NEVER_DUE >> SPAN_BITS
            }
        )

    def pop_due(self, now_ms: int, limit: int) -> Iterator[bytes]:
        """Keys of at most ``limit`` rows due at or before ``now_ms``, earliest first.

        A row that changed and is not packed yet is queued again with its new instant
        when it is packed.
        """
        return self._queue.pop(now_ms, limit)

    @property
    def next_due_ms(self) -> int:
        """No row is due earlier. The value can be too early, never too late."""
        return self._queue.next_due_ms

    def _due_ms(self, key: bytes) -> int:
        """The present due instant of a row, without decoding it; NEVER_DUE if there is no row."""
        # A changed row that is not packed yet has its instant only in the object.
        row = self.live.get(key, MISSING)
        if row is MISSING:
            data = self.stored.get(key)
            return NEVER_DUE if data is None else _due_of(data)
        return NEVER_DUE if row is None else self.codec.due_ms(row)  # type: ignore[arg-type]
