"""Which spans are made, and how they are named."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from streamproc.tracing.context import SpanContext, context_of, trace_of
from streamproc.tracing.spans import Sampling, Span, SpanBudget, Tracer
from streamproc.worker.traced import EventSpan
from tests.unit.test_tracing_context import PARENT, STATE

CONTEXT = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, 1, STATE)
FULL = (("traceparent", PARENT), ("tracestate", STATE))


def test_a_context_and_its_headers_are_the_same() -> None:
    assert context_of(trace_of(FULL)) == CONTEXT
    assert trace_of(CONTEXT.headers) == FULL


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"00" + PARENT[2:-2] + b"ff", b"00" + PARENT[2:-2] + b"03"),
        (b"cc" + PARENT[2:-2] + b"0b-more", b"00" + PARENT[2:-2] + b"03"),
        (b" " + PARENT + b"\t", PARENT),
    ],
)
def test_a_span_of_a_later_version_has_a_child_of_this_one(given: bytes, told: bytes) -> None:
    context = context_of(trace_of([("traceparent", given)]))
    assert context is not None
    assert context.headers == (("traceparent", told),)


def test_an_id_is_never_zero() -> None:
    zero = SimpleNamespace(random=lambda: 0.5, getrandbits=lambda _: 0)
    tracer = Tracer([].append, Sampling(), SpanBudget(1), group="g", source=zero)  # type: ignore[arg-type]
    assert tracer.child(None)[:2] == (1, 1)
    assert trace_of(tracer.child(None).headers)


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.3, 1.0])
def test_the_chosen_share_is_the_ratio(ratio: float) -> None:
    records = [SimpleNamespace(headers=(), value=b"")] * 50_000
    chosen = Sampling(ratio).chosen(records, random.Random(3).random)
    assert len(chosen) == pytest.approx(ratio * 50_000, rel=0.05)
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(range(50_000))
    # Small chunks together have the same share.
    chance = random.Random(4).random
    few = sum(len(Sampling(ratio).chosen(records[:7], chance)) for _ in range(7_000))
    assert few == pytest.approx(ratio * 49_000, rel=0.1)


def test_the_parent_decides_unless_it_is_not_followed() -> None:
    sampled = CONTEXT
    other = CONTEXT._replace(flags=0)
    chance = random.Random(5).random
    assert Sampling(0.0).takes(sampled, chance)
    assert not Sampling(1.0).takes(other, chance)
    always, never = Sampling(1.0, follows_parent=False), Sampling(0.0, follows_parent=False)
    assert always.takes(other, chance)
    assert not never.takes(sampled, chance)


def test_by_ratio_all_processes_choose_the_same_traces() -> None:
    half = Sampling(0.5, follows_parent=False)
    source = random.Random(6)
    traces = [SpanContext(source.getrandbits(128), 1, 0) for _ in range(2_000)]
    chosen = [half.takes(one, source.random) for one in traces]
    assert chosen == [half.takes(one._replace(span_id=2, flags=1), source.random) for one in traces]
    assert sum(chosen) == pytest.approx(1_000, rel=0.1)
    records = [SimpleNamespace(headers=one.headers, value=b"") for one in traces]
    found = half.chosen(records, source.random)
    assert found == [index for index, taken in enumerate(chosen) if taken]


def test_the_allowance_fills_with_time_and_not_beyond_a_second() -> None:
    now = [0.0]
    allowance = SpanBudget(2, lambda: now[0])
    made = 0
    for at in (0.0, 0.0, 0.0, 0.4, 0.6, 100.0, 100.0, 100.0):
        now[0] = at
        if allowance.is_left:
            allowance.spend()
            made += 1
    assert made == 2 + 1 + 2


def test_a_span_does_not_end_before_it_begins() -> None:
    """A clock that is set back meanwhile: nobody draws a negative length."""
    ended: list[Span] = []
    clock = iter([10, 5])
    allowance = SpanBudget(1, lambda: 0.0)
    tracer = Tracer(ended.append, Sampling(), allowance, group="g", now_ns=lambda: next(clock))
    EventSpan(tracer, CONTEXT, None, "events", 0, 1).end()
    assert (ended[0].start_ns, ended[0].end_ns) == (10, 10)


def test_nothing_is_begun_beyond_the_allowance() -> None:
    ended: list[Span] = []
    tracer = Tracer(ended.append, Sampling(), SpanBudget(1, lambda: 0.0), group="g")
    begun = tracer.begin(FULL)
    assert begun is not None
    context, parent = begun
    assert parent == CONTEXT
    assert context == CONTEXT._replace(span_id=context.span_id)
    assert tracer.begin(FULL) is None
    assert tracer.begin(()) is None
