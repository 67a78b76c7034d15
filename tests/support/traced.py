"""Spans in memory, in place of an exporter."""

from __future__ import annotations

import random
from itertools import count

from streamproc.engine.observer import Unobserved
from streamproc.engine.processor import Outbox
from streamproc.tracing.spans import Sampling, Span, SpanBudget, Tracer
from streamproc.worker.traced import CommitSpans

BY_PARENT = Sampling()


class KeptSpans(list[Span]):
    """The spans that have ended, and the tracer that makes them."""

    def __init__(self, sampling: Sampling = BY_PARENT, per_second: int = 1_000) -> None:
        super().__init__()
        clock = count(1_000)
        self.tracer = Tracer(
            self.append,
            sampling,
            SpanBudget(per_second, lambda: 0.0),
            group="group",
            now_ns=lambda: next(clock),
            source=random.Random(7),
        )

    def named(self, name: str) -> list[Span]:
        return [one for one in self if one.name == name]


class TracedCommits(Unobserved):
    """The part of a worker's observer that ends spans."""

    def __init__(self, spans: KeptSpans) -> None:
        self._spans = CommitSpans(spans.tracer)

    def committed(self, seconds: float, outbox: Outbox) -> None:
        self._spans.ended(seconds, outbox)

    def commit_failed(self, seconds: float, outbox: Outbox, error: BaseException) -> None:
        self._spans.ended(seconds, outbox, error)
