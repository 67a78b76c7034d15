"""Rejected input is told of once per reason, topic and hour."""

from __future__ import annotations

from structlog.testing import capture_logs

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.instants import from_ms
from streamproc.core.state.effects import Rejected
from streamproc.engine.processor import Outbox
from streamproc.worker.hourly import WARN_SECONDS
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.reject_warnings import RejectWarnings
from streamproc.worker.virtual import InputRecord


def reject(reason: str = "malformed_json", topic: str = "events", offset: int = 7) -> Rejected:
    return Rejected(reason, "it is cut off", topic, 3, offset, from_ms(0))


def test_once_an_hour_with_how_many_there_were() -> None:
    now = [0.0]
    warnings = RejectWarnings(lambda: now[0])
    with capture_logs() as logs:
        for offset in range(5):
            warnings.note(reject(offset=offset))
        now[0] = WARN_SECONDS
        warnings.note(reject(offset=9))
    assert [(one["records"], one["offset"]) for one in logs] == [(1, 0), (5, 9)]
    assert {one["log_level"] for one in logs} == {"warning"}


def test_each_reason_and_topic_by_itself() -> None:
    warnings = RejectWarnings(lambda: 0.0)
    with capture_logs() as logs:
        warnings.note(reject())
        warnings.note(reject("time_in_past"))
        warnings.note(reject(topic="other"))
        warnings.note(reject("wrong_partition"))
    told = [(one["reason"], one["topic"]) for one in logs]
    assert told == [
        ("malformed_json", "events"),
        ("time_in_past", "events"),
        ("malformed_json", "other"),
    ]


def test_a_worker_tells_of_records_that_it_rejects() -> None:
    processor = QuotaProcessor(
        default_rulebook(), WorkerTopics(), "event", "off", warnings=RejectWarnings(lambda: 0.0)
    )
    records = [InputRecord("events", 0, at, b"8613800000001", b"{", 0) for at in range(3)]
    with capture_logs() as logs:
        processor.apply("events", 0, records, processor.new_rows(), Outbox(), 0)
    (line,) = [one for one in logs if one["event"] == "records are rejected"]
    assert line["reason"] == "malformed_json"
    assert "8613800000001" not in str(line)
