"""Takes the W3C trace context out of a record, to pass it on unchanged.

A record has it in its Kafka headers (``traceparent``, ``tracestate``) or, as a CloudEvent, in its
attributes of the same names (CloudEvents' extension for distributed tracing). The headers come
first: they are of the last hop, the attributes of the first one.

Anybody can write such a header, and it goes out to a webhook. So only what has the form of W3C
Trace Context is passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
TRACE_NAMES: Final = (TRACEPARENT, TRACESTATE)
BAGGAGE: Final = "baggage"
"""What a program wants to say to all that follow. It is not passed on."""
MAX_STATE_BYTES: Final = 512
"""W3C asks to pass on as many. A longer one is left out whole: the trace continues without it."""

SAMPLED: Final = 1
KNOWN_FLAGS: Final = 3
"""Whether the trace is sampled, and whether its id is random (W3C Trace Context, level 2)."""
_PARENT_BYTES: Final = 55

Headers = Iterable[tuple[str, bytes | None]]
TraceHeaders = tuple[tuple[str, bytes], ...]
"""``traceparent``, and ``tracestate`` if there is one; empty if there is no trace."""

NO_TRACE: Final[TraceHeaders] = ()

_PARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_LATER_PARENT: Final = re.compile(rb"(?!00)" + _PARENT.pattern + rb"-[\x21-\x7e]{0,200}")
"""Versions after 00 may say more at the end."""
_STATE: Final = re.compile(rb"[\x20-\x7e]+")
_BLANKS: Final = b" \t"
_ATTRIBUTE: Final = "ce_"
_CONTENT_TYPE: Final = "content-type"
_ENVELOPE: Final = b"application/cloudevents"
_MARK: Final = b'"traceparent"'
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Envelope(msgspec.Struct):
    traceparent: str
    tracestate: str | None = None


_envelope: Final = msgspec.json.Decoder(_Envelope)


def trace_of(headers: Headers | None, value: bytes | None = None) -> TraceHeaders:
    """The trace context of a record; :data:`NO_TRACE` if it has none, or not in the right form.

    ``value`` is searched only if the headers say that it is a CloudEvent in structured mode.
    """
    if not headers:
        return NO_TRACE
    found: dict[str, list[bytes]] = {}
    for name, content in headers:
        if content is not None:
            found.setdefault(name.lower(), []).append(content)
    return (
        _context(found.get(TRACEPARENT), found.get(TRACESTATE))
        or _context(found.get(_ATTRIBUTE + TRACEPARENT), found.get(_ATTRIBUTE + TRACESTATE))
        or _of_envelope(found.get(_CONTENT_TYPE), value)
    )


def _context(parents: list[bytes] | None, states: list[bytes] | None) -> TraceHeaders:
    if parents is None or len(parents) != 1:
        return NO_TRACE  # of two parents none is the right one
    parent = parents[0].strip(_BLANKS)
    if not (_PARENT.fullmatch(parent) or _LATER_PARENT.fullmatch(parent)):
        return NO_TRACE
    # Several headers of this name are one list in several parts.
    state = b",".join(one.strip(_BLANKS) for one in states or ())
    if len(state) > MAX_STATE_BYTES or not _STATE.fullmatch(state):
        return ((TRACEPARENT, parent),)
    return (TRACEPARENT, parent), (TRACESTATE, state)


def _of_envelope(content_types: list[bytes] | None, value: bytes | None) -> TraceHeaders:
    if not content_types or not content_types[0].lower().startswith(_ENVELOPE):
        return NO_TRACE
    # The search in the bytes is cheap, and most envelopes have no trace.
    if value is None or _MARK not in value:
        return NO_TRACE
    try:
        envelope = _envelope.decode(value)
    except _UNREADABLE:
        return NO_TRACE
    state = envelope.tracestate
    return _context([envelope.traceparent.encode()], None if state is None else [state.encode()])


class SpanContext(NamedTuple):
    """What a span is known by in other processes."""

    trace_id: int
    span_id: int
    flags: int
    state: bytes = b""

    @property
    def is_sampled(self) -> bool:
        return bool(self.flags & SAMPLED)

    @property
    def headers(self) -> TraceHeaders:
        """The trace context of what this span causes."""
        # Later versions may have flags that are not true of a new span.
        flags = self.flags & KNOWN_FLAGS
        parent = f"00-{self.trace_id:032x}-{self.span_id:016x}-{flags:02x}".encode()
        if not self.state:
            return ((TRACEPARENT, parent),)
        return (TRACEPARENT, parent), (TRACESTATE, self.state)


def context_of(trace: TraceHeaders) -> SpanContext | None:
    """The span that a trace context names, which is of the form that :func:`trace_of` gives."""
    if not trace:
        return None
    _, trace_id, span_id, flags = trace[0][1][:_PARENT_BYTES].split(b"-")
    state = trace[1][1] if len(trace) > 1 else b""
    return SpanContext(int(trace_id, 16), int(span_id, 16), int(flags, 16), state)
