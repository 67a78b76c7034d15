"""The spans of a dispatcher: a reminder that is read, each submit, the receipt.

The journal keeps the context of the last submit. So a delivery report that comes later, perhaps
to another dispatcher, still belongs to the trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamproc.dispatch.model import Accepted, Outcome, Outgoing, Refused
from streamproc.tracing.attributes import (
    ATTEMPT,
    GROUP,
    MESSAGE_ID,
    OFFSET,
    PARTS,
    STATUS,
    of_gateway,
    of_topic,
)
from streamproc.tracing.context import TraceHeaders, context_of
from streamproc.tracing.spans import Span, Tracer

_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Settled:
    """A receipt after which a message of a trace is over, or was delivered."""

    trace: TraceHeaders
    """That of its last submit; that of the reminder if it was not submitted."""
    message_id: str
    topic: str
    partition: int
    offset: int
    gateway: str
    status: str
    since_ms: int
    """When the report came; or when the reminder was read, if there is none."""
    error: str = ""


class DispatchSpans:
    """Makes the spans. ``kinds`` has the kind of each gateway."""

    def __init__(self, tracer: Tracer, kinds: dict[str, str]) -> None:
        self._tracer = tracer
        self._kinds = kinds

    def submitting(self, message: Outgoing) -> int:
        """A message is passed to its gateway, which gets the context of this submit. Returns when
        (ns); 0 if there is no span."""
        tracer, now_ns = self._tracer, self._tracer.now_ns()
        if message.span is None:
            begun = tracer.begin(message.trace)
            if begun is None:
                return 0
            message.span, parent = begun
            origin = message.origin
            attributes = {
                **of_topic("process", origin.topic, origin.partition),
                OFFSET: origin.offset,
                MESSAGE_ID: message.id,
                GROUP: tracer.group,
            }
            began_ns = min(message.read_ms * _MS, now_ns)
            name = f"process {origin.topic}"
            tracer.export(
                Span(name, "consumer", message.span, parent, began_ns, now_ns, attributes)
            )
        message.trace = tracer.child(message.span).headers
        message.is_submit = True
        return now_ns

    def submitted(self, message: Outgoing, outcome: Outcome, began_ns: int) -> None:
        """The gateway has answered, or its time is over."""
        context = context_of(message.trace)
        if not began_ns or context is None:
            return
        attributes = {
            **of_gateway(self._kinds.get(message.gateway, "sms"), message.gateway),
            MESSAGE_ID: message.id,
            PARTS: message.part_count,
            ATTEMPT: message.attempts + 1,
        }
        error = ""
        if isinstance(outcome, Refused):
            error = outcome.error.value
        elif not isinstance(outcome, Accepted):
            error = "unknown"
        self._tracer.export(
            Span(
                f"send {message.gateway}",
                "client",
                context,
                message.span,
                began_ns,
                max(self._tracer.now_ns(), began_ns),  # a clock may be set back
                attributes,
                error=error,
            )
        )

    def settled(self, told: Settled) -> None:
        """A receipt is written."""
        begun = self._tracer.begin(told.trace)
        if begun is None:
            return
        context, parent = begun
        attributes = {
            **of_topic("settle", told.topic, told.partition),
            OFFSET: told.offset,
            MESSAGE_ID: told.message_id,
            STATUS: told.status,
        }
        end_ns = self._tracer.now_ns()
        began_ns = min(told.since_ms * _MS, end_ns)
        name = f"settle {told.topic}"
        self._tracer.export(
            Span(name, "client", context, parent, began_ns, end_ns, attributes, error=told.error)
        )
