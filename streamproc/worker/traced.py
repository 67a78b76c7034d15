"""The spans of a worker: which events have one, and what they and their commits say.

``quota_processor.py`` begins and ends the span of an event. It goes with the outbox to the commit,
whose end the engine's observer hears of. After a commit that failed, everything is made again, and
so are the spans: those of the failed one say that it failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamproc.engine.processor import Outbox
from streamproc.tracing.attributes import COUNT, GROUP, OFFSET, of_topic
from streamproc.tracing.context import SpanContext, TraceHeaders, context_of, trace_of
from streamproc.tracing.spans import MAX_LINKS, Span, Tracer


class EventSpan:
    """The span of an event that is being applied, and those of the reminders that it causes."""

    def __init__(
        self,
        tracer: Tracer,
        context: SpanContext,
        parent: SpanContext | None,
        topic: str,
        partition: int,
        offset: int,
    ) -> None:
        self.context = context
        self.parent = parent
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.sends: list[tuple[str, SpanContext]] = []
        """Topic and span of each reminder."""
        self.refused = ""
        """Why the event was rejected."""
        self._tracer = tracer
        self.began_ns = tracer.now_ns()

    def send(self, topic: str) -> TraceHeaders:
        """The headers of a reminder that the event has caused. Its span ends with the commit."""
        context = self._tracer.child(self.context)
        self.sends.append((topic, context))
        return context.headers

    def end(self) -> None:
        """What the event has caused is in the outbox."""
        attributes = {**of_topic("process", self.topic, self.partition), OFFSET: self.offset}
        self._tracer.export(
            Span(
                f"process {self.topic}",
                "consumer",
                self.context,
                self.parent,
                self.began_ns,
                max(self._tracer.now_ns(), self.began_ns),  # a clock may be set back
                attributes,
                error=self.refused,
            )
        )


class ChunkSpans:
    """The spans of the events of one chunk."""

    def __init__(self, tracer: Tracer, topic: str, partition: int, records: Sequence[Any]) -> None:
        self._tracer = tracer
        self._topic = topic
        self._partition = partition
        self._count = len(records)
        self._chosen = tracer.sampling.chosen(records, tracer.chance)
        self._chosen.reverse()
        self.made: list[EventSpan] = []
        """Those that have ended."""
        self.stops_at_sampled = tracer.sampling.follows_parent
        """Whether records with a sampled trace may get a span, beside the chosen ones."""

    def next(self, at: int) -> int:
        """The first chosen record from ``at`` on; how many records there are if there is none."""
        while self._chosen and self._chosen[-1] < at:
            self._chosen.pop()
        return self._chosen[-1] if self._chosen else self._count

    def may_have(self, at: int, record: Any) -> bool:
        """Whether :meth:`begin` must be asked for this record."""
        return bool(record.headers) or self.next(at) == at

    def begin(self, at: int, record: Any) -> EventSpan | None:
        """The span of a record; None if it gets none."""
        tracer = self._tracer
        parent = context_of(trace_of(record.headers, record.value))
        if parent is not None and tracer.sampling.follows_parent:
            is_taken = parent.is_sampled
        else:
            is_taken = self.next(at) == at
        if not (is_taken and tracer.is_ready):
            return None
        context = tracer.begin_taken(parent)
        return EventSpan(tracer, context, parent, self._topic, self._partition, record.offset)

    def end(self, outbox: Outbox) -> None:
        """The chunk is applied; what it caused is in the outbox."""
        if not self.made:
            return
        outbox.traced += self.made
        said = of_topic("poll", self._topic, self._partition)
        attributes = {**said, COUNT: self._count, GROUP: self._tracer.group}
        parents = [one.parent for one in self.made if one.parent is not None]
        began_ns = self.made[0].began_ns
        self._tracer.export(
            Span(
                f"poll {self._topic}",
                "client",
                self._tracer.child(None),
                None,
                min(outbox.fetched_ns or began_ns, began_ns),
                began_ns,
                attributes,
                parents[:MAX_LINKS],
            )
        )


class CommitSpans:
    """The spans that end with a commit."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def ended(self, seconds: float, outbox: Outbox, error: BaseException | None = None) -> None:
        """A commit has taken so long. ``error``: it failed."""
        traced: list[EventSpan] = outbox.traced
        if not traced:
            return
        end_ns = self._tracer.now_ns()
        began_ns = end_ns - int(seconds * 1e9)
        why = "" if error is None else type(error).__name__
        for event in traced:
            for topic, context in event.sends:
                attributes = of_topic("send", topic, event.partition)
                name = f"send {topic}"
                self._tracer.export(
                    Span(
                        name,
                        "producer",
                        context,
                        event.context,
                        began_ns,
                        end_ns,
                        attributes,
                        error=why,
                    )
                )
        first = traced[0]
        count = sum(count for (name, *_), count in outbox.counts.items() if name == "events")
        said = of_topic("commit", first.topic, first.partition)
        attributes = {**said, COUNT: count, GROUP: self._tracer.group}
        links = [event.context for event in traced[:MAX_LINKS]]
        self._tracer.export(
            Span(
                f"commit {first.topic}",
                "client",
                self._tracer.child(None),
                None,
                began_ns,
                end_ns,
                attributes,
                links,
                why,
            )
        )
