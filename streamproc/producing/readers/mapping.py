"""Maps columns of a foreign record to fields of an event, by a mapping file.

docs/producer.md describes the file. A record is a flat table from column to text here, whatever
it was before (a CSV row, a JSON object, a TMF635 usage), so that one kind of mapping serves all.
"""

from __future__ import annotations

from collections.abc import Mapping as Columns
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml
from msgspec import NODEFAULT, Meta, Struct, defstruct

from streamproc.contracts.records.usage_fields import USAGE_FIELDS
from streamproc.core.state.events import UsageRecorded
from streamproc.errors import StreamprocError
from streamproc.producing.events import InvalidEventError, build, checked

UNIT_BYTES = {
    "B": 1, "octets": 1,
    "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
Unit = Literal["B", "octets", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"]
Column = str | Annotated[int, Meta(ge=1)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS = frozenset(one.name for one in USAGE_FIELDS if one.sort == "number")


class MappingError(StreamprocError, ValueError):
    """A mapping file is wrong; the message names the file and the field."""


class _Strict(Struct, forbid_unknown_fields=True, frozen=True):
    pass


class TextField(_Strict, frozen=True):
    """A text field: a column (or the first filled one of several), several joined, or a value."""

    column: Column | list[Column] | None = None
    join: list[Column] | None = None
    separator: str = "-"
    value: str | None = None
    default: str | None = None
    strip_prefix: str = ""
    map: dict[str, str] = {}

    def of(self, columns: Columns[Any, str]) -> str | None:
        """The text; None if there is none. Raises KeyError for a missing column to join."""
        if self.value is not None:
            return self.value
        if self.join is not None:
            return self.separator.join(columns[name] for name in self.join)
        names = self.column if isinstance(self.column, list) else [self.column]
        found = next((columns[name] for name in names if columns.get(name)), None)
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

    def of(self, columns: Columns[Any, str]) -> int | None:
        names = self.column if isinstance(self.column, list) else [self.column]
        text = next((columns[name] for name in names if columns.get(name)), None)
        if text is None:
            return None
        unit = columns.get(self.unit_column, "") if self.unit_column is not None else self.unit
        if unit not in UNIT_BYTES:
            raise ValueError(f"unknown unit, known are {', '.join(UNIT_BYTES)}")
        try:
            return round(Decimal(text.strip()) * UNIT_BYTES[unit])
        except (InvalidOperation, OverflowError, ValueError):
            raise ValueError("is no number") from None


class Time(_Strict, frozen=True):
    """An instant: ISO 8601 (``iso``), ``unix_s``, ``unix_ms``, or a strptime format."""

    column: Column | list[Column]
    format: str = "iso"
    zone: str | None = None
    """IANA zone of times that name none."""

    def of(self, columns: Columns[Any, str]) -> datetime | None:
        names = self.column if isinstance(self.column, list) else [self.column]
        text = next((columns[name] for name in names if columns.get(name)), None)
        if text is None:
            return None
        text = text.strip()
        try:
            if self.format == "unix_s":
                return _EPOCH + timedelta(microseconds=int(Decimal(text) * 1_000_000))
            if self.format == "unix_ms":
                return _EPOCH + timedelta(milliseconds=int(text))
            if self.format == "iso":
                when = datetime.fromisoformat(text)
            else:
                when = datetime.strptime(text, self.format)
        except (ValueError, InvalidOperation, OverflowError):
            raise ValueError(f"is no time of the form {self.format}") from None
        if when.tzinfo is None:
            if self.zone is None:
                raise ValueError("has no zone; give `zone` in the mapping")
            when = when.replace(tzinfo=ZoneInfo(self.zone))
        return when


class Condition(_Strict, frozen=True):
    """Rows to take: the column must be one of ``values``."""

    column: Column
    values: Annotated[list[str], Meta(min_length=1)]


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
    # The fields that an event of usage has, without those that the mapping itself gives.
    Fields = defstruct("Fields", _ALWAYS + _OF_USAGE, bases=(_Strict,), frozen=True)


class Mapping(_Strict, frozen=True):
    """A mapping file."""

    source: Annotated[str, Meta(min_length=1, max_length=64)]
    fields: Fields
    only: list[Condition] = []
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    header: bool = True
    """Columns are named by the first line; else they have numbers from 1 on."""
    skip_lines: Annotated[int, Meta(ge=0)] = 0
    encoding: str = "utf-8"

    def takes(self, columns: Columns[Any, str]) -> bool:
        """Whether the record is one of those to send."""
        return all(columns.get(one.column) in one.values for one in self.only)

    def event(self, columns: Columns[Any, str], fallback_id: str) -> tuple[bytes, bytes]:
        """Key and value of the record's event. Raises :class:`InvalidEventError`."""
        given: dict[str, Any] = {"source": self.source}
        for name in self.fields.__struct_fields__:
            part: TextField | Time | Amount | None = getattr(self.fields, name)
            if part is not None:
                given[name] = _value(name, part, columns)
        given["id"] = given.get("id") or fallback_id
        if given.get("time") is None:
            raise InvalidEventError("is missing", "time")
        if given.get("subscriber") is None:
            raise InvalidEventError("is missing", "subscriber")
        return checked(build(UsageRecorded, **given))


def _value(name: str, part: TextField | Time | Amount, columns: Columns[Any, str]) -> Any:
    """A field of the event. Raises :class:`InvalidEventError`."""
    try:
        found = part.of(columns)
    except KeyError:
        raise InvalidEventError("a column it is made of is missing", name) from None
    except ValueError as error:
        raise InvalidEventError(str(error), name) from None
    if found is None or name not in _NUMBERS:
        return found
    text = str(found).strip()
    if not text.isdecimal():
        raise InvalidEventError("is no number", name)
    return int(text)


def load_mapping(path: Path) -> Mapping:
    """Raises :class:`MappingError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"{path}: cannot be read: {error}") from error
    return parse_mapping(text, str(path))


def parse_mapping(text: str, name: str) -> Mapping:
    """Raises :class:`MappingError`; ``name`` is the file's, for the message."""
    try:
        mapping = msgspec.convert(yaml.safe_load(text), Mapping)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise MappingError(f"{name}:{line}: {error.problem}") from None
    except msgspec.ValidationError as error:
        problem, _, at = str(error).partition(" - at `$.")
        raise MappingError(f"{name}: {at.rstrip('`') or 'mapping'}: {problem}") from None
    fields = mapping.fields
    if (fields.total_bytes is None) == (fields.uplink_bytes is None) or (
        (fields.uplink_bytes is None) != (fields.downlink_bytes is None)
    ):
        raise MappingError(
            f"{name}: fields: give either total_bytes or both uplink_bytes and downlink_bytes"
        )
    if fields.time.zone is not None:
        try:
            ZoneInfo(fields.time.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise MappingError(f"{name}: fields.time.zone: no such IANA zone") from None
    return mapping
