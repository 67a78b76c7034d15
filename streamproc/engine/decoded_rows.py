"""The rows of one partition for applications that count: small, never due, decoded in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from streamproc.engine.rows import DUE_BYTES, NEVER_DUE_BYTES, RowCodec, Rows

T = TypeVar("T")


class DecodedRows(Rows[T]):
    """Rows as objects of the application. Only the changelog gets them packed, in the same form.

    A row needs the memory of its objects. These rows have no due work.
    """

    def __init__(self, codec: RowCodec[T]) -> None:
        super().__init__(codec)
        self._rows: dict[bytes, T] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: bytes) -> T | None:
        """The row of a key; None if there is none. After a change, call :meth:`put`."""
        return self._rows.get(key)

    def put(self, key: bytes, row: T | None) -> None:
        """Store a row; None deletes it. The change belongs to the next commit."""
        if row is None:
            self._rows.pop(key, None)
        else:
            self._rows[key] = row
        self.live[key] = row

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """The changes since the last call, packed, for the changelog; None is a deletion."""
        pack, never = self.codec.pack, NEVER_DUE_BYTES
        changes: list[tuple[bytes, bytes | None]] = [
            (key, None if row is None else never + pack(row)) for key, row in self.live.items()
        ]
        self.live = {}
        return changes

    def load(self, found: Mapping[bytes, bytes | None]) -> None:
        """Store changelog records."""
        unpack = self.codec.unpack
        for key, data in found.items():
            if data is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = unpack(data[DUE_BYTES:])

    def loaded(self) -> None:
        """Does nothing: these rows are never due, and have no identities."""

    def pop_due(self, now_ms: int, limit: int) -> Iterator[bytes]:
        """Returns nothing: these rows are never due."""
        return iter(())
