"""The compiled plain case writes byte for byte what the core writes."""

from __future__ import annotations

import shutil
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from msgspec import UNSET

from streamproc.contracts.records.codec import decode_reminder
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.instants import DAY_MS, from_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.engine.ids import snapshot
from streamproc.engine.processor import Outbox, PoisonError
from streamproc.engine.rows import Rows
from streamproc.lab.workload import WorkloadSettings, generate
from streamproc.worker.native_bridge.loading import NativeMissingError, is_native
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.settings import Native
from tests.support.compiled import IS_NATIVE
from tests.support.record_batches import as_walked

needs_native = pytest.mark.skipif(
    not IS_NATIVE and shutil.which("cargo") is None,
    reason="no Rust compiler here: the compiled part cannot be built",
)
RULES = default_rulebook()
KEY = b"8613800000001"
START_MS = 1_767_600_000_000  # 2026-01-05T08:00:00Z


class Log(NamedTuple):
    key: bytes | None
    value: bytes | None
    timestamp: int
    offset: int
    headers: tuple[tuple[str, bytes], ...] = ()


class Run:
    """A processor and one partition of its state.

    ``is_walked``: its records are in the bytes of their batches, and not objects.
    """

    def __init__(self, native: Native, rules: Rulebook = RULES, *, is_walked: bool = False) -> None:
        self.is_walked = is_walked
        self.processor = QuotaProcessor(rules, WorkerTopics(), "event", native)
        self.rows: Rows[Account] = self.processor.new_rows()
        self.rows.ids.begin(bytes(range(16)))
        self.outbox = Outbox()
        self.clock_ms = 0

    def apply(self, records: list[Log]) -> None:
        given = as_walked(records) if self.is_walked else records
        self.clock_ms = self.processor.apply(
            "events", 0, given, self.rows, self.outbox, self.clock_ms
        )

    def commit(self) -> None:
        self.rows.take_changes()
        while self.rows.next_due_ms <= self.clock_ms:
            self.processor.tick(self.rows, self.outbox, self.clock_ms, 0, 1 << 40)
            self.rows.take_changes()


def compared(records: list[Log], cuts: list[int], rules: Rulebook = RULES) -> Run:
    """Apply the records both ways in the same chunks; everything must be equal after each."""
    pure, listed = Run("off", rules), Run("on", rules)
    walked = Run("on", rules, is_walked=True)
    for start, end in pairwise([0, *cuts, len(records)]):
        if start == end:
            continue
        for run in (pure, listed, walked):
            run.apply(records[start:end])
            run.commit()
        for compiled in (listed, walked):
            assert compiled.rows.stored == pure.rows.stored
            assert snapshot(compiled.rows.ids) == snapshot(pure.rows.ids)
    for compiled in (listed, walked):
        assert compiled.outbox.topics == pure.outbox.topics
        assert _plain(compiled.outbox.headers) == _plain(pure.outbox.headers)
        assert _told(compiled.outbox) == _told(pure.outbox)
        assert compiled.clock_ms == pure.clock_ms
    assert walked.processor.counts == listed.processor.counts
    return walked


def _told(outbox: Outbox) -> dict[tuple[str, ...], int]:
    """What an observer hears, but for who has applied it."""
    return {about: count for about, count in outbox.counts.items() if about[0] != "applied"}


def _plain(headers: dict[str, dict[int, Any]]) -> dict[str, dict[int, list[Any]]]:
    return {
        topic: {index: list(some) for index, some in by_index.items()}
        for topic, by_index in headers.items()
    }


def left_to_core(log: list[Log], rules: Rulebook = RULES) -> int:
    """How many records of a log the compiled part leaves to the core."""
    run, by_core = Run("on", rules), 0
    applied = run.processor._apply_one

    def counting(*record: Any) -> int | None:
        nonlocal by_core
        by_core += 1
        return applied(*record)

    run.processor._apply_one = counting  # type: ignore[method-assign,assignment]
    for start in range(0, len(log), 500):
        run.apply(log[start : start + 500])
        run.commit()
    return by_core


@needs_native
def test_a_failure_to_tell_is_the_fault_of_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("on")
    run.apply([activation()])
    monkeypatch.setattr("streamproc.worker.quota_processor.effects_of", None)
    crossing = GOOD.replace(b"1000", b"19000000000")
    with pytest.raises(PoisonError) as caught:
        run.apply(
            [Log(KEY, GOOD, START_MS, 1), Log(KEY, crossing.replace(b"u1", b"u2"), START_MS, 2)]
        )
    assert caught.value.record == ("events", 0, 2)


def activation() -> Log:
    value = (
        b'{"type":"account.activated","id":"a","source":"crm","subscriber":"8613800000001",'
        b'"time":"2026-01-05T08:00:00Z","plan":"family-20gb","time_zone":"Asia/Shanghai",'
        b'"billing_anchor_day":1}'
    )
    return Log(KEY, value, START_MS, 0)


GOOD = (
    b'{"type":"usage.recorded","id":"u1","source":"ocs","subscriber":"8613800000001",'
    b'"time":"2026-01-05T08:00:01Z","total_bytes":1000}'
)
UNUSUAL = {
    "as it should be": GOOD,
    "white space": GOOD.replace(b":", b" : ").replace(b"08 : 00 : 01", b"08:00:01"),
    "both directions": GOOD.replace(b'"total_bytes":1000', b'"uplink_bytes":1,"downlink_bytes":2'),
    "both forms": GOOD.replace(b"}", b',"uplink_bytes":1,"downlink_bytes":2}'),
    "one direction": GOOD.replace(b'"total_bytes":1000', b'"uplink_bytes":1'),
    "nothing used": GOOD.replace(b"1000", b"0"),
    "video": GOOD.replace(b"}", b',"rating_group":20}'),
    "roaming": GOOD.replace(b"}", b',"roaming_zone":"eu","service":"web"}'),
    "a field twice": GOOD.replace(b"}", b',"total_bytes":5}'),
    "unknown field": GOOD.replace(b"}", b',"colour":"red"}'),
    "number as text": GOOD.replace(b"1000", b'"1000"'),
    "fraction": GOOD.replace(b"1000", b"1000.0"),
    "exponent": GOOD.replace(b"1000", b"1e3"),
    "leading zero": GOOD.replace(b"1000", b"01000"),
    "negative": GOOD.replace(b"1000", b"-1"),
    "beyond 2^53": GOOD.replace(b"1000", b"9007199254740992"),
    "beyond 2^64": GOOD.replace(b"1000", b"99999999999999999999999"),
    "absurd": GOOD.replace(b"1000", b"9000000000000000"),
    "escaped": GOOD.replace(b'"u1"', b'"u\\u0031"'),
    "not ASCII": GOOD.replace(b'"u1"', '"ü1"'.encode()),
    "not UTF-8": GOOD.replace(b'"u1"', b'"\xff1"'),
    "control character": GOOD.replace(b'"u1"', b'"u\x011"'),
    "empty id": GOOD.replace(b'"u1"', b'""'),
    "longest id": GOOD.replace(b'"u1"', b'"' + b"x" * 128 + b'"'),
    "id too long": GOOD.replace(b'"u1"', b'"' + b"x" * 129 + b'"'),
    "other subscriber": GOOD.replace(b"8613800000001", b"8613800000002"),
    "milliseconds": GOOD.replace(b"01Z", b"01.5Z"),
    "microseconds": GOOD.replace(b"01Z", b"01.999999Z"),
    "nanoseconds": GOOD.replace(b"01Z", b"01.999999999Z"),
    "offset": GOOD.replace(b"01Z", b"01+08:00"),
    "no zone": GOOD.replace(b"01Z", b"01"),
    "leap second": GOOD.replace(b"08:00:01Z", b"08:00:60Z"),
    "30 February": GOOD.replace(b"01-05", b"02-30"),
    "space for T": GOOD.replace(b"05T08", b"05 08"),
    "far future": GOOD.replace(b"2026", b"2093"),
    "long ago": GOOD.replace(b"2026", b"1999"),
    "before activation": GOOD.replace(b"08:00:01Z", b"07:59:59Z"),
    "trailing comma": GOOD.replace(b"}", b",}"),
    "trailing text": GOOD + b"x",
    "cut": GOOD[:-1],
    "an array": b"[1]",
    "other type": GOOD.replace(b"usage.recorded", b"usage.imagined"),
    "crosses thresholds": GOOD.replace(b"1000", b"19000000000"),
    "overage": GOOD.replace(b"1000", b"50000000000"),
}


@needs_native
@pytest.mark.parametrize("name", UNUSUAL)
def test_every_form_of_input_ends_as_in_the_core(name: str) -> None:
    again = Log(KEY, UNUSUAL[name], START_MS + 2000, 1)
    compared([activation(), again, again._replace(offset=2)], [1, 2])


@needs_native
def test_records_without_key_value_or_with_headers_are_left_to_the_core() -> None:
    late = START_MS + 2000
    log = [
        activation(),
        Log(None, GOOD, late, 1),
        Log(KEY, None, late, 2),
        Log(KEY, b"", late, 3),
        Log(KEY, GOOD, late, 4, (("trace", b"1"),)),
        Log(b"8613800000009", GOOD.replace(b"0001", b"0009"), late, 5),
        Log(KEY, GOOD.replace(b"u1", b"u2"), late - 1500, 6),
    ]
    compared(log, [3])


@needs_native
def test_plain_usage_does_not_reach_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("on")
    run.apply([activation()])
    monkeypatch.setattr(run.processor, "_apply_one", None)
    run.apply([Log(KEY, GOOD, START_MS + 2000, 1)])
    account = run.rows.get(KEY)
    assert account is not None
    assert account.charged_bytes == 1000


@needs_native
def test_an_account_with_closed_cycles_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("on")
    run.apply([activation()])
    run.clock_ms = START_MS + 30 * DAY_MS  # in the next cycle
    run.commit()
    monkeypatch.setattr(run.processor, "_apply_one", None)
    later = GOOD.replace(b"2026-01-05", b"2026-02-04")
    run.apply([Log(KEY, later, START_MS + 30 * DAY_MS, 1)])
    account = run.rows.get(KEY)
    assert account is not None
    assert account.history
    assert account.charged_bytes == 1000


@needs_native
def test_ids_are_forgotten_as_in_the_core() -> None:
    days = [0, 0, 6, 7, 8, 20, 29, 45, 46, 46, 80, 200, 201]
    log = [activation()]
    for number, day in enumerate(days):
        at_ms = START_MS + 2000 + day * DAY_MS
        time = from_ms(at_ms - 1000).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        value = GOOD.replace(b"u1", b"u%d" % number).replace(b"2026-01-05T08:00:01Z", time)
        log.append(Log(KEY, value, at_ms, number + 1))
    # Cut everywhere: what falls due is done between, so that usage itself is plain.
    run = compared(log, list(range(1, len(log))))
    account = run.rows.get(KEY)
    assert account is not None
    run.rows.ids.expire(START_MS + 201 * DAY_MS)
    assert 0 < len(run.rows.ids) < len(days)


@needs_native
def test_usage_from_before_a_purchase_that_costs_is_left_to_the_core() -> None:
    def used(name: bytes, time: bytes, at_ms: int, number: int, total: bytes = b"1000") -> Log:
        value = GOOD.replace(b"u1", name).replace(b"1000", total).replace(b"08:00:01Z", time)
        return Log(KEY, value, at_ms, number)

    bought = (
        b'{"type":"account.topped_up","id":"b1","source":"crm","subscriber":"8613800000001",'
        b'"time":"2026-01-05T08:01:00Z","pack":"day-1gb"}'
    )
    begun = activation()
    assert begun.value is not None
    log = [
        begun._replace(value=begun.value.replace(b"family-20gb", b"basic-5gb")),
        used(b"u1", b"08:00:01Z", START_MS + 2000, 1, b"5000000000"),
        Log(KEY, bought, START_MS + 61_000, 2),
        used(b"u2", b"08:00:02Z", START_MS + 62_000, 3),
        used(b"u3", b"08:00:03Z", START_MS + 63_000, 4),
    ]
    run = compared(log, list(range(1, len(log))))
    told = [value for _, value in run.outbox.topics[WorkerTopics().reminders]]
    assert [b'"rule":"data-costs"' in (value or b"") for value in told].count(True) == 1


@needs_native
def test_most_of_the_demo_needs_no_core() -> None:
    """A feature that lets the compiled part decline all is seen here, not in a bench only."""
    settings = WorkloadSettings(seed=5, events=6_000, subscribers=60)
    log = [Log(*record, offset=number) for number, record in enumerate(generate(settings, RULES))]
    by_core = left_to_core(log)
    assert by_core < len(log) // 5, f"{by_core} of {len(log)} went to the core"


@needs_native
def test_usage_with_a_trace_needs_no_core_and_its_reminders_have_the_trace() -> None:
    settings = WorkloadSettings(seed=5, events=1_500, subscribers=20)
    plain = [Log(*record, offset=number) for number, record in enumerate(generate(settings, RULES))]
    names = ("tracestate", "baggage", "streamproc-origin")
    log = []
    for number, one in enumerate(plain, 1):
        trace = ("traceparent", b"00-%032x-%016x-01" % (number, number))
        others = [(name, b"a=%d" % number) for name in names[: number % 4]]
        log.append(one._replace(headers=(trace, *others)))
    run = compared(log, list(range(333, len(log), 333)))
    assert left_to_core(log) == left_to_core(plain) < len(log) // 2
    topic = WorkerTopics().reminders
    headers, offsets, of_trace = run.outbox.headers[topic], [], ("traceparent", "tracestate")
    for index, (_, value) in enumerate(run.outbox.topics[topic]):
        cause = decode_reminder(value or b"").cause
        if cause.offset is UNSET or cause.due_time is not UNSET:
            assert index not in headers
        else:
            offsets.append(cause.offset)
            of_event = [one for one in log[cause.offset].headers if one[0] in of_trace]
            assert list(headers[index]) == of_event
    assert len(offsets) > 20


@needs_native
@pytest.mark.parametrize("name", ["Traceparent", "ce_traceparent", "content-type", "x", "\ud800"])
def test_usage_with_any_other_header_is_left_to_the_core(name: str) -> None:
    begun, use = activation(), Log(KEY, GOOD, START_MS + 2000, 1)
    assert left_to_core([begun, use]) == 1
    assert left_to_core([begun, use._replace(headers=((name, b"x"),))]) == 2


def test_demanding_the_compiled_part_where_it_is_missing_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamproc.worker.native_bridge.loading.streamproc_native", None)
    assert not is_native("auto")
    with pytest.raises(NativeMissingError, match=r"pip install \./native"):
        is_native("on")


def test_a_compiled_part_of_another_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that notes less of what it changed would have rows deleted from the changelog."""
    monkeypatch.setattr(
        "streamproc.worker.native_bridge.loading.streamproc_native", SimpleNamespace()
    )
    assert not is_native("off")
    for choice in ("auto", "on"):
        with pytest.raises(NativeMissingError, match=r"another release: pip install \./native"):
            is_native(choice)
