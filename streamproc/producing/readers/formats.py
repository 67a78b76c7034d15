"""The formats that can be read, by name."""

from __future__ import annotations

import csv
import io
import json
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

import msgspec

from streamproc.contracts.numbers import Numbering
from streamproc.errors import StreamprocError
from streamproc.producing.events import (
    ANY_NUMBERS,
    InvalidEventError,
    checked_value,
    subscriber_of,
    unwrapped,
    with_keys_in,
)
from streamproc.producing.readers.bounds import (
    MAX_JSON_BYTES,
    MAX_JSON_VALUES,
    MAX_LINE_BYTES,
    TOO_LONG,
    bounded_lines,
)
from streamproc.producing.readers.mapping import Mapping, load_mapping, parse_mapping
from streamproc.producing.readers.radius import attribute_tables
from streamproc.producing.readers.record_results import (
    BadRecord,
    LeftOut,
    Read,
    Reader,
    ReadEvent,
    ReadSettings,
    UnreadableFileError,
)
from streamproc.producing.readers.sessions import Sessions

Table = dict[Any, str]
"""Text by column name or number."""
Tables = Iterator[tuple[int, Table | str | None]]
"""Lines and their tables, or the reason why a line cannot be read; None: the form has a default
reason."""


class FormatError(StreamprocError, ValueError):
    """No such form, or its mapping is missing."""


class FormTakenError(StreamprocError, ValueError):
    """There is a form of that name already."""


class InputForm(NamedTuple):
    """One form that is read; :data:`FORMS` has all of them."""

    name: str
    """The name in ``streamproc send --format``."""
    says: str
    """The content of such a file."""
    reader: Callable[[ReadSettings], Reader]
    """The reader. Raises :class:`FormatError`, MappingError."""
    suffixes: tuple[str, ...] = ()
    """Endings of file names that mean this form, such as ``.cdr``."""
    takes_mapping: bool = True
    """Whether a mapping file can say what its fields are."""


def open_reader(
    name: str,
    mapping: Path | None = None,
    numbering: Numbering = Numbering(),  # noqa: B008
    sessions: Sessions | None = None,
) -> Reader:
    """The reader of a form. Raises :class:`FormatError`, MappingError."""
    if name not in FORMS:
        raise FormatError(f"no form {name!r}; known are {', '.join(FORMS)}")
    return FORMS[name].reader(ReadSettings(mapping, numbering, sessions or Sessions()))


def _mapped(
    name: str, tables: Callable[[BinaryIO, Mapping], Tables], unreadable: str | None
) -> Callable[[ReadSettings], Reader]:
    """A reader of tables, of which a mapping file says which column is what.

    ``unreadable`` says what a line without a table is; None: nothing that is to be sent.
    """

    def opened(settings: ReadSettings) -> Reader:
        path = settings.mapping
        chosen = load_mapping(path) if path is not None else _packaged(name)
        if chosen is None:
            raise FormatError(
                f"{name} needs a mapping file that explains the columns: give --mapping FILE "
                "(docs/producer.md shows one)"
            )
        if chosen.running_totals is not None:
            settings.sessions.forget_ms = chosen.running_totals.forget_hours * 3_600_000
            settings.sessions.kept = chosen.running_totals.kept_sessions
        return partial(_read_mapped, tables, chosen, unreadable, settings)

    return opened


def _read_mapped(
    tables: Callable[[BinaryIO, Mapping], Tables],
    mapping: Mapping,
    unreadable: str | None,
    settings: ReadSettings,
    content: BinaryIO,
    identity: str,
) -> Iterator[Read]:
    settings.sessions.begin_file(identity)
    before, again = 0, 0
    for line, columns in tables(content, mapping):
        if not isinstance(columns, dict):
            fault = unreadable if columns is None else columns
            yield LeftOut(line) if fault is None else BadRecord(line, fault)
            continue
        # One record can be several events, each with an id of its own.
        before, again = line, again + 1 if line == before else 0
        fallback_id = f"{identity}-{line}-{again}" if again else f"{identity}-{line}"
        try:
            found = mapping.event(columns, fallback_id, settings.sessions, settings.numbering)
        except InvalidEventError as error:
            yield BadRecord(line, str(error))
            continue
        yield LeftOut(line) if found is None else ReadEvent(line, *found)


def read_ndjson(
    content: BinaryIO, identity: str, numbering: Numbering = ANY_NUMBERS
) -> Iterator[Read]:
    """Events as they are in the topic, or in CloudEvents envelopes.

    A missing ``id`` is derived from the file and the line.
    """
    for line, held in enumerate(bounded_lines(content), 1):
        if held is None:
            yield BadRecord(line, TOO_LONG)
            continue
        text = (held.removeprefix(BOM_UTF8) if line == 1 else held).strip()
        if not text:
            continue
        try:
            text = with_keys_in(unwrapped(text), numbering)
            key = subscriber_of(text)
            if b'"id"' not in text:
                event = msgspec.json.decode(text, type=dict[str, Any])
                text = msgspec.json.encode({**event, "id": f"{identity}-{line}"})
            yield ReadEvent(line, key, checked_value(key, text, numbering.kind))
        except InvalidEventError as error:
            yield BadRecord(line, str(error))


def _csv_tables(content: BinaryIO, mapping: Mapping) -> Tables:
    text = io.TextIOWrapper(content, mapping.encoding, newline="")
    for _ in range(mapping.skip_lines):
        text.readline(MAX_LINE_BYTES)
    lines = _TextLines(text)
    rows = csv.reader(lines, delimiter=mapping.delimiter)
    names: list[Any] | None = None
    ends: int | None = None
    first = mapping.skip_lines + 1
    while True:
        begun = rows.line_num
        try:
            row = next(rows, None)
        except csv.Error as error:
            if rows.line_num > begun + 1:
                raise UnreadableFileError(f"line {first + begun}: {UNCLOSED}") from None
            yield rows.line_num + mapping.skip_lines, f"is no row of CSV: {error}"
            continue
        if row is None:
            return
        if lines.are_over:
            # Its last field went on to the end of the file, and took all records after it.
            raise UnreadableFileError(f"line {first + begun}: {UNCLOSED}")
        if not row:
            continue
        line = rows.line_num + mapping.skip_lines
        if mapping.header and names is None:
            names = [name.strip().removeprefix("\ufeff") for name in row]
            _check_delimiter(row, names, mapping)
            _check_names(names, mapping)
            continue
        more = [] if names is None else row[len(names) :]
        if ends is None:
            ends = len(more)  # empty ones, if the program ends each line with a delimiter
        if more and (any(one.strip() for one in more) or len(more) != ends):
            # Its fields would be those of other columns.
            yield line, MORE_FIELDS
            continue
        yield line, dict(zip(names or range(1, len(row) + 1), row, strict=False))


def _check_delimiter(row: list[str], names: list[Any], mapping: Mapping) -> None:
    """Raises :class:`UnreadableFileError` if the header is split by another delimiter."""
    used = set(mapping.texts())
    if used & set(names):
        return
    for other in DELIMITERS:
        if other != mapping.delimiter and used & {one.strip() for one in row[0].split(other)}:
            raise UnreadableFileError(
                f"its columns are separated by {DELIMITERS[other]}, and the mapping says "
                f"{DELIMITERS.get(mapping.delimiter, repr(mapping.delimiter))}: write delimiter: "
                f"{json.dumps(other)} in the mapping file"
            )


def _check_names(names: list[Any], mapping: Mapping) -> None:
    """Raises :class:`UnreadableFileError` if two columns have a name that the mapping uses."""
    # All names are counted together: with a count for each name, a line of many takes minutes.
    twice = {name for name, times in Counter(names).items() if times > 1}
    used = sorted(twice & set(mapping.texts())) if twice else []
    if used:
        raise UnreadableFileError(
            f"two columns are named {used[0]!r}; with `header: false` and `skip_lines`, columns "
            "are numbers"
        )


class _TextLines:
    """The lines of a table. A table with a line that is too long is none."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._lines = bounded_lines(text)
        self.are_over = False

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._lines, 1):
            if line is None:
                raise UnreadableFileError(f"line {number} {TOO_LONG}")
            yield line
        self.are_over = True


DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""Usual ones, in words."""
MORE_FIELDS = "has more fields than the header: is a delimiter within a field?"
UNREADABLE_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
NESTED = "is nested too deeply"
UNCLOSED = "a quote is opened and never closed, so the records after it are part of its field"
CGRATES_FIELDS = (
    "RunID", "ToR", "OriginID", "RequestType", "Tenant", "Category", "Account", "Subject",
    "Destination", "SetupTime", "AnswerTime", "Usage", "Cost",
)  # fmt: skip
CGRATES_NAMES = {"CGRID", *CGRATES_FIELDS}
TYPES_OF_RECORD = {"*data", "*voice", "*sms", "*mms", "*generic", "*monetary"}


def _cgrates_tables(content: BinaryIO, mapping: Mapping) -> Tables:
    """CDRs by field name. CGRateS writes the same fields in the same order, with and without a
    template, but OriginHost may come before RunID. The type of record shows whether it does."""
    for line, columns in _csv_tables(content, mapping):
        row = list(columns.values()) if isinstance(columns, dict) else []
        at = next((n for n, text in enumerate(row[:5]) if text in TYPES_OF_RECORD), 0)
        if at < 2 or len(row) < at + len(CGRATES_FIELDS) - 2:
            if not (line == 1 and CGRATES_NAMES & set(row)):
                yield line, None
            continue
        yield line, {"CGRID": row[0], **dict(zip(CGRATES_FIELDS, row[at - 1 :], strict=False))}


def _json_tables(content: BinaryIO, flatten: Any) -> Tables:
    """Objects of an array, of a single object, or of lines."""
    start = content.read(1)
    while start.isspace():
        start = content.read(1)
    items = _json_array(content) if start == b"[" else _json_lines(start, content)
    for number, item in enumerate(items, 1):
        try:
            yield number, flatten(item) if isinstance(item, dict) else None
        except RecursionError:
            yield number, NESTED


def _json_array(content: BinaryIO) -> Iterator[Any]:
    """The items of an array whose bracket is read already; None: there is no array."""
    held = content.read(MAX_JSON_BYTES + 1)
    if len(held) > MAX_JSON_BYTES or held.count(b",") > MAX_JSON_VALUES:
        raise UnreadableFileError("is an array that is too large; write one object a line")
    try:
        items = msgspec.json.decode(b"[" + held, type=list[msgspec.Raw])
    except UNREADABLE_JSON:
        yield None
        return
    for item in items:
        yield _decoded(item)


def _json_lines(start: bytes, content: BinaryIO) -> Iterator[Any]:
    """One object a line, or one object over all lines."""
    first = start + content.readline(MAX_LINE_BYTES)
    if not _is_json(first):
        # It may be one object over several lines. Else each line is looked at on its own.
        rest = content.read(MAX_LINE_BYTES)
        if _is_json(first + rest):
            yield _decoded(first + rest)
            return
        yield None
        content = cast(BinaryIO, io.BufferedReader(_Joined(rest, content)))
    else:
        yield _decoded(first)
    for line in bounded_lines(content):
        if line is None or line.strip():
            yield None if line is None else _decoded(line)


class _Joined(io.RawIOBase):
    """Bytes that were read already, and then the rest of their file."""

    def __init__(self, held: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._held = io.BytesIO(held)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._held.read(len(buffer)) or self._rest.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)


def _is_json(text: bytes) -> bool:
    return _decoded(text) is not None


def _decoded(text: bytes | msgspec.Raw) -> Any:
    if len(memoryview(text)) > MAX_LINE_BYTES:
        return None
    try:
        return msgspec.json.decode(text)
    except UNREADABLE_JSON:
        return None


def _flat(item: dict[str, Any], before: str = "") -> Table:
    table: Table = {}
    for name, value in item.items():
        if isinstance(value, dict):
            table.update(_flat(value, f"{before}{name}."))
        elif value is not None and not isinstance(value, list):
            table[before + name] = value if isinstance(value, str) else str(value)
    return table


def _flat_usage(item: dict[str, Any]) -> Table:
    """A TMF635 usage: characteristics by name, related parties as ``relatedParty.ROLE``.

    Roles can have any case. Some systems write a single party without list or role.
    """
    table = _flat(item)
    listed = item.get("usageCharacteristic")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            table.update(_flat({one["name"]: one.get("value")}))
    parties = item.get("relatedParty")
    for one in parties if isinstance(parties, list) else [parties]:
        if isinstance(one, dict) and one.get("id") is not None:
            role = str(one.get("role") or "")
            for name in (f"relatedParty.{role}", f"relatedParty.{role.lower()}"):
                table[name if role else "relatedParty"] = str(one["id"])
    return table


def _packaged(name: str) -> Mapping | None:
    file = resources.files("streamproc.producing.readers").joinpath(f"mappings/{name}.yaml")
    if not file.is_file():
        return None
    return parse_mapping(file.read_text(encoding="utf-8"), f"{name}.yaml")


FORMS: Final[dict[str, InputForm]] = {}
"""The forms by name, in the order of messages."""


def add(form: InputForm) -> None:
    """Accept files of a form. Raises :class:`FormTakenError`."""
    if form.name in FORMS or form.name == "auto":
        raise FormTakenError(f"there is a form {form.name!r} already")
    FORMS[form.name] = form


def form_by_name(path: Path, *, has_mapping: bool) -> str:
    """The form of a file by its name alone: ``usage.csv.gz`` is CSV."""
    kinds = {one.lower() for one in path.suffixes}
    for form in FORMS.values():
        if kinds & set(form.suffixes):
            return form.name
    if has_mapping:
        return "json" if kinds & {".json", ".ndjson", ".jsonl"} else "csv"
    return "ndjson"


def _charging_tables(content: BinaryIO) -> Tables:
    # Imported late: the import of asn1tools takes a tenth of a second.
    from streamproc.producing.readers.charging_records import charging_tables

    yield from charging_tables(content)


_NO_OBJECT: Final = "is not a JSON object"
for _form in (
    InputForm(
        "ndjson",
        "events of the contract, plain or as CloudEvents, one JSON object a line",
        lambda settings: partial(read_ndjson, numbering=settings.numbering),
        takes_mapping=False,
    ),
    InputForm(
        "csv",
        "any CSV, with --mapping",
        _mapped("csv", _csv_tables, _NO_OBJECT),
        (".csv",),
    ),
    InputForm(
        "json",
        "any JSON objects, with --mapping; nested fields as a.b",
        _mapped("json", lambda content, _: _json_tables(content, _flat), _NO_OBJECT),
    ),
    InputForm(
        "cgrates-csv",
        "CDRs as CGRateS exports them to CSV",
        _mapped("cgrates-csv", _cgrates_tables, "is no CDR"),
    ),
    InputForm(
        "tmf635",
        "TM Forum TMF635 usage: an object, an array, or one a line",
        _mapped("tmf635", lambda content, _: _json_tables(content, _flat_usage), _NO_OBJECT),
    ),
    InputForm(
        "radius-detail",
        "RADIUS accounting as FreeRADIUS's detail module writes it",
        _mapped(
            "radius-detail",
            lambda content, _: attribute_tables(content),
            "is no record of attributes, or is cut off",
        ),
    ),
    InputForm(
        "3gpp-cdr",
        "3GPP charging records in BER (TS 32.298), plain or in files of TS 32.297",
        _mapped("3gpp-cdr", lambda content, _: _charging_tables(content), None),
    ),
):
    add(_form)
