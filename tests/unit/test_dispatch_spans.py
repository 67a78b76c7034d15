"""The spans of a dispatcher: of each submit, and of a receipt that comes after a restart."""

from __future__ import annotations

import pytest

from streamproc.dispatch.journal import JournalEntry, decode_entry, encode
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    Outcome,
    Outgoing,
    Refused,
    Unknown,
)
from streamproc.dispatch.traced import DispatchSpans
from streamproc.tracing.context import context_of, trace_of
from streamproc.tracing.spans import Sampling
from tests.support.scheduler import START_MS, TOPIC, Table, line, reminder
from tests.support.traced import KeptSpans
from tests.unit.test_tracing_context import PARENT, STATE

FULL = (("traceparent", PARENT), ("tracestate", STATE))
GIVEN = context_of(FULL)


class Traced:
    """A scheduler whose reminders belong to a trace, and the spans that its dispatcher makes."""

    def __init__(self, *, ratio: float = 0.0) -> None:
        self.spans = KeptSpans(Sampling(ratio))
        self.table = Table(line(reports=True, kind="smpp"))
        self.table.trace = FULL
        self.dispatch = DispatchSpans(self.spans.tracer, {"main": "smpp"})

    def submit(self, message: Outgoing, outcome: Outcome) -> tuple[tuple[str, bytes], ...]:
        """As the runner does; returns what a webhook would get."""
        began_ns = self.dispatch.submitting(message)
        seen = message.trace
        self.dispatch.submitted(message, outcome, began_ns)
        self.table.answer(message, outcome)
        return seen

    def report(self, state: str = "delivered") -> None:
        heard = DeliveryReport("main", "m1", state, "", self.table.now_ms)  # type: ignore[arg-type]
        self.table.scheduler.report(heard, (0, 0), self.table.now_ms)
        self.table.commit()
        for told in self.table.settled:
            self.dispatch.settled(told)


def test_each_submit_is_below_the_reminder_as_it_was_read() -> None:
    traced = Traced()
    traced.table.put(reminder(1))
    (message,) = traced.table.step()
    seen = [traced.submit(message, Refused(ErrorClass.TRANSIENT, "busy"))]
    (message,) = traced.table.step(wait_ms=60_000)
    seen.append(traced.submit(message, Accepted({1: "m1"})))
    process, first, second = traced.spans
    assert (process.name, process.kind, process.parent) == (f"process {TOPIC}", "consumer", GIVEN)
    assert [(one.name, one.kind, one.parent) for one in (first, second)] == [
        ("send main", "client", process.context)
    ] * 2
    assert (first.error, second.error) == ("transient", "")
    assert seen == [first.context.headers, second.context.headers]
    assert [one.attributes["streamproc.attempt"] for one in (first, second)] == [1, 2]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_receipt_joins_the_trace_of_its_submit(restarts: bool) -> None:
    traced = Traced()
    traced.table.put(reminder(1))
    (message,) = traced.table.step()
    traced.submit(message, Accepted({1: "m1"}))
    if restarts:
        traced.table.trace = ()  # the record is not read again
        traced.table.restart()
    traced.report()
    settle = traced.spans[-1]
    assert (settle.name, settle.kind, settle.error) == (f"settle {TOPIC}", "client", "")
    assert settle.parent == traced.spans[-2].context
    assert settle.attributes["streamproc.receipt.status"] == "delivered"
    assert settle.attributes["messaging.kafka.offset"] == 0


def test_what_was_not_delivered_is_an_error() -> None:
    traced = Traced()
    traced.table.put(reminder(1))
    (message,) = traced.table.step()
    traced.submit(message, Accepted({1: "m1"}))
    traced.report("failed")
    assert (traced.spans[-1].error, traced.table.statuses()[-1]) == ("failed", (1, "failed"))


def test_a_reminder_that_expires_unsent_says_so() -> None:
    traced = Traced()
    traced.table.put(reminder(1))
    traced.table.step(wait_ms=25 * 3_600_000)
    (told,) = traced.table.settled
    traced.dispatch.settled(told)
    (span,) = traced.spans
    assert (span.parent, span.error, told.since_ms) == (GIVEN, "expired", START_MS)


def test_without_a_sampled_trace_nothing_is_written_or_made() -> None:
    traced = Traced()
    unsampled = (("traceparent", PARENT[:-1] + b"0"),)
    traced.table.trace = unsampled
    traced.table.put(reminder(1))
    (message,) = traced.table.step()
    assert traced.submit(message, Accepted({1: "m1"})) == unsampled
    traced.report()
    assert traced.spans == []
    assert all(b"trace" not in value for value in traced.table.journal.values())


def test_a_timed_reminder_begins_a_trace_by_the_ratio() -> None:
    traced = Traced(ratio=1.0)
    traced.table.trace = ()
    traced.table.put(reminder(1))
    (message,) = traced.table.step()
    seen = traced.submit(message, Unknown("timeout"))
    process, send = traced.spans
    assert process.parent is None
    assert send.error == "unknown"
    assert (seen, send.parent) == (send.context.headers, process.context)


def test_no_span_names_the_subscriber_or_the_text() -> None:
    traced = Traced()
    traced.table.put(reminder(1))
    (message,) = traced.table.step()
    traced.submit(message, Accepted({1: "m1"}))
    traced.report()
    assert len(traced.spans) == 3
    said = "".join(repr(one.attributes) + one.name + one.error for one in traced.spans)
    assert "8613800000001" not in said
    assert reminder(1).text not in said


@pytest.mark.parametrize("trace", [[], [""], ["ä"], ["x", "y", "z"], [PARENT.decode(), "\n"]])
def test_a_journal_may_say_anything_of_a_trace(trace: list[str]) -> None:
    entry = decode_entry(encode(JournalEntry("retry", 1, trace=trace)))
    good = bool(trace) and trace[0] == PARENT.decode()
    assert entry.trace_headers == (FULL[:1] if good else ())
    assert trace_of(entry.trace_headers) == entry.trace_headers
