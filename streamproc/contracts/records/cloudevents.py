"""CloudEvents 1.0, Kafka protocol binding: converts both content modes to plain JSON.

In structured mode the value is the whole envelope and the content type says so. In binary mode the
attributes are ``ce_*`` headers and the value is the data. The type is ``streamproc.<event
type>.v1``. ``id``, ``source``, ``time`` and ``subject`` (the subscriber) can be in the envelope, in
the data or in both; if in both, they must agree. Extensions are ignored.

The bytes of the data are copied unchanged, so they mean the same as in plain JSON.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Raw

from streamproc.errors import StreamprocError

Headers = Iterable[tuple[str, bytes | None]]

# The type of a CloudEvent must be unique among all producers: ``usage.recorded`` is
# ``streamproc.usage.recorded.v1`` there.
PREFIX: Final = "streamproc."
SUFFIX: Final = ".v1"
FAMILY: Final = b"application/cloudevents"
STRUCTURED: Final = "application/cloudevents+json"
CHARSETS: Final = ("", "utf-8", "utf8", "us-ascii")

_MARK: Final = b'"specversion"'
_CONTENT_TYPE: Final = "content-type"
_MANDATORY: Final = ("specversion", "id", "source", "type")
_MANDATORY_HEADERS: Final = frozenset(f"ce_{name}" for name in _MANDATORY)
_FIELDS: Final = (
    ("id", "id"),
    ("source", "source"),
    ("subject", "subscriber"),
    ("time", "time"),
)
"""Envelope attribute, field of the data."""
_OPTIONAL: Final = ("subject", "time", "datacontenttype", "dataschema")
_READ: Final = frozenset((*_MANDATORY, *_OPTIONAL))
_READ_HEADERS: Final = frozenset((_CONTENT_TYPE, *(f"ce_{name}" for name in _READ)))

_members: Callable[[bytes | Raw], dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw]).decode
_simple: Callable[[bytes | Raw], str | bool | int | None] = msgspec.json.Decoder(
    str | bool | int | None
).decode
_NAME: Final = re.compile(r"[a-z0-9]+\Z")
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])\Z"
)
"""RFC 3339. The decoder of events also accepts other forms, which CloudEvents do not allow."""

_text: Callable[[bytes | Raw], str | None] = msgspec.json.Decoder(str | None).decode


class BadEnvelopeError(StreamprocError, ValueError):
    """The envelope is not CloudEvents 1.0 in a form that streamproc reads."""


class UnknownTypeError(StreamprocError, ValueError):
    """The CloudEvent has a type that streamproc does not know."""


def unwrap(value: bytes | None, headers: Headers) -> bytes | None:
    """The plain JSON form of a record's value; the value itself if it is not a CloudEvent.

    Raises :class:`BadEnvelopeError`, :class:`UnknownTypeError`, and the errors of msgspec for a
    value that is not a JSON object: ``DecodeError``, ``UnicodeDecodeError``, ``RecursionError``.
    """
    found: dict[str, bytes | None] = {}
    repeated: list[str] = []
    for header, content in headers:
        name = header.lower()
        if name in found:
            repeated.append(name)
        found[name] = content
    content_type = found.get(_CONTENT_TYPE) or b""
    is_structured = content_type.lower().startswith(FAMILY)
    if not is_structured and _MANDATORY_HEADERS.isdisjoint(found):
        return value
    if not _READ_HEADERS.isdisjoint(repeated):
        raise BadEnvelopeError("a CloudEvents header occurs twice")
    if is_structured:
        # Headers can contain the attributes too, but only the value counts.
        return _structured(value, _header_text(content_type)) if value else value
    return _binary(value, found)


def unwrap_line(value: bytes) -> bytes:
    """The same for a line of a file or an option. It has no headers, so it is in structured mode.

    It is an envelope only if it has a ``specversion`` at the top level: no event has such a field.
    """
    # The search in the bytes is cheap, and nearly all lines are plain: those are not decoded here.
    if _MARK not in value or "specversion" not in _members(value):
        return value
    return _structured(value, STRUCTURED)


def _structured(value: bytes, content_type: str) -> bytes:
    media, charset = _media_type(content_type)
    if media != STRUCTURED:
        raise BadEnvelopeError("the only event format that is read is application/cloudevents+json")
    if charset not in CHARSETS:
        raise BadEnvelopeError("the charset must be UTF-8")
    try:
        envelope = _members(value)
    except msgspec.ValidationError:
        raise BadEnvelopeError("the envelope must be a JSON object") from None
    attributes: dict[str, str] = {}
    for name in envelope.keys() - {"data", "data_base64"}:
        _check_name(name)
        try:
            text = _text(envelope[name]) if name in _READ else _simple(envelope[name])
        except msgspec.ValidationError:
            if name in _READ:
                raise BadEnvelopeError(f"{name} must be a string") from None
            raise BadEnvelopeError("an extension must be text, an integer or a truth") from None
        if isinstance(text, str) and name in _READ:  # null means absent
            attributes[name] = text
    return _plain(attributes, _structured_data(envelope, attributes.get("datacontenttype")))


def _structured_data(envelope: Mapping[str, Raw], content_type: str | None) -> dict[str, Raw]:
    data = _present(envelope, "data")
    encoded = _present(envelope, "data_base64")
    if encoded is not None:
        if data is not None:
            raise BadEnvelopeError("has both data and data_base64")
        if content_type is None:
            raise BadEnvelopeError("data_base64 needs a datacontenttype of JSON")
    _require_json(content_type)
    if encoded is not None:
        try:
            content = base64.b64decode(_text(encoded) or "", validate=True)
        except ValueError:
            raise BadEnvelopeError("data_base64 is not a Base64 string") from None
        return _members(content)
    return {} if data is None else _members(data)


def _present(envelope: Mapping[str, Raw], name: str) -> Raw | None:
    """A member of the envelope; None if it is missing or null."""
    member = envelope.get(name)
    return None if member is None or bytes(member) == b"null" else member


def _binary(value: bytes | None, headers: Mapping[str, bytes | None]) -> bytes:
    attributes = {}
    for name, content in headers.items():
        if content is None or not name.startswith("ce_"):
            continue
        _check_name(name[3:])
        if name in _READ_HEADERS:
            attributes[name[3:]] = _header_text(content)
    content_type = headers.get(_CONTENT_TYPE)
    _require_json(None if content_type is None else _header_text(content_type))
    # A CloudEvent without data is a record without value, so this is not a tombstone.
    return _plain(attributes, _members(value) if value else {})


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise BadEnvelopeError("an attribute's name must be lower-case letters and digits")


def _plain(attributes: Mapping[str, str], data: dict[str, Raw]) -> bytes:
    missing = [name for name in _MANDATORY if not attributes.get(name)]
    if missing:
        raise BadEnvelopeError(f"missing attributes: {', '.join(missing)}")
    if attributes["specversion"] != "1.0":
        raise BadEnvelopeError("only specversion 1.0 is read")
    for name in _OPTIONAL:
        if attributes.get(name) == "":
            raise BadEnvelopeError(f"{name} must not be empty")
    if "time" in attributes and not _INSTANT.match(attributes["time"]):
        raise BadEnvelopeError("time must be an instant of RFC 3339")
    kind = attributes["type"]
    if not (kind.startswith(PREFIX) and kind.endswith(SUFFIX)):
        raise UnknownTypeError(f"the type must have the form {PREFIX}<event type>{SUFFIX}")
    plain: dict[str, Raw | str] = {**data}
    _put(plain, "type", kind[len(PREFIX) : -len(SUFFIX)], "type")
    for attribute, field in _FIELDS:
        if attribute in attributes:
            _put(plain, field, attributes[attribute], attribute)
    return msgspec.json.encode(plain)


def _put(plain: dict[str, Raw | str], field: str, text: str, attribute: str) -> None:
    """Copy an attribute to the data. Raises :class:`BadEnvelopeError` if the data has another
    value."""
    inner = plain.get(field)
    if isinstance(inner, Raw):
        try:
            agrees = _text(inner) == text or (field == "time" and _instant(inner) == _instant(text))
        except (msgspec.DecodeError, ValueError):
            agrees = False
        if not agrees:
            raise BadEnvelopeError(f"{attribute} and {field} in the data differ")
    plain[field] = text


def _instant(text: Raw | str) -> datetime:
    if isinstance(text, Raw):
        return msgspec.json.decode(text, type=datetime)
    return msgspec.convert(text, datetime)


def _require_json(content_type: str | None) -> None:
    """The data must be JSON in UTF-8. Without a content type this is assumed."""
    if content_type is None:
        return
    media, charset = _media_type(content_type)
    subtype = media.partition("/")[2]
    if subtype != "json" and not subtype.endswith("+json"):
        raise BadEnvelopeError("the content type of the data must be JSON")
    if charset not in CHARSETS:
        raise BadEnvelopeError("the charset must be UTF-8")


def _media_type(content_type: str) -> tuple[str, str]:
    """Media type and charset in lower case; the charset is empty if not given."""
    media, *parameters = content_type.split(";")
    charset = ""
    for parameter in parameters:
        name, _, content = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = content.strip().strip('"').lower()
    return media.strip().lower(), charset


def _header_text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadEnvelopeError("a CloudEvents header is not UTF-8") from None
