"""Running totals: what each session had used at its last record, so that only the difference
counts.

RADIUS reports repeatedly how much a session has used since its start. The usage is the difference
to the session's record before. The memory of sessions is a SQLite file, or in the process for one
run. A file of records is added to it as a whole, after the file was sent. So a file that is read
again, after a crash or to check it first, gives the same differences.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping as Columns
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from streamproc.errors import StreamprocError
from streamproc.private_files import open_private

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sessions (
    session TEXT PRIMARY KEY,
    seen_ms INTEGER NOT NULL,
    uplink_bytes INTEGER,
    downlink_bytes INTEGER,
    total_bytes INTEGER,
    ended INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_time ON sessions (seen_ms);
CREATE TABLE IF NOT EXISTS folded (file TEXT NOT NULL);
"""
_GONE: Final = None
"""In the memory of the present file: the session began again."""


class SessionsError(StreamprocError):
    """The memory of sessions cannot be read or written."""


class SmallerTotalError(StreamprocError, ValueError):
    """A later record of a session has a smaller total than one before."""


class Volume(NamedTuple):
    """Bytes of a record: both directions, or a total alone."""

    uplink_bytes: int | None = None
    downlink_bytes: int | None = None
    total_bytes: int | None = None

    @property
    def sum_bytes(self) -> int:
        """All bytes."""
        if self.total_bytes is not None:
            return self.total_bytes
        return (self.uplink_bytes or 0) + (self.downlink_bytes or 0)

    def since(self, before: Volume) -> Volume:
        """The difference to an earlier total of the same session."""
        if self.total_bytes is not None or before.total_bytes is not None:
            return Volume(total_bytes=self.sum_bytes - before.sum_bytes)
        return Volume(
            (self.uplink_bytes or 0) - (before.uplink_bytes or 0),
            (self.downlink_bytes or 0) - (before.downlink_bytes or 0),
        )

    def is_negative(self) -> bool:
        """Whether any of it is below zero."""
        return any(one is not None and one < 0 for one in self)


def _refuse_no_file(path: Path) -> None:
    """SQLite waits for ever for a pipe."""
    if path.exists() and not path.is_file():
        raise SessionsError(f"the memory of sessions {path} is not a file")


class _Session(NamedTuple):
    seen_ms: int
    volume: Volume
    ended: bool


class Sessions:
    """The memory of sessions, limited by their number and by the time without a record."""

    def __init__(
        self, path: Path | None = None, *, kept: int = 1_000_000, forget_ms: int = 72 * 3_600_000
    ) -> None:
        """``path`` None: in memory. Raises :class:`SessionsError`."""
        self.path = path
        self.kept = kept
        self.forget_ms = forget_ms
        self.pushed_out = 0
        """How many sessions were forgotten because there were too many."""
        self._at_hand: dict[str, _Session | None] = {}
        self._file: str | None = None
        self._database: sqlite3.Connection | None = None

    @classmethod
    def copy_of(cls, path: Path) -> Sessions:
        """The memory in a file, for commands that only read it: the file never changes.

        Raises :class:`SessionsError`.
        """
        copy = cls()
        _refuse_no_file(path)
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
                copy._database = sqlite3.connect(":memory:")
                file.backup(copy._database)
                copy._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise SessionsError(f"the memory of sessions {path} cannot be read: {error}") from error
        return copy

    def begin_file(self, file: str) -> None:
        """Read a file from its start. What an earlier reading remembered is dropped."""
        self._at_hand = {}
        self._file = file

    def begin_session(self, session: str) -> None:
        """A session starts. An earlier session with the same name has ended."""
        self._at_hand[session] = _GONE

    def difference(self, session: str, volume: Volume, at_ms: int, *, ends: bool) -> Volume | None:
        """Usage of the session since its record before; None if there is none, or if it was counted
        already.

        Raises :class:`SmallerTotalError`.
        """
        before = self._known(session)
        if before is None:
            self._at_hand[session] = _Session(at_ms, volume, ends)
            return volume
        since = volume.since(before.volume)
        if since.is_negative():
            if at_ms < before.seen_ms or before.ended:
                return None  # a later record came first and has reported these bytes too
            raise SmallerTotalError("is less than in an earlier record of the session")
        seen_ms = max(at_ms, before.seen_ms)
        self._at_hand[session] = _Session(seen_ms, volume, ends or before.ended)
        return since if since.sum_bytes else None

    def fold(self, file: str) -> None:
        """Remember the records of a file after it was sent. To call it twice does no harm."""
        if file != self._file or not self._at_hand:
            return
        try:
            with self._open() as database:
                self._write(database)
                database.execute("DELETE FROM folded")
                database.execute("INSERT INTO folded VALUES (?)", (file,))
        except sqlite3.Error as error:
            raise self._failed(error) from error
        self._at_hand = {}

    def open_sessions(self) -> int:
        """How many sessions have not ended yet."""
        if self._database is None and not self._at_hand:
            return 0
        count: int = self._query("SELECT count(*) FROM sessions WHERE NOT ended")[0][0]
        return count

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _known(self, session: str) -> _Session | None:
        if session in self._at_hand:
            return self._at_hand[session]
        found = self._query(
            "SELECT seen_ms, uplink_bytes, downlink_bytes, total_bytes, ended FROM sessions "
            "WHERE session = ?",
            session,
        )
        if not found:
            return None
        seen_ms, uplink, downlink, total, ended = found[0]
        return _Session(seen_ms, Volume(uplink, downlink, total), bool(ended))

    def _query(self, text: str, *values: Any) -> list[Any]:
        try:
            return self._open().execute(text, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            place = ":memory:" if self.path is None else str(self.path)
            if self.path is not None:
                _refuse_no_file(self.path)
                # SQLite gives its journal the mode of the database.
                open_private(self.path, "ab").close()
            self._database = sqlite3.connect(place)
            self._database.executescript(_SCHEMA)
        return self._database

    def _write(self, database: sqlite3.Connection) -> None:
        database.executemany(
            "DELETE FROM sessions WHERE session = ?",
            [(one,) for one, held in self._at_hand.items() if held is _GONE],
        )
        database.executemany(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
            [
                (name, one.seen_ms, *one.volume, one.ended)
                for name, one in self._at_hand.items()
                if one is not None
            ],
        )
        newest = database.execute("SELECT max(seen_ms) FROM sessions").fetchone()[0]
        if newest is not None:
            oldest = newest - self.forget_ms
            database.execute("DELETE FROM sessions WHERE seen_ms < ?", (oldest,))
        over = database.execute("SELECT count(*) FROM sessions").fetchone()[0] - self.kept
        if over > 0:
            database.execute(
                "DELETE FROM sessions WHERE session IN "
                "(SELECT session FROM sessions ORDER BY seen_ms, session LIMIT ?)",
                (over,),
            )
            self.pushed_out += over

    def _failed(self, error: sqlite3.Error) -> SessionsError:
        return SessionsError(f"the memory of sessions {self.path or ''} cannot be used: {error}")


def volume_of(found: Columns[str, int | None]) -> Volume:
    """The bytes that a record reports, from its byte counts. Raises ValueError.

    Both directions count if both are there, else the total, else the only direction.
    """
    uplink, downlink, total = (
        found.get(name) for name in ("uplink_bytes", "downlink_bytes", "total_bytes")
    )
    if uplink is not None and downlink is not None:
        if total is not None and total != uplink + downlink:
            raise ValueError("differs from the sum of both directions")
        return Volume(uplink, downlink)
    if total is not None:
        if total < (uplink or downlink or 0):
            raise ValueError("is less than one direction alone")
        return Volume(total_bytes=total)
    raise ValueError("is missing, and so is a direction")
