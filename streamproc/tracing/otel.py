"""Sends spans by OTLP. No other module imports ``opentelemetry``.

The library has the queue, the batches, the repetition, the protocol and its variables. Its tracer
is not used: it decides and names spans when they begin (``spans.py``).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Final

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.trace import SpanContext as OtelContext

from streamproc import __version__
from streamproc.supervision import start_thread
from streamproc.tracing.attributes import ERROR
from streamproc.tracing.context import SpanContext
from streamproc.tracing.spans import Kind, Span

log = structlog.get_logger(__name__)

CLOSE_SECONDS: Final = 2.0
"""How long the end of a process waits for the last spans."""
LIBRARY: Final = "opentelemetry"
_KINDS: Final[dict[Kind, SpanKind]] = {
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "client": SpanKind.CLIENT,
}
_OK: Final = Status()
_USER: Final = re.compile(r"//[^/@\s]*@")
_NO_STATE: Final = TraceState()


class OtlpExport:
    """A queue of spans, and a thread that sends them to a collector."""

    def __init__(self, service: str, instance: str) -> None:
        """``service`` is the name if the variables give none. Raises ValueError for a variable that
        is wrong."""
        said = _said_by_library()
        own = {"service.version": __version__, "service.instance.id": instance}
        self._resource = Resource.create(own)
        if str(self._resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
            self._resource = self._resource.merge(Resource({SERVICE_NAME: service}))
        self._scope = InstrumentationScope("streamproc", __version__)
        self._exporter = _Told(OTLPSpanExporter(), said)
        self._queue = BatchSpanProcessor(self._exporter)
        self._has_failed = False

    def add(self, span: Span) -> None:
        """Put a span into the queue. A full one drops it. This never fails: it is called in the
        middle of the work on events."""
        try:
            self._queue.on_end(self._readable(span))
        except Exception:
            if not self._has_failed:
                self._has_failed = True
                log.exception("a span could not be made; other ones like it have no line")

    def close(self) -> None:
        """Send what is in the queue, for a short time."""
        # Its end can wait for a collector that does not answer.
        start_thread(self._queue.shutdown, "end of traces").join(CLOSE_SECONDS)

    def _readable(self, span: Span) -> ReadableSpan:
        attributes, status = span.attributes, _OK
        if span.error:
            attributes = {**attributes, ERROR: span.error}
            status = Status(StatusCode.ERROR, span.error)
        return ReadableSpan(
            name=span.name,
            context=_context(span.context, is_remote=False),
            parent=None if span.parent is None else _context(span.parent, is_remote=True),
            resource=self._resource,
            attributes=attributes,
            links=[Link(_context(one, is_remote=True)) for one in span.links],
            kind=_KINDS[span.kind],
            instrumentation_scope=self._scope,
            status=status,
            start_time=span.start_ns,
            end_time=span.end_ns,
        )


def _context(of: SpanContext, is_remote: bool) -> OtelContext:
    state = TraceState.from_header([of.state.decode("ascii")]) if of.state else _NO_STATE
    return OtelContext(of.trace_id, of.span_id, is_remote, TraceFlags(of.flags), state)


class _Told(SpanExporter):
    """Says once when spans cannot be sent, and once when they are sent again."""

    def __init__(self, inner: SpanExporter, said: _LastLine) -> None:
        self._inner = inner
        self._said = said
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self._lost:
                log.info("traces are sent again", lost_spans=self._lost)
                self._lost = 0
            return result
        if not self._lost:
            log.warning(
                "traces cannot be sent, and are dropped until the collector takes them",
                why=self._said.line,
            )
        self._lost += len(spans)
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()


class _LastLine(logging.Handler):
    """Keeps the library's last line: it has one for each span and each try."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.line = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.line = _USER.sub("//", record.getMessage())[:300]


def _said_by_library() -> _LastLine:
    logger = logging.getLogger(LIBRARY)
    logger.propagate = False
    for one in logger.handlers:
        if isinstance(one, _LastLine):
            return one
    said = _LastLine()
    logger.addHandler(said)
    return said
