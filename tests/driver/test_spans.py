"""The spans of a worker: parents, links, sampling, and that they change nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streamproc.contracts.records.codec import decode_reminder
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.lab.workload import WorkloadSettings, generate
from streamproc.tracing.context import SpanContext, context_of, trace_of
from streamproc.tracing.spans import Sampling
from tests.driver.test_tracing import ALICE, BOB, FULL, Trace, traces, use
from tests.support.quota_driver import HOUR, MINUTE, QuotaDriver
from tests.support.traced import KeptSpans, TracedCommits
from tests.unit.test_tracing_context import OTHER, PARENT, STATE

NewDriver = Callable[..., QuotaDriver]
UNSAMPLED: Trace = (("traceparent", PARENT[:-1] + b"0"),)


@pytest.fixture
def spans() -> KeptSpans:
    return KeptSpans()


@pytest.fixture
def traced(new_driver: NewDriver, spans: KeptSpans) -> QuotaDriver:
    return new_driver(tracer=spans.tracer, observer=TracedCommits(spans))


def given(trace: Trace) -> SpanContext:
    found = context_of(trace_of(trace))
    assert found is not None
    return found


@pytest.mark.both_ways
def test_each_span_has_its_parent(traced: QuotaDriver, spans: KeptSpans) -> None:
    traced.activate(ALICE)
    assert spans == []
    use(traced, 500_000, FULL)
    process, poll, send, commit = spans
    assert [one.name for one in spans] == [
        "process events",
        "poll events",
        "send reminders",
        "commit events",
    ]
    assert [one.kind for one in spans] == ["consumer", "client", "producer", "client"]
    assert process.parent == given(FULL)
    assert send.parent == process.context
    assert {process.context.trace_id, send.context.trace_id} == {given(FULL).trace_id}
    assert send.context.state == STATE
    assert (list(poll.links), list(commit.links)) == ([given(FULL)], [process.context])
    assert all(one.start_ns <= one.end_ns and not one.error for one in spans)
    ((_, headers),) = traces(traced)
    assert headers == send.context.headers


@pytest.mark.both_ways
def test_no_attribute_names_a_subscriber_or_a_text(traced: QuotaDriver, spans: KeptSpans) -> None:
    traced.activate(ALICE)
    use(traced, 1_000_000, FULL)
    assert spans.named("send reminders")
    text = decode_reminder(traced.output("reminders")[0].value or b"").text
    for said in (repr(one.attributes) + one.name + one.error for one in spans):
        assert ALICE not in said
        assert text not in said


@pytest.mark.both_ways
@pytest.mark.parametrize(
    "trace",
    [
        (),
        UNSAMPLED,
        (("traceparent", PARENT[:-1]),),
        (("traceparent", PARENT.upper()),),
        (("traceparent", PARENT), ("traceparent", OTHER)),
        (("traceparent", None),),
        (("traceparent", PARENT + b"-01"),),
    ],
)
def test_without_a_sampled_trace_there_are_no_spans(
    traced: QuotaDriver, spans: KeptSpans, trace: Trace
) -> None:
    traced.activate(ALICE)
    use(traced, 500_000, trace)
    assert spans == []
    assert traces(traced) == [("low", UNSAMPLED if trace == UNSAMPLED else ())]


@pytest.mark.both_ways
def test_spans_change_no_byte_of_a_record(new_driver: NewDriver) -> None:
    spans = KeptSpans(Sampling(0.5))
    drivers = [new_driver(), new_driver(tracer=spans.tracer, observer=TracedCommits(spans))]
    for driver in drivers:
        for name in (ALICE, BOB):
            driver.activate(name)
        for number in range(40):
            name = (ALICE, BOB)[number % 2]
            trace: Trace = ((), FULL, UNSAMPLED, (("ce_traceparent", OTHER),))[number % 4]
            driver.send_event(driver.usage(name, 50_000, f"u{number}"), headers=trace)
        driver.process()
        driver.commit()
        driver.advance_wall_clock(9 * HOUR + MINUTE, step_ms=HOUR)
    assert drivers[0].everything() == drivers[1].everything()
    assert len(spans.named("process events")) >= 15
    counted = [driver.counts for driver in drivers]
    assert counted[0] == counted[1]


def test_a_month_with_spans_has_the_same_bytes(new_driver: NewDriver) -> None:
    """Every kind of record of billing systems, some with a trace."""
    spans = KeptSpans(Sampling(0.2), per_second=10_000)
    traced = {"tracer": spans.tracer, "observer": TracedCommits(spans)}
    rules = default_rulebook()
    drivers = [new_driver(rules=rules, clock="event", **one) for one in ({}, traced)]
    settings = WorkloadSettings(seed=5, events=1_200, subscribers=30)
    for driver in drivers:
        for number, one in enumerate(generate(settings, rules)):
            trace = (FULL, UNSAMPLED, ())[number % 3]
            driver.send(one.key, one.value, timestamp_ms=one.timestamp_ms, headers=trace)
        driver.process()
        driver.commit()
    assert drivers[0].everything() == drivers[1].everything()
    processed = spans.named("process events")
    assert 430 < len(processed) < 560
    assert {one.error for one in processed} > {""}, "some are rejected"
    sent = {one.context.headers for one in spans.named("send reminders")}
    told = {tuple(one.headers) for one in drivers[1].output("reminders")}
    assert sent <= told
    assert len(sent) > 10


@pytest.mark.both_ways
def test_the_ratio_is_of_events_without_a_trace(new_driver: NewDriver) -> None:
    spans = KeptSpans(Sampling(1.0))
    driver = new_driver(tracer=spans.tracer, observer=TracedCommits(spans))
    driver.activate(ALICE)
    spans.clear()
    use(driver, 100_000, UNSAMPLED)
    assert spans == []  # who began the trace has decided
    use(driver, 500_000, ())
    process, _, send, _ = spans
    assert process.parent is None
    assert process.context.is_sampled
    assert send.context.trace_id == process.context.trace_id
    assert traces(driver) == [("low", send.context.headers)]


@pytest.mark.both_ways
def test_beyond_the_allowance_the_trace_is_passed_on(new_driver: NewDriver) -> None:
    spans = KeptSpans(per_second=2)
    driver = new_driver(tracer=spans.tracer, observer=TracedCommits(spans))
    driver.activate(ALICE)
    for number in range(5):
        driver.send_event(driver.usage(ALICE, 250_000, f"u{number}"), headers=FULL)
    driver.process()
    driver.commit()
    assert len(spans.named("process events")) == 2
    first, *others = traces(driver)
    assert first != ("low", FULL)
    assert others == [("low", FULL)]
    assert len({one.context.span_id for one in spans}) == len(spans)


@pytest.mark.parametrize("step", ["3", "5"])
def test_a_failed_commit_is_told_and_made_again(
    traced: QuotaDriver, spans: KeptSpans, step: str
) -> None:
    traced.activate(ALICE)
    traced.send_event(traced.usage(ALICE, 500_000), headers=FULL)
    traced.process()
    with traced.crash_at("commit", step):
        traced.commit()
    traced.start()
    traced.process()
    traced.commit()
    failed = [one for one in spans.named("send reminders") if one.error]
    (told,) = [one for one in spans.named("send reminders") if not one.error]
    assert len(failed) <= 1  # a worker that dies tells nothing
    assert traces(traced) == [("low", told.context.headers)]


def test_a_rejected_event_says_why(traced: QuotaDriver, spans: KeptSpans) -> None:
    traced.pipe(ALICE.encode(), b"{", headers=FULL)
    assert [one.error for one in spans.named("process events")] == ["malformed_json"]


def test_what_was_due_before_an_event_is_not_of_its_trace(
    traced: QuotaDriver, spans: KeptSpans
) -> None:
    traced.activate(ALICE)
    traced.now_ms += 9 * HOUR + MINUTE  # no tick: the summary is sent with the event
    use(traced, 500_000, FULL)
    (send,) = spans.named("send reminders")
    assert traces(traced) == [("morning", ()), ("low", send.context.headers)]


def test_many_events_of_a_chunk_are_few_links(traced: QuotaDriver, spans: KeptSpans) -> None:
    traced.activate(ALICE)
    for number in range(200):
        traced.send_event(traced.usage(ALICE, 1, f"u{number}"), headers=FULL)
    traced.process()
    traced.commit()
    assert len(spans.named("process events")) == 200
    assert max(len(one.links) for one in spans) <= 128
