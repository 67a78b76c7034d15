"""A bad batch is taken back from the log, once, with one notice per subscriber."""

from __future__ import annotations

from datetime import timedelta

import pytest

from streamproc.contracts.records.codec import encode_event
from streamproc.core.instants import to_ms
from streamproc.core.rules.rulebook import CorrectionRule
from streamproc.core.state.effects import Reminder
from streamproc.core.state.events import UsageRecorded, UsageRefunded
from streamproc.kafka.recording import LogRecord
from streamproc.tools.retraction import BadBatch, RetractionTally, refunds
from tests.support.line import GB, LOW, SUBSCRIBER, TEXT, Line, day, decisions, rulebook

OTHER = "861380001"
BATCH = BadBatch("ocs-7", day(2), day(3))


def record(
    number: int,
    at: float,
    used: int = GB,
    source: str = "ocs-7",
    name: str = SUBSCRIBER,
    id: str = "",
) -> LogRecord:
    event = UsageRecorded(id or f"u{number}", source, name, day(at), total_bytes=used)
    value = encode_event(event)
    return LogRecord(name.encode(), value, to_ms(day(at)), (), 0, number, "events")


LOG = [
    record(0, 1.9),
    record(1, 2.0),
    record(2, 2.1, source="ocs-1"),
    record(3, 2.2, name=OTHER),
    record(4, 2.3),
    record(5, 2.4, used=0),
    record(4, 2.3),
    record(6, 2.9, used=5),
    record(7, 3.0),
    LogRecord(SUBSCRIBER.encode(), b"{", to_ms(day(2.5)), (), 0, 8, "events"),
]


def made() -> tuple[list[UsageRefunded], RetractionTally]:
    tally = RetractionTally()
    return list(refunds(LOG, BATCH, tally)), tally


def test_each_event_of_the_batch_is_taken_back_once_and_the_last_of_a_subscriber_notifies() -> None:
    found, tally = made()
    assert [(one.subscriber, one.of_id, one.notify) for one in found] == [
        (SUBSCRIBER, "u1", False),
        (SUBSCRIBER, "u4", False),
        (SUBSCRIBER, "u6", True),
        (OTHER, "u3", True),
    ]
    assert (tally.records, tally.events, tally.subscribers) == (10, 4, 2)
    assert tally.refunded_bytes == 3 * GB + 5


def test_the_same_refunds_are_made_each_time() -> None:
    assert made()[0] == made()[0]
    assert len({one.id for one in made()[0]}) == 4


def test_the_account_is_as_if_the_batch_had_never_been_and_hears_of_it_once() -> None:
    follow_up = CorrectionRule("sorry", TEXT, "usage", False, 5, 1000)
    rules = rulebook(usage_rules=(LOW,))
    rules.correction_rules = (follow_up,)
    rules.rules_by_id["sorry"] = follow_up
    line = Line(rules)
    line.activate()
    for number, (at, used, source) in enumerate(
        [(1.9, GB, "ocs-1"), (2.0, GB, "ocs-7"), (2.3, 4 * GB, "ocs-7"), (2.9, 5, "ocs-7")]
    ):
        event = UsageRecorded(f"u{number}", source, SUBSCRIBER, day(at), total_bytes=used)
        line.feed(event)
    log = [
        record(1, 2.0, GB, id="u1"),
        record(2, 2.3, 4 * GB, id="u2"),
        record(3, 2.9, 5, id="u3"),
    ]
    told: list[Reminder] = []
    for _ in range(2):
        for refund in refunds(log, BATCH, RetractionTally()):
            effects = line.feed(refund, day(4) + timedelta(seconds=1))
            told += [one for one in effects if isinstance(one, Reminder)]
    assert line.account.buckets[0].used_bytes == line.account.charged_bytes == GB
    assert [one.rule for one in told] == ["sorry"]
    assert told[0].used_bytes == GB
    assert decisions(line.effects).count("refunded") == 3
    assert line.account.extra is None


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (
            BadBatch("ocs-9", day(2), day(3)),
            "the sources that have usage in this time are ocs-1, ocs-7; correct --source",
        ),
        (
            BadBatch("ocs-7", day(12), day(13)),
            "the usage of ocs-7 that was read is from 2026-01-02T21:36:00Z to "
            "2026-01-04T00:00:00Z; correct --from-time or --to-time",
        ),
        (BadBatch("ocs-9", day(12), day(13)), "no source has usage in this time (10 records read)"),
    ],
)
def test_a_batch_without_an_event_says_what_there_is_instead(batch: BadBatch, says: str) -> None:
    tally = RetractionTally()

    assert list(refunds(LOG, batch, tally)) == []
    assert tally.why_nothing(batch) == says


def test_a_topic_without_records_of_the_time_is_told() -> None:
    tally = RetractionTally()

    assert list(refunds([], BATCH, tally)) == []
    assert tally.why_nothing(BATCH) == "the topic has no records of this time"
