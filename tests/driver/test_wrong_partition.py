"""Records in another partition than that of their key: refused, or taken over, and never applied.

A subscriber has one account, whatever partitioners its producers have.
"""

from __future__ import annotations

import zlib
from collections import Counter
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamproc.contracts.records.codec import encode_event
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.core.instants import from_ms, to_ms
from streamproc.core.state.events import (
    AccountActivated,
    SmsReceived,
    SubscriberEvent,
    ToppedUp,
    UsageRecorded,
)
from streamproc.engine.faust.producer import BATCH_BYTES
from streamproc.lab.oracle import PlacedRecord
from streamproc.lab.oracle import expect as expect_by_oracle
from streamproc.lab.workload import WorkloadSettings, generate
from streamproc.partitioner import murmur2
from streamproc.worker.placement import MAX_FORWARDED_BYTES
from streamproc.worker.settings import Native, WrongPartition
from streamproc.worker.virtual import InputRecord, VirtualWorker
from tests.support.cluster import Record
from tests.support.compiled import IS_NATIVE
from tests.support.expectation import expect
from tests.support.memory_log import LogRecord
from tests.support.oracle import assert_agrees
from tests.support.quota_driver import DAY, START, QuotaDriver

RULES = default_rulebook()
ALICE, BOB = "8613800000003", "8613800000002"
RIGHT, WRONG = 2, 1
"""Of Alice, of four partitions."""
GB = 1_000_000_000
START_MS = to_ms(START)
NATIVES: list[Native] = ["off", "on"] if IS_NATIVE else ["off"]


def driver(native: Native = "off", **options: Any) -> QuotaDriver:
    return QuotaDriver(RULES, native=native, partitions=4, **options)


def activated(d: QuotaDriver, subscriber: str = ALICE, **place: Any) -> None:
    event = AccountActivated(f"a-{subscriber}", "crm", subscriber, d.now, "basic-5gb", "UTC", 1)
    d.event(event, **place)


def used(d: QuotaDriver, id: str, total: int = GB, partition: int = WRONG) -> LogRecord:
    return d.event(UsageRecorded(id, "ocs", ALICE, d.now, total_bytes=total), partition=partition)


@pytest.mark.parametrize("native", NATIVES)
def test_usage_in_the_wrong_partition_is_refused_and_told(native: Native) -> None:
    with driver(native) as d:
        activated(d)
        used(d, "right", partition=RIGHT)
        before = d.account(ALICE)
        with capture_logs() as logs:
            used(d, "wrong")
            used(d, "wrong-again")

        assert d.account(ALICE) == before
        first, second = d.rejects()
        assert (first.reason, first.event_id, first.source) == ("wrong_partition", "wrong", "ocs")
        assert (first.topic, first.partition, first.offset) == ("events", WRONG, 0)
        assert "is in partition 1" in first.detail
        assert "belongs in partition 2 of 4" in first.detail
        assert "partitioner=murmur2_random" in first.detail
        assert second.offset == 1
        assert d.counts["wrong_partition"] == d.counts["rejects"] == 2
        (warning,) = logs
        assert warning["event"] == "records are in the wrong partition and are refused"


def test_both_computations_refuse_with_the_same_bytes() -> None:
    found = []
    for native in NATIVES:
        with driver(native) as d:
            activated(d)
            for number in range(20):
                used(d, f"u{number}", 600_000_000, RIGHT if number % 3 else WRONG)
            found.append(d.everything())
    assert all(one == found[0] for one in found)


def test_an_activation_in_the_wrong_partition_makes_no_second_account() -> None:
    with driver() as d:
        activated(d)
        activated(d, partition=WRONG)
        used(d, "1", 4 * GB)
        used(d, "2", 4 * GB, RIGHT)

        assert len(d.stored()) == 1
        assert [one.reason for one in d.rejects()] == ["wrong_partition"] * 2
        told = [one.kind for one in d.reminders()]
        assert told == ["activation_welcome", "usage_percent"]


def test_a_text_in_the_wrong_partition_is_refused_too() -> None:
    with driver(inputs=("events", "commands")) as d:
        activated(d)
        sms = SmsReceived("s1", "smsc", ALICE, d.now, text="DATA")
        d.event(sms, topic="commands", partition=WRONG)
        (reject,) = d.rejects()
        assert (reject.reason, reject.topic) == ("wrong_partition", "commands")


@pytest.mark.parametrize("policy", ["refuse", "forward"])
def test_keys_that_are_wrong_themselves_are_told_as_such(policy: Any) -> None:
    with driver(wrong_partition=policy) as d:
        event = encode_event(UsageRecorded("u", "ocs", ALICE, d.now, total_bytes=1))
        d.pipe(None, event, partition=3)
        d.pipe(BOB.encode(), event, partition=3)
        d.pipe(ALICE.encode(), b"{}", partition=WRONG)
        assert [(one.partition, one.reason) for one in d.rejects()] == [
            (WRONG, "contract_violation"),
            (3, "key_mismatch"),
            (3, "key_mismatch"),
        ]


def test_the_clock_is_everywhere() -> None:
    with driver(clock="event") as d:
        tick = b'{"type":"clock.advanced","id":"c","source":"replay","time":"2026-01-05T00:00:00Z"}'
        for number in range(4):
            d.pipe(None, tick, partition=number)
            d.pipe(b"any", tick, partition=number)
        assert d.rejects() == []


def test_a_rejects_detail_names_no_subscriber() -> None:
    with driver() as d:
        activated(d)
        with capture_logs() as logs:
            d.event(
                UsageRecorded(f"cdr-{ALICE}", f"feed-{ALICE}", ALICE, d.now, total_bytes=1),
                partition=WRONG,
            )
        (reject,) = d.rejects()
        assert ALICE not in str(reject) + str(logs)


def test_the_oracle_refuses_the_same() -> None:
    settings = WorkloadSettings(seed=4, events=3_000, subscribers=60)
    placed: list[tuple[int, int, Record]] = []
    offsets: Counter[int] = Counter()
    for key, value, at_ms in generate(settings, RULES):
        by_crc32 = b'"usage.' in (value or b"") and len(placed) % 3 == 0
        number = (zlib.crc32 if by_crc32 else murmur2)(key or b"") % 0x80000000 % 4
        placed.append((number, offsets[number], (key, value, at_ms)))
        offsets[number] += 1
    log = [PlacedRecord("events", number, offset, *one) for number, offset, one in placed]

    core = expect(placed, "events", RULES, partitions=4)
    assert_agrees(core, expect_by_oracle(log, RULES, partitions=4))
    wrong = [one for one in core.rejects.elements() if b'"wrong_partition"' in one]
    assert len(wrong) > 500


def test_a_worker_in_memory_refuses_or_takes_over_too() -> None:
    at = from_ms(START_MS)
    events: list[tuple[int, SubscriberEvent]] = [
        (RIGHT, AccountActivated("a", "crm", ALICE, at, "basic-5gb", "UTC", 1)),
        (WRONG, UsageRecorded("u1", "ocs", ALICE, at, total_bytes=4 * GB)),
        (RIGHT, UsageRecorded("u2", "ocs", ALICE, at, total_bytes=1)),
    ]
    records = [
        InputRecord("events", number, offset, ALICE.encode(), encode_event(event), START_MS)
        for offset, (number, event) in enumerate(events)
    ]

    def charged(partitions: int, policy: WrongPartition) -> tuple[int, list[str]]:
        told: list[str] = []
        worker = VirtualWorker(
            RULES, lambda topic, *_: told.append(topic), "off", partitions, policy
        )
        worker.apply(records)
        account = worker.account(RIGHT, ALICE.encode())
        assert account is not None
        return account.charged_bytes, told

    refused, told = charged(4, "refuse")
    assert (refused, told.count("rejects"), told.count("reminders")) == (1, 1, 1)
    forwarded, told = charged(4, "forward")
    assert (forwarded, told.count("rejects"), told.count("reminders")) == (4 * GB + 1, 0, 2)
    unknown, told = charged(0, "refuse")
    assert (unknown, told.count("rejects")) == (1, 0), "held as of an unknown subscriber"


# Forwarding.


def forwarding(native: Native = "off", **options: Any) -> QuotaDriver:
    return driver(native, wrong_partition="forward", **options)


@pytest.mark.parametrize("native", NATIVES)
def test_a_forwarded_record_is_applied_in_its_right_partition(native: Native) -> None:
    with forwarding(native) as d:
        activated(d)
        record = used(d, "u1", 4 * GB)
        d.process()
        d.commit()

        account = d.account(ALICE)
        assert account is not None
        assert account.charged_bytes == 4 * GB
        (copy,) = d.log.read("forwarded", RIGHT)
        assert (copy.key, copy.value, copy.timestamp) == (
            record.key,
            record.value,
            record.timestamp,
        )
        assert dict(copy.headers) == {"streamproc-origin": b"events/1/0"}
        assert d.rejects() == []
        assert d.counts["wrong_partition"] == d.counts["forwarded"] == 1
        reminder = d.reminders()[-1]
        assert reminder.kind == "usage_percent"
        assert (reminder.cause.topic, reminder.cause.partition) == ("forwarded", RIGHT)


def test_both_computations_apply_forwarded_records_with_the_same_bytes() -> None:
    found = []
    for native in NATIVES:
        with forwarding(native) as d:
            activated(d)
            for number in range(20):
                used(d, f"u{number}", 600_000_000)
                d.process()
                d.commit()
            found.append(d.everything())
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("native", NATIVES)
def test_reminders_of_forwarded_records_that_arrive_at_once_have_ids_of_their_own(
    native: Native,
) -> None:
    """The clock of their right partition is ahead, so all of them arrive at the same instant."""
    with forwarding(native, clock="event") as d:
        activated(d)
        for hour in range(3):
            d.now_ms = START_MS + hour * 3_600_000
            if hour:
                top_up = ToppedUp(f"t{hour}", "crm", ALICE, d.now, granted_bytes=GB)
                d.send_event(top_up, partition=WRONG)
            event = UsageRecorded(f"u{hour}", "ocs", ALICE, d.now, total_bytes=6 * GB)
            d.send_event(event, partition=WRONG)
        tick = b'{"type":"clock.advanced","id":"c","source":"replay","time":"2026-01-06T00:00:00Z"}'
        d.pipe(None, tick, partition=RIGHT, timestamp_ms=START_MS + DAY)
        for _ in range(2):
            d.process()
            d.commit()

        costs = [one for one in d.reminders() if one.kind == "overage_started"]
        assert [to_ms(one.as_of) for one in costs] == [START_MS + DAY] * 3
        assert len({one.id for one in costs}) == 3


@pytest.mark.parametrize("native", NATIVES)
@pytest.mark.parametrize("is_direct_first", [True, False])
def test_an_event_that_comes_both_ways_or_twice_counts_once(
    native: Native, is_direct_first: bool
) -> None:
    with forwarding(native) as d:
        activated(d)
        event = UsageRecorded("u", "ocs", ALICE, d.now, total_bytes=4 * GB)
        for number in (RIGHT, WRONG, WRONG) if is_direct_first else (WRONG, WRONG, RIGHT):
            d.send_event(event, partition=number)
            d.process()
            d.commit()
        d.process()
        d.commit()

        account = d.account(ALICE)
        assert account is not None
        assert account.charged_bytes == 4 * GB
        assert d.decisions().count("duplicate") == 2
        assert [one.kind for one in d.reminders()] == ["activation_welcome", "usage_percent"]


@pytest.mark.parametrize("native", NATIVES)
@pytest.mark.parametrize("place", [RIGHT, WRONG])
def test_forwarded_usage_waits_for_an_activation_that_comes_either_way(
    native: Native, place: int
) -> None:
    with forwarding(native) as d:
        for number in range(3):
            used(d, f"u{number}", 2 * GB)
        d.process()
        d.commit()
        assert d.decisions().count("held") == 3
        with d.crash_at("commit", "5"):
            event = AccountActivated("a", "crm", ALICE, from_ms(START_MS), "basic-5gb", "UTC", 1)
            d.send_event(event, partition=place)
            d.process()
            d.commit()
        d.start()
        for _ in range(2):
            d.process()
            d.commit()

        account = d.account(ALICE)
        assert account is not None
        assert account.charged_bytes == 6 * GB
        assert account.held == []
        ids = [one.id for one in d.reminders()]
        assert len(ids) == len(set(ids)) >= 2


def test_every_kind_of_event_and_envelope_is_taken_over() -> None:
    with forwarding(inputs=("events", "commands")) as d:
        activated(d, partition=WRONG)
        d.process()
        d.commit()
        d.event(SmsReceived("s1", "smsc", ALICE, d.now, text="DATA"), topic="commands", partition=0)
        headers = (
            ("ce_specversion", b"1.0"),
            ("ce_id", b"u1"),
            ("ce_source", b"ocs"),
            ("ce_type", b"streamproc.usage.recorded.v1"),
            ("ce_subject", ALICE.encode()),
            ("ce_time", b"2026-01-05T00:00:00Z"),
        )
        d.pipe(ALICE.encode(), b'{"total_bytes":7}', partition=WRONG, headers=headers)
        d.process()
        d.commit()

        account = d.account(ALICE)
        assert account is not None
        assert account.charged_bytes == 7
        assert d.rejects() == []
        assert "command" in d.decisions()


def test_the_order_of_a_producer_is_kept() -> None:
    with forwarding(chunk_records=7) as d:
        activated(d)
        for number in range(100):
            event = UsageRecorded(f"u{number}", "ocs", ALICE, d.now, total_bytes=1)
            d.send_event(event, partition=WRONG)
        for _ in range(100):
            d.process(3)
            d.commit()
        copies = d.log.read("forwarded", RIGHT)
        assert [one.value for one in copies] == [one.value for one in d.log.read("events", WRONG)]
        account = d.account(ALICE)
        assert account is not None
        assert account.charged_bytes == 100


@pytest.mark.parametrize("step", "1234567")
@pytest.mark.parametrize("native", NATIVES)
def test_a_worker_that_dies_at_any_step_forwards_once(native: Native, step: str) -> None:
    with forwarding(native) as d:
        activated(d)
        for number in range(3):
            event = UsageRecorded(f"u{number}", "ocs", ALICE, d.now, total_bytes=GB)
            d.send_event(event, partition=WRONG)
        d.process()
        with d.crash_at("commit", step):
            d.commit()
        d.start()
        for _ in range(2):
            d.process()
            d.commit()

        copies = d.log.read("forwarded", RIGHT)
        assert [one.value for one in copies] == [one.value for one in d.log.read("events", WRONG)]
        account = d.account(ALICE)
        assert account is not None
        assert account.charged_bytes == 3 * GB
        assert "duplicate" not in d.decisions(), "not by the dedupe: it has a horizon"


def test_a_failed_commit_forwards_once() -> None:
    with forwarding() as d:
        activated(d)
        d.send_event(UsageRecorded("u", "ocs", ALICE, d.now, total_bytes=GB), partition=WRONG)
        d.process()
        d.fail_commit_at("5", ConnectionError("lost"), WRONG)
        for _ in range(2):
            d.commit()
            d.process()
        d.commit()
        assert len(d.log.read("forwarded", RIGHT)) == 1


def test_what_is_too_large_to_forward_is_refused() -> None:
    with forwarding() as d:
        activated(d)
        event = encode_event(UsageRecorded("u", "ocs", ALICE, d.now, total_bytes=1))
        d.pipe(ALICE.encode(), event + b" " * MAX_FORWARDED_BYTES, partition=WRONG)
        (reject,) = d.rejects()
        assert reject.reason == "wrong_partition"
        assert BATCH_BYTES >= MAX_FORWARDED_BYTES


def test_nothing_is_forwarded_in_a_circle() -> None:
    with forwarding() as d:
        activated(d)
        event = encode_event(UsageRecorded("u", "ocs", ALICE, d.now, total_bytes=1))
        d.pipe(ALICE.encode(), event, topic="forwarded", partition=WRONG)
        (reject,) = d.rejects()
        assert (reject.reason, reject.topic) == ("wrong_partition", "forwarded")
        assert len(d.log.read("forwarded", WRONG)) == 1


def test_what_was_forwarded_is_applied_under_refuse_too() -> None:
    with forwarding() as d:
        activated(d)
        used(d, "u")
        d.stop()
        with driver(log=d.log) as later:
            later.process()
            later.commit()
            account = later.account(ALICE)
            assert account is not None
            assert account.charged_bytes == GB


# Accounts that an earlier release took over in wrong partitions.


def misplaced(native: Native) -> QuotaDriver:
    """A worker with an account of Alice in each of two partitions."""
    with QuotaDriver(RULES, partitions=4, native="off") as old:
        old.processor._placement.partitions = 0  # type: ignore[attr-defined]
        for number in (RIGHT, WRONG):
            activated(old, partition=number)
        old.stop()
        return driver(native, log=old.log, now_ms=old.now_ms)


@pytest.mark.parametrize("native", NATIVES)
def test_no_reminder_id_leaves_two_partitions(native: Native) -> None:
    with misplaced(native) as d:
        begun = len(d.reminders())
        used(d, "u1", 4 * GB)
        used(d, "u2", 4 * GB, RIGHT)
        d.advance_wall_clock(40 * DAY, 6 * 3_600_000)

        later = d.reminders()[begun:]
        ids = [one.id for one in later]
        assert ids
        assert len(ids) == len(set(ids))
        assert d.log.read("reminders", WRONG)[1:] == [], "the timers of the wrong account rest"


def test_a_worker_tells_of_accounts_in_the_wrong_partition() -> None:
    with misplaced("off") as d, capture_logs() as logs:
        d.tick()
        told = [one for one in logs if one["log_level"] == "critical"]
        assert [(one["partition"], one["accounts"]) for one in told] == [(WRONG, 1)]
        d.tick()
        assert len([one for one in logs if one["log_level"] == "critical"]) == 1, "once"
