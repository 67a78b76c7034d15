"""Recognises a file without events, and says in words what it contains."""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import msgspec

from streamproc.contracts.records.cloudevents import PREFIX, SUFFIX
from streamproc.contracts.records.encodings import other_encoding
from streamproc.core.state.events import SubscriberEvent
from streamproc.errors import StreamprocError

Form = Literal[
    "empty", "events", "recording", "objects", "array", "rules", "table", "binary", "other"
]  # fmt: skip
_EVENT_TYPES = frozenset(str(one.__struct_config__.tag) for one in get_args(SubscriberEvent))
_LOOKED_AT_BYTES = 1 << 20
_RECORD_FIELDS = frozenset({"timestamp_ms", "value", "value_base64", "key", "key_base64"})
_RULES_SUFFIXES = frozenset({".yaml", ".yml", ".toml"})
_TABLE_SUFFIXES = frozenset({".csv", ".tsv"})
_SEPARATORS = (b",", b";", b"\t")
IN_WORDS: dict[Form, str] = {
    "empty": "is empty: there is no event in it",
    "events": "holds no event that can be read",
    "recording": "is a recording of log records, which streamproc replay and simulate read",
    "objects": "holds JSON objects without a type, so no events",
    "array": "is a JSON array; write one event a line, without brackets and commas, or give "
    "--format",
    "rules": "is a rules file, not events",
    "table": "looks like CSV; give --mapping FILE, which explains its columns (docs/producer.md)",
    "binary": "is not text; give --format if it has a form of its own (docs/producer.md)",
    "other": "is not NDJSON",
}
"""The words for each, after the file's name."""
HINT = "events are JSON objects, one a line (docs/play.md)"


class NoEventsError(StreamprocError, ValueError):
    """A file without any event. The message is one line that says what the file is instead."""

    def __init__(self, name: str, form: Form, first: bytes = b"") -> None:
        """``first`` are the first bytes of the content: they say how a file is encoded."""
        says = other_encoding(first) if form == "binary" else ""
        super().__init__(f"{name} {says or IN_WORDS[form]}; {HINT}")
        self.form = form


def is_event(content: BinaryIO) -> bool:
    """Whether decompressed content begins with an event of the contract, plain or enveloped."""
    first = _first_line(content)
    try:
        held = msgspec.json.decode(first, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return str(held.get("type")).removeprefix(PREFIX).removesuffix(SUFFIX) in _EVENT_TYPES


def form_of(content: BinaryIO, name: str) -> Form:
    """The form of decompressed content, by its first line that is not blank and by its name."""
    first = _first_line(content)
    if not first:
        return "empty"
    if not _is_text(first):
        return "binary"
    if Path(name).suffix.lower() in _RULES_SUFFIXES:
        return "rules"
    if first.startswith(b"{"):
        return _form_of_object(first)
    if first.startswith(b"["):
        return "array"
    is_table = Path(name).suffix.lower() in _TABLE_SUFFIXES or any(
        separator in first for separator in _SEPARATORS
    )
    return "table" if is_table else "other"


def _first_line(content: BinaryIO) -> bytes:
    while line := content.readline(_LOOKED_AT_BYTES):
        first = line.removeprefix(BOM_UTF8).strip()
        if first:
            return first
    return b""


def _form_of_object(first: bytes) -> Form:
    try:
        held = msgspec.json.decode(first, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "events" if b'"type"' in first else "other"
    if "type" in held and "subscriber" in held:
        return "events"
    if held.keys() & _RECORD_FIELDS:
        return "recording"
    return "events" if held.keys() & {"type", "specversion"} else "objects"


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        # A truncated line can end within a character.
        return error.start > len(line) - 4 and len(line) == _LOOKED_AT_BYTES
    return b"\0" not in line
