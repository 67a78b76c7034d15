"""Spans, and which of them are made: without any library.

A span is made when it ends, because its context is needed before it begins: that of a reminder's
span is in the reminder. What exports spans gets them complete (``otel.py``).
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from streamproc.tracing.context import SAMPLED, SpanContext, TraceHeaders, context_of, trace_of

Kind = Literal["producer", "consumer", "client"]

MAX_LINKS: Final = 128
"""The usual limit of a collector. A batch that has more is known by the first of them."""
RANDOM: Final = 2
"""The flag of a trace whose id is random."""


class Span(NamedTuple):
    """A span that has ended, by the messaging conventions of OpenTelemetry."""

    name: str
    kind: Kind
    context: SpanContext
    parent: SpanContext | None
    start_ns: int
    end_ns: int
    attributes: Mapping[str, str | int]
    links: Sequence[SpanContext] = ()
    error: str = ""
    """Why the work failed, in a word; empty if it did not."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which traces are sampled, as ``OTEL_TRACES_SAMPLER`` and its ``_ARG`` say."""

    ratio: float = 0.0
    """Of traces that begin here; of all, unless ``follows_parent``."""
    follows_parent: bool = True
    """A trace that has begun elsewhere is sampled if its flag says so."""

    def takes(self, parent: SpanContext | None, chance: Callable[[], float]) -> bool:
        """Whether a span gets made."""
        if parent is None:
            return chance() < self.ratio
        if self.follows_parent:
            return parent.is_sampled
        # The same for all spans of a trace, in every process: by the bytes that are random.
        return (parent.trace_id & _LOW) < self.ratio * (_LOW + 1)

    def chosen(self, records: Sequence[Any], chance: Callable[[], float]) -> list[int]:
        """Which records begin a sampled trace if they have none. Unless ``follows_parent``, those
        that have a sampled one too."""
        if not self.follows_parent:
            return [
                index
                for index, one in enumerate(records)
                if self.takes(context_of(trace_of(one.headers, one.value)), chance)
            ]
        if self.ratio <= 0:
            return []
        if self.ratio >= 1:
            return list(range(len(records)))
        # How many are between two of them, rather than a number for each.
        found: list[int] = []
        index, of_none = -1, math.log1p(-self.ratio)
        while True:
            index += 1 + int(math.log1p(-chance()) / of_none)
            if index >= len(records):
                return found
            found.append(index)


_LOW: Final = (1 << 64) - 1


class SpanBudget:
    """How many spans may be made: so many a second, those of a second at once."""

    def __init__(self, per_second: int, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._now = now
        self._left = float(per_second)
        self._at = now()

    @property
    def is_left(self) -> bool:
        """Whether another one may be made."""
        if self._left < 1:
            at = self._now()
            earned = (at - self._at) * self._per_second
            self._left = min(self._left + earned, float(self._per_second))
            self._at = at
        return self._left >= 1

    def spend(self) -> None:
        """One is made."""
        self._left -= 1


class Tracer:
    """Decides which spans are made, names them, and passes them on when they have ended.

    Nothing here fails or waits: ``export`` only puts a span into a queue.
    """

    def __init__(
        self,
        export: Callable[[Span], None],
        sampling: Sampling,
        allowance: SpanBudget,
        *,
        group: str,
        now_ns: Callable[[], int] = time.time_ns,
        source: random.Random | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """``group``: the consumer group of this process."""
        self.export = export
        self.sampling = sampling
        self.group = group
        self.now_ns = now_ns
        self.close = close
        self._allowance = allowance
        source = source or random.Random()
        self.chance = source.random
        self._bits = source.getrandbits

    @property
    def is_ready(self) -> bool:
        """Whether the allowance is not used up."""
        return self._allowance.is_left

    def begin(self, trace: TraceHeaders) -> tuple[SpanContext, SpanContext | None] | None:
        """The context of a new span of this trace, and its parent; None if none is made."""
        parent = context_of(trace)
        if not (self.sampling.takes(parent, self.chance) and self._allowance.is_left):
            return None
        return self.begin_taken(parent), parent

    def begin_taken(self, parent: SpanContext | None) -> SpanContext:
        """The context of a new span that is made in any case."""
        self._allowance.spend()
        return self.child(parent)

    def child(self, parent: SpanContext | None) -> SpanContext:
        """The context of a span under one that is made; None: of a new trace."""
        if parent is None:
            return SpanContext(self._id(128), self._id(64), SAMPLED | RANDOM)
        return parent._replace(span_id=self._id(64), flags=parent.flags | SAMPLED)

    def _id(self, bits: int) -> int:
        return self._bits(bits) or 1  # zero says that there is none
