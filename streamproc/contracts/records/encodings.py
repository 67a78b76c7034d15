"""Describes a value that is not JSON, by its first bytes: a sentence for the sender of the
record."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_REGISTRY_FRAME_BYTES: Final = 5
"""A zero byte and the number of a schema come before the data."""
_LONG_FRAME_BYTES: Final = 17
"""One or two bytes and the identity (UUID) of a schema come before the data."""


def _compressed(how: str) -> str:
    return f"is compressed with {how}; set the producer's compression.type instead"


# The first match counts. The mark of UTF-32 begins with that of UTF-16, so it comes first.
_FIRST_BYTES: Final = (
    (b"\xff\xfe\x00\x00", "is UTF-32; write UTF-8"),
    (b"\x00\x00\xfe\xff", "is UTF-32; write UTF-8"),
    (b"\xff\xfe", "is UTF-16; write UTF-8"),
    (b"\xfe\xff", "is UTF-16; write UTF-8"),
    (b"\xef\xbb\xbf", "begins with a byte order mark (BOM); write UTF-8 without it"),
    (b"\x1f\x8b", _compressed("gzip")),
    (b"\x28\xb5\x2f\xfd", _compressed("zstd")),
    (b"\x78\x01", _compressed("zlib")),
    (b"\x78\x9c", _compressed("zlib")),
    (b"\x78\xda", _compressed("zlib")),
    (b"\x04\x22\x4d\x18", _compressed("lz4")),
    (b"\x82SNAPPY\x00", _compressed("snappy")),
    (b"BZh", _compressed("bzip2")),
    (b"\xfd7zXZ\x00", _compressed("xz")),
    (b"eyJ", "is in base64; write the JSON itself"),
    (b"\xc0\x7f", "is EBCDIC; write UTF-8"),
    (b"\x80\x04\x95", "is a pickled Python object; write JSON as text"),
    (b":)\n", "is Smile, not JSON as text; write JSON as text"),
    (b"\xac\xed\x00\x05", "is a serialized Java object; write JSON as text"),
    (b"Obj\x01", "is an Avro file; write JSON"),
    (b"<", "is XML or HTML; write JSON"),
)
# An event begins with a brace. The zero bytes around it show how wide the characters are.
_WITHOUT_MARK: Final = (
    (b"{\x00\x00\x00", "is UTF-32; write UTF-8"),
    (b"\x00\x00\x00{", "is UTF-32; write UTF-8"),
    (b"{\x00", "is UTF-16; write UTF-8"),
    (b"\x00{", "is UTF-16; write UTF-8"),
)
NO_JSON: Final = "is not valid JSON"
_FRAME: Final = (
    "begins with the frame of a schema registry (a zero byte and a schema's number); "
    "write JSON with a plain serializer"
)

_LONG_FRAME: Final = (
    "begins with the frame of a schema registry (a schema's identity); "
    "write JSON with a plain serializer"
)
_SEVERAL: Final = re.compile(rb"\}\s*,?\s*\{\s*\"(?:type|id|specversion)\"")


def not_json(value: bytes) -> str:
    """A description of a value as a predicate ("is ..."). It repeats nothing of the value."""
    for first, says in (*_FIRST_BYTES, *_WITHOUT_MARK):
        if value.startswith(first):
            return says
    if value.startswith(b"\x00") and len(value) > _REGISTRY_FRAME_BYTES:
        return _FRAME
    if value.startswith((b"\x01", b"\x03\x00", b"\x03\x05")) and len(value) > _LONG_FRAME_BYTES:
        return _LONG_FRAME
    return _no_json_text(value)


def other_encoding(first: bytes) -> str:
    """The same for the first bytes of text in another encoding than UTF-8, and for a frame of a
    schema registry; empty if it is neither."""
    says = not_json(first)
    return says if says.endswith("write UTF-8") or says in (_FRAME, _LONG_FRAME) else ""


def _no_json_text(value: bytes) -> str:
    """The same for a value that is none of the known formats."""
    text = value.strip()
    if text.startswith(b"{") and text.endswith(b"\x00"):
        return "has zero bytes behind the JSON"
    try:
        text.decode()
    except UnicodeDecodeError:
        return "is not UTF-8 text" if text.startswith(b"{") else _binary(value)
    if text.startswith(b"{'"):
        return "has single quotes, as Python and JavaScript print objects; write JSON"
    if text.startswith(b"{") and _SEVERAL.search(text):
        return "has several JSON objects; write a record for each event"
    return NO_JSON


def _binary(value: bytes) -> str:
    """MessagePack and CBOR have the number of an object's fields in its first byte."""
    if 0x81 <= value[0] <= 0x8F or value[0] in (0xDE, 0xDF):
        return "is MessagePack; write JSON as text"
    if 0xA1 <= value[0] <= 0xBF:
        return "is CBOR; write JSON as text"
    return "is binary data; write JSON as text"


def not_subscriber(key: bytes) -> str:
    """Why the key of a record cannot be a subscriber, as a predicate; empty if it can."""
    if key.startswith(b'"') and key.endswith(b'"'):
        return "is in quotes; write it with a plain serializer for text, not with one for JSON"
    if key.strip() != key and key.isascii():
        return "has white space around it"
    if key.endswith(b"\x00") and key.rstrip(b"\x00").isalnum():
        return "has zero bytes at its end"
    if key.startswith(b"\x00") and len(key) in (4, 8):
        return "is a binary number; write it with a serializer for text"
    if not key.isascii() or b"\x00" in key:
        says = not_json(key)
        if "mark" in says:
            return says
        return other_encoding(key) or "is not text in ASCII; write it with a serializer for text"
    return ""


def envelope_of(fields: Collection[str]) -> str:
    """The envelope of another program around an event, by its fields: a sentence; empty if
    none."""
    if {"schema", "payload"} <= set(fields):
        return (
            "The event is in the envelope of Kafka Connect: set "
            "value.converter.schemas.enable=false"
        )
    if "op" in fields and {"before", "after"} & set(fields):
        return "The value is a change record of Debezium: write events, not rows of a table"
    return ""
