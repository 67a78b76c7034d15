"""Describes a value that is not JSON, by its first bytes: a sentence for the sender of the
record."""

from __future__ import annotations

from typing import Final

_REGISTRY_FRAME_BYTES: Final = 5
"""A zero byte and the number of a schema come before the data."""
# The first match counts. The mark of UTF-32 begins with that of UTF-16, so it comes first.
_FIRST_BYTES: Final = (
    (b"\xff\xfe\x00\x00", "is UTF-32; write UTF-8"),
    (b"\x00\x00\xfe\xff", "is UTF-32; write UTF-8"),
    (b"\xff\xfe", "is UTF-16; write UTF-8"),
    (b"\xfe\xff", "is UTF-16; write UTF-8"),
    (b"\xef\xbb\xbf", "begins with a byte order mark (BOM); write UTF-8 without it"),
    (b"\x1f\x8b", "is compressed with gzip; set the producer's compression.type instead"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; set the producer's compression.type instead"),
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


def not_json(value: bytes) -> str:
    """A description of a value as a predicate ("is ..."). It repeats nothing of the value."""
    for first, says in (*_FIRST_BYTES, *_WITHOUT_MARK):
        if value.startswith(first):
            return says
    if value.startswith(b"\x00") and len(value) > _REGISTRY_FRAME_BYTES:
        return _FRAME
    return NO_JSON
