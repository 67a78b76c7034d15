"""CloudEvents 1.0, Kafka protocol binding: unwrapping both content modes into plain JSON.

In binary mode attributes are ``ce_*`` headers and the value is the data; in structured mode the
value is the whole envelope and the content type is ``application/cloudevents+json``. The type is
``streamproc.<event type>.v1``; id, source and time come from the envelope, the subscriber from
``subject`` (or from the data).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

PREFIX = "streamproc."
SUFFIX = ".v1"
STRUCTURED = b"application/cloudevents+json"
_REQUIRED = ("specversion", "id", "source", "type")


class BadEnvelopeError(ValueError):
    """The envelope is not CloudEvents 1.0 as streamproc takes it."""


def unwrap(value: bytes, headers: Sequence[tuple[str, bytes]]) -> bytes:
    """The plain JSON form of a record's value, or the value itself if it is no CloudEvent.

    Raises :class:`BadEnvelopeError`, or msgspec's errors for a value that is no JSON object.
    """
    # Kafka allows a header without a value.
    found = {name.lower(): content or b"" for name, content in headers}
    if found.get("content-type", b"").startswith(STRUCTURED):
        envelope = msgspec.json.decode(value, type=dict[str, Any])
        return _plain(envelope, envelope.get("data"))
    if "ce_specversion" not in found:
        return value
    try:
        attributes = {
            name[3:]: content.decode() for name, content in found.items() if name.startswith("ce_")
        }
    except UnicodeDecodeError:
        raise BadEnvelopeError("a ce_ header is not UTF-8") from None
    return _plain(attributes, msgspec.json.decode(value))


def _plain(attributes: Mapping[str, Any], data: Any) -> bytes:
    missing = [name for name in _REQUIRED if not isinstance(attributes.get(name), str)]
    if missing:
        raise BadEnvelopeError(f"missing attributes: {', '.join(missing)}")
    if attributes["specversion"] != "1.0":
        raise BadEnvelopeError("only specversion 1.0 is read")
    kind: str = attributes["type"]
    if not (kind.startswith(PREFIX) and kind.endswith(SUFFIX)):
        raise BadEnvelopeError(f"the type must have the form {PREFIX}<event type>{SUFFIX}")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise BadEnvelopeError("data must be a JSON object")
    plain = {
        **data,
        "type": kind[len(PREFIX) : -len(SUFFIX)],
        "id": attributes["id"],
        "source": attributes["source"],
    }
    for attribute, field in (("time", "time"), ("subject", "subscriber")):
        if attribute in attributes:
            plain[field] = attributes[attribute]
    return msgspec.json.encode(plain)
