"""Maps columns of a foreign record to fields of an event, by a mapping file.

docs/producer.md describes the file. Here a record is a flat table from column to text, whatever it
was before (a CSV row, a JSON object, a TMF635 usage). So one kind of mapping is enough for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Columns
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import NODEFAULT, Meta, Struct, defstruct
from msgspec.structs import replace

from streamproc.contracts.numbers import (
    NumberError,
    Numbering,
    UnknownRegionError,
    check_region,
    subscriber_key,
)
from streamproc.contracts.records.usage_fields import USAGE_FIELDS
from streamproc.contracts.rules_file.read.faults import faults
from streamproc.contracts.rules_file.read.field_lines import Path as FieldPath
from streamproc.contracts.rules_file.read.field_lines import SyntaxProblem, listed
from streamproc.contracts.rules_file.read.parse import parse, read_file
from streamproc.contracts.zones import is_zone
from streamproc.core.instants import to_ms
from streamproc.core.state.events import UsageRecorded
from streamproc.core.subscribers import SubscriberKind
from streamproc.errors import StreamprocError
from streamproc.printable import printable
from streamproc.producing.events import InvalidEventError, build, checked
from streamproc.producing.readers.sessions import (
    Sessions,
    SmallerTotalError,
    Volume,
    volume_of,
)

UNIT_BYTES = {
    "B": 1, "octets": 1,
    "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
Unit = Literal["B", "octets", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"]
Column = str | Annotated[int, Meta(ge=1)]
GIGAWORD_BYTES = 2**32
MOST_DIGITS = 40
MOST_BYTES = 2**63 - 1
Note = Literal["twice", "missing"]
"""Why a local time is doubtful: it exists twice, or not at all."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GROUPED = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
"""``1.234`` is 1,234 in half of the world."""
_ZONE_NAME = re.compile(r"(?<!%)(?:%%)*%Z")
"""``strptime`` reads such a name and forgets it."""
_BYTES = Volume._fields
_NUMBERS = frozenset(one.name for one in USAGE_FIELDS if one.sort == "number")


class Mapped(NamedTuple):
    """The event of a record: key and value."""

    key: bytes
    value: bytes
    note: Note | None = None


class MappingError(StreamprocError, ValueError):
    """A mapping file is wrong; the message names the file and the field."""

    has_lines = True


class _Strict(Struct, forbid_unknown_fields=True, frozen=True):
    pass


class TextField(_Strict, frozen=True):
    """A text field: a column (or the first filled one of several), several joined, or a
    constant."""

    column: Column | list[Column] | None = None
    join: list[Column] | None = None
    separator: str = "-"
    value: str | None = None
    default: str | None = None
    strip_prefix: str = ""
    map: dict[str, str] = {}

    def of(self, columns: Columns[Any, str]) -> str | None:
        """The text; None if there is none. Raises KeyError if a column to join is missing."""
        if self.value is not None:
            return self.value
        if self.join is not None:
            return self.separator.join(columns[name] for name in self.join)
        found = None if self.column is None else _first(self.column, columns)
        if found is None:
            return self.default
        found = found.removeprefix(self.strip_prefix)
        if self.map:
            return self.map.get(found, self.default)
        return found


class Amount(_Strict, frozen=True):
    """A number of bytes in ``unit``; decimal fractions are allowed and rounded to whole bytes."""

    column: Column | list[Column]
    unit: Unit = "B"
    unit_column: Column | None = None
    gigawords: Column | list[Column] | None = None
    """The column that counts the overflows of a 32-bit counter: each adds 2^32 bytes."""
    absent: Annotated[int, Meta(ge=0)] | None = None
    """Bytes of a record that has none of the columns."""

    def of(self, columns: Columns[Any, str]) -> int | None:
        text = _first(self.column, columns)
        words = None if self.gigawords is None else _first(self.gigawords, columns)
        if text is None and words is None:
            return None
        unit = columns.get(self.unit_column, "") if self.unit_column is not None else self.unit
        if unit not in UNIT_BYTES:
            raise ValueError(f"unknown unit, known are {', '.join(UNIT_BYTES)}")
        if text is not None and UNIT_BYTES[unit] == 1 and _GROUPED.fullmatch(text.strip()):
            raise ValueError("has a point before three digits: thousands, or parts of a byte?")
        try:
            counted = round(_decimal(text or "0") * UNIT_BYTES[unit])
            passed = _decimal(words or "0")
            if passed != int(passed) or passed < 0:
                raise ValueError("no count")
            counted += int(passed) * GIGAWORD_BYTES
        except (InvalidOperation, OverflowError, ValueError):
            raise ValueError("is not a number") from None
        if abs(counted) > MOST_BYTES:
            raise ValueError("is more than a counter of bytes can hold")
        return counted


class Time(_Strict, frozen=True):
    """An instant: ISO 8601 (``iso``), ``unix_s``, ``unix_ms``, or a strptime format."""

    column: Column | list[Column]
    format: str = "iso"
    zone: str | None = None
    """IANA zone of times without a zone."""
    twice: Literal["first", "second", "refuse"] = "first"
    """Which instant a local time means that exists twice because clocks were set back."""
    missing: Literal["take", "refuse"] = "take"
    """What to do with a local time that was skipped because clocks were set forward; ``take`` reads
    it as if they had not been."""
    delay_column: Column | None = None
    """Column with the delay of the record in seconds; it is subtracted from the time."""

    def of(self, columns: Columns[Any, str]) -> datetime | None:
        """The instant. Raises ValueError."""
        return self.read(columns)[0]

    def read(self, columns: Columns[Any, str]) -> tuple[datetime | None, Note | None]:
        """The instant, and why it is doubtful. Raises ValueError."""
        text = _first(self.column, columns)
        if text is None:
            return None, None
        when = self._parsed(text.strip())
        note: Note | None = None
        try:
            if when.tzinfo is None:
                if self.zone is None:
                    raise ValueError("has no zone; give `zone` in the mapping")
                when, note = self._placed(when.replace(tzinfo=ZoneInfo(self.zone)))
            delay = self._delay(columns)
            at = when.astimezone(UTC) - delay
        except OverflowError:  # .NET writes 0001-01-01 for no time
            raise ValueError("is beyond the calendar") from None
        return (at if delay else when), note

    def _parsed(self, text: str) -> datetime:
        try:
            if self.format == "unix_s":
                return _EPOCH + timedelta(microseconds=int(_decimal(text) * 1_000_000))
            if self.format == "unix_ms":
                return _EPOCH + timedelta(milliseconds=int(_decimal(text)))
            if self.format == "iso":
                return datetime.fromisoformat(text)
            return datetime.strptime(text, self.format)
        except (ValueError, InvalidOperation, OverflowError, re.error):
            # ``strptime`` makes a regular expression, and a directive that is twice in it is wrong.
            raise ValueError(f"is not a time of the form {self.format}") from None

    def _placed(self, local: datetime) -> tuple[datetime, Note | None]:
        """The instant of a local time, and why it is doubtful."""
        later = local.replace(fold=1)
        if local.utcoffset() == later.utcoffset():
            return local, None
        if local.astimezone(UTC).astimezone(local.tzinfo).replace(tzinfo=None) == local.replace(
            tzinfo=None
        ):
            if self.twice == "refuse":
                raise ValueError(f"exists twice in {self.zone}: clocks were set back")
            return (later if self.twice == "second" else local).astimezone(UTC), "twice"
        if self.missing == "refuse":
            raise ValueError(f"does not exist in {self.zone}: clocks were set forward")
        return local.astimezone(UTC), "missing"

    def _delay(self, columns: Columns[Any, str]) -> timedelta:
        text = None if self.delay_column is None else columns.get(self.delay_column)
        if not text:
            return timedelta()
        try:
            return timedelta(seconds=int(_decimal(text)))
        except (ValueError, InvalidOperation, OverflowError):
            raise ValueError("has a delay that is not a number of seconds") from None


class Condition(_Strict, frozen=True):
    """Rows to accept: the column must have one of ``values``."""

    column: Column
    values: Annotated[list[str], Meta(min_length=1)]

    def holds(self, columns: Columns[Any, str]) -> bool:
        """Whether the record satisfies it."""
        return columns.get(self.column) in self.values


class RunningTotals(_Strict, frozen=True):
    """Records whose bytes count from the start of the session, not from the last record."""

    session: Annotated[list[Column | list[Column]], Meta(min_length=1)]
    """Columns that together identify a session. Each can be a list: its first filled column counts.
    The first must not be empty."""
    only: list[Condition] = []
    """Records that have running totals; all conditions must hold."""
    starts: list[Condition] = []
    """Records that begin a session."""
    ends: list[Condition] = []
    """Records that end one."""
    forget_hours: Annotated[int, Meta(ge=1, le=8_784)] = 72
    """A session without a record for this long is forgotten."""
    kept_sessions: Annotated[int, Meta(ge=1)] = 1_000_000


_ALWAYS: list[tuple[str, Any, Any]] = [
    ("subscriber", TextField, NODEFAULT),
    ("time", Time, NODEFAULT),
    ("id", TextField | None, None),
]
_OF_USAGE: list[tuple[str, Any, Any]] = [
    (one.name, (Amount if one.sort == "bytes" else TextField) | None, None) for one in USAGE_FIELDS
]

if TYPE_CHECKING:
    Fields = Any
else:
    # The fields of a usage event, without those that the mapping itself gives.
    Fields = defstruct("Fields", _ALWAYS + _OF_USAGE, bases=(_Strict,), frozen=True)


class Mapping(_Strict, frozen=True):
    """A mapping file."""

    source: Annotated[str, Meta(min_length=1, max_length=64)]
    fields: Fields
    only: list[Condition] = []
    leave_out: list[Condition] = []
    """Rows to ignore, such as those at the start of a session."""
    running_totals: RunningTotals | None = None
    region: str | None = None
    """Country of numbers without country code, such as CN."""
    subscribers: SubscriberKind = "any"
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    header: bool = True
    """Whether the first line names the columns; otherwise they have numbers from 1."""
    skip_lines: Annotated[int, Meta(ge=0)] = 0
    encoding: str = "utf-8"

    def takes(self, columns: Columns[Any, str]) -> bool:
        """Whether the record must be sent."""
        wanted = all(one.holds(columns) for one in self.only)
        return wanted and not any(one.holds(columns) for one in self.leave_out)

    def numbering(self, given: Numbering) -> Numbering:
        """How to read subscribers: by the mapping, else by the options of the command."""
        kind = given.kind if self.subscribers == "any" else self.subscribers
        return Numbering(self.region or given.region, kind)

    def event(
        self,
        columns: Columns[Any, str],
        fallback_id: str,
        sessions: Sessions | None = None,
        numbering: Numbering = Numbering(),  # noqa: B008
    ) -> Mapped | None:
        """The record's event; None if all its bytes were counted already.

        Raises :class:`InvalidEventError`.
        """
        sessions = sessions if sessions is not None else Sessions()
        if self._begins(columns, sessions) or not self.takes(columns):
            return None
        given: dict[str, Any] = {"source": self.source}
        for name in self.fields.__struct_fields__:
            part = getattr(self.fields, name)
            if isinstance(part, TextField | Amount):
                given[name] = _value(name, part, columns)
        given["id"] = given.get("id") or fallback_id
        given["time"], note = self._time(columns)
        how = self.numbering(numbering)
        given["subscriber"] = _number("subscriber", given.get("subscriber"), how)
        if given.get("member"):
            given["member"] = _number("member", given["member"], how)
        volume = self._since_before(columns, self._volume(given), given["time"], sessions)
        if volume is None:
            return None
        given.update(zip(_BYTES, volume, strict=True))
        event = build(UsageRecorded, numbering=Numbering(kind="ids"), **given)
        return Mapped(*checked(event, how.kind), note)

    def texts(self) -> Iterator[str]:
        """All texts in it, the names of its columns among them."""
        parts: list[Any] = [msgspec.to_builtins(self)]
        while parts:
            part = parts.pop()
            if isinstance(part, str):
                yield part
            elif isinstance(part, dict):
                parts += part.values()
            elif isinstance(part, list | tuple):
                parts += part

    def _begins(self, columns: Columns[Any, str], sessions: Sessions) -> bool:
        totals = self.running_totals
        if totals is None or not any(one.holds(columns) for one in totals.starts):
            return False
        if all(one.holds(columns) for one in totals.only):
            sessions.begin_session(self._session(totals, columns))
        return True

    def _session(self, totals: RunningTotals, columns: Columns[Any, str]) -> str:
        first, *others = (_first(part, columns) for part in totals.session)
        if first is None:
            raise InvalidEventError("is missing", "running_totals.session")
        return "\n".join((first, *(one or "" for one in others)))

    def _time(self, columns: Columns[Any, str]) -> tuple[datetime, Note | None]:
        try:
            when, note = self.fields.time.read(columns)
        except ValueError as error:
            raise InvalidEventError(str(error), "time") from None
        if when is None:
            raise InvalidEventError("is missing", "time")
        return when, note

    def _volume(self, given: Columns[str, Any]) -> Volume:
        """The bytes of a record. For a missing direction the mapping has a value."""
        found = {name: given.get(name) for name in _BYTES}
        if found["total_bytes"] is None and any(one is not None for one in found.values()):
            for name in _BYTES[:2]:
                part = getattr(self.fields, name)
                if found[name] is None and part is not None:
                    found[name] = part.absent
        for name, count in found.items():
            if count is not None and count < 0:
                raise InvalidEventError("must be a whole number of at least 0", name)
        if self.fields.total_bytes is None:
            for name in _BYTES[:2]:
                if found[name] is None:
                    raise InvalidEventError("is missing", name)
        try:
            return volume_of(found)
        except ValueError as error:
            raise InvalidEventError(str(error), "total_bytes") from None

    def _since_before(
        self, columns: Columns[Any, str], volume: Volume, when: datetime, sessions: Sessions
    ) -> Volume | None:
        totals = self.running_totals
        if totals is None or not all(one.holds(columns) for one in totals.only):
            return volume
        ends = any(one.holds(columns) for one in totals.ends)
        session = self._session(totals, columns)
        try:
            return sessions.difference(session, volume, to_ms(when), ends=ends)
        except SmallerTotalError as error:
            raise InvalidEventError(str(error), "total_bytes") from None


def _decimal(text: str) -> Decimal:
    """A number of a file. Raises ``ValueError``, ``InvalidOperation``.

    ``1e1000000`` is a number too, but to calculate with it takes minutes.
    """
    number = Decimal(text.strip()[: MOST_DIGITS + 1])
    if len(text.strip()) > MOST_DIGITS or not number.is_finite() or number.adjusted() > MOST_DIGITS:
        raise ValueError("a number without a meaning")
    return number


def _first(column: Column | list[Column], columns: Columns[Any, str]) -> str | None:
    """The first column that is not empty."""
    names = column if isinstance(column, list) else [column]
    return next((columns[name] for name in names if columns.get(name)), None)


def _number(name: str, text: str | None, numbering: Numbering) -> str:
    """A subscriber as a key. Raises :class:`InvalidEventError`."""
    if text is None:
        raise InvalidEventError("is missing", name)
    try:
        return subscriber_key(text, numbering)
    except NumberError as error:
        raise InvalidEventError(str(error), name) from None


def _value(name: str, part: TextField | Amount, columns: Columns[Any, str]) -> Any:
    """A field of the event. Raises :class:`InvalidEventError`."""
    try:
        found = part.of(columns)
    except KeyError:
        raise InvalidEventError("a column that it needs is missing", name) from None
    except ValueError as error:
        raise InvalidEventError(str(error), name) from None
    if found is None or name not in _NUMBERS:
        return found
    text = str(found).strip()
    if not text.isdecimal() or len(text) > MOST_DIGITS:  # ``int`` refuses very many digits
        raise InvalidEventError("is not a number", name)
    return int(text)


def load_mapping(path: Path) -> Mapping:
    """Raises :class:`MappingError`."""
    try:
        content = read_file(path)
    except OSError as error:
        problem = f"{path}: cannot be read: {error.strerror or error}"
        raise MappingError(printable(problem)) from None
    return parse_mapping(content, str(path))


def parse_mapping(source: str | bytes, name: str) -> Mapping:
    """Raises :class:`MappingError` with all problems; ``name`` is the file name for messages."""
    try:
        data, lines = parse(source, name, "source, fields")
    except SyntaxProblem as problem:
        raise MappingError(str(problem)) from None
    told = [*lines.problems, *((lines.of(path), path, one) for path, one in faults(data, Mapping))]
    if told:
        raise MappingError(listed(name, told))
    mapping = msgspec.convert(data, Mapping)
    told = [(lines.of(path), path, problem) for path, problem in _problems(mapping)]
    if told:
        raise MappingError(listed(name, told))
    if mapping.region is not None:
        mapping = replace(mapping, region=check_region(mapping.region))
    return mapping


def _problems(mapping: Mapping) -> Iterator[tuple[FieldPath, str]]:
    """Problems that types do not show."""
    fields = mapping.fields
    if (fields.uplink_bytes is None) != (fields.downlink_bytes is None) or (
        fields.total_bytes is None and fields.uplink_bytes is None
    ):
        yield (
            ("fields",),
            "give either total_bytes or both uplink_bytes and downlink_bytes, or all three",
        )
    if mapping.region is not None:
        try:
            check_region(mapping.region)
        except UnknownRegionError as error:
            yield ("region",), str(error)
    if _ZONE_NAME.search(fields.time.format):
        yield (
            ("fields", "time", "format"),
            "%Z reads no zone, so the time would be one of another zone; write the letters, such "
            "as UTC, and give `zone`",
        )
    if fields.time.zone is not None and not is_zone(fields.time.zone):
        yield ("fields", "time", "zone"), "no such IANA zone"
    if mapping.delimiter in '"\r\n':
        yield ("delimiter",), "must not be a quote or a line end"
    try:
        "".encode(mapping.encoding)
    except (LookupError, ValueError):
        yield ("encoding",), "Python knows no such encoding"
