"""Records of topics beside events: commands, headers, receipts, dead letters, rules, whole batches.

What the dispatcher's own topics hold is in ``dispatching.py``.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from types import SimpleNamespace

import msgspec
import structlog
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from perf.fuzz.events import applied, key_of
from perf.fuzz.loops import say_nothing
from perf.fuzz.places import ROOT
from perf.fuzz.target import Target
from streamproc.contracts.records.codec import UNREADABLE, DecodeFailure, decode_event
from streamproc.contracts.records.origin import origin_of
from streamproc.contracts.records.receipts import (
    decode_dead_letter,
    decode_receipt,
    encode_receipt,
)
from streamproc.contracts.records.rule_versions import RulesPublished, encode_rules, version_id
from streamproc.contracts.rules_file.load import RulesError, load_rulebook, packaged_rulebook
from streamproc.contracts.rules_file.texts import Content
from streamproc.core.instants import from_ms
from streamproc.core.state.events import Arrival
from streamproc.dispatch.statistics import ReceiptTally
from streamproc.engine.processor import Outbox
from streamproc.kafka.batch_bounds import MAX_OLD_BYTES, examined, latest_ms, without_records
from streamproc.tracing.context import context_of, trace_of
from streamproc.worker.placement import Placement
from streamproc.worker.rule_versions import RuleVersions
from streamproc.worker.virtual import TOPICS, InputRecord
from tests.contract.golden import GOLDEN

RULES = "default.yaml"
SUBSCRIBER = b"8613800000001"
START_MS = 1_767_225_600_000
ACTIVATED = (
    b'{"type":"account.activated","id":"a","source":"s","subscriber":"8613800000001",'
    b'"time":"2026-01-01T00:00:00Z","plan":"%s","time_zone":"Asia/Shanghai","billing_anchor_day":1}'
)
SMS = (
    b'{"type":"sms.received","id":"mo-1","source":"smsc","subscriber":"8613800000001",'
    b'"time":"2026-01-01T00:00:01Z","text":"%s"}'
)
WORDS = tuple(
    one.encode()
    for one in (
        *("余额", "流量", "DATA", "BALANCE", "0000", "00000", "HELP", "STOP summary", "START"),
        *(
            "退订 1、2",
            "Y 2",
            "N",
            "QUIET 22:00 7:00",
            "ALERT 50 80",
            "周报 18:00",
            "\\u200b",
            "１２",
        ),
    )
)


@cache
def _plan() -> bytes:
    return next(iter(packaged_rulebook(RULES).plans)).encode()


def _commands() -> list[bytes]:
    return [SMS % word for word in WORDS]


def _command(value: bytes) -> None:
    key = key_of(value)
    records = [
        InputRecord("usage-events", 0, 0, SUBSCRIBER, ACTIVATED % _plan(), START_MS),
        InputRecord("usage-events", 0, 1, key, value, START_MS + 1_000),
        InputRecord("usage-events", 0, 2, SUBSCRIBER, SMS % b"Y", START_MS + 2_000),
    ]
    compiled = applied("auto", records, RULES)
    plain = applied("off", records, RULES)
    assert compiled == plain, "compiled and not differ"


def _with_headers() -> list[bytes]:
    """Lines of names and values of headers, an empty line, and the value of the record."""
    found = []
    for path in sorted(GOLDEN.glob("event-v1-cloudevent-*.json")):
        one = json.loads(path.read_bytes())
        lines = [f"{name}: {value}" for name, value in one.get("headers", {}).items()]
        lines.append("streamproc-origin: events/3/77")
        lines.append(f"traceparent: 00-{'a1' * 16}-{'b2' * 8}-01\ntracestate: one=1,two=2")
        found.append("\n".join([*lines, "", one["text"]]).encode())
    return found


def _headers(data: bytes) -> None:
    head, _, value = data.partition(b"\n\n")
    headers: list[tuple[str, bytes | None]] = []
    for line in head.split(b"\n"):
        name, colon, content = line.partition(b": ")
        headers.append((name.decode("utf-8", "backslashreplace"), content if colon else None))
    origin_of(headers)
    context = context_of(trace_of(headers, value))
    if context is not None:  # what a webhook gets
        assert all(one.isascii() and one.decode().isprintable() for _, one in context.headers)
        assert context_of(context.headers) is not None
    record = InputRecord("events", 0, 1, SUBSCRIBER, value, START_MS, tuple(headers))
    outbox = Outbox()
    copy = _placement().copy_of(record, Arrival(START_MS, "events", 0, 1))
    if copy is not None:
        assert origin_of(reversed(copy.headers)) == ("events", 0, 1)
    assert not outbox.copies
    with suppress(DecodeFailure):
        decode_event(value, SUBSCRIBER, headers)


@cache
def _placement() -> Placement:
    return Placement(4, "forward", TOPICS.forwarded, logs=False)


def _receipts() -> list[bytes]:
    folder = ROOT / "schemas/examples"
    names = ("receipt.recorded.v1", "reminder.abandoned.v1")
    return [one.read_bytes() for name in names for one in (folder / name).glob("valid/*.json")]


def _receipt(value: bytes) -> None:
    tally = ReceiptTally()
    try:
        receipt = decode_receipt(value)
    except UNREADABLE:
        pass
    else:
        encode_receipt(receipt)
        tally.add([receipt, receipt])
        tally.table()
    with suppress(*UNREADABLE):
        encode_receipt(decode_dead_letter(value))


def _versions() -> list[bytes]:
    content = Content(b"version: 1\n", {"pl.yaml": b"low: x\n"})
    id, time = version_id("rules.yaml", content), from_ms(START_MS)
    texts = {"pl.yaml": "low: x\n"}
    one = RulesPublished(id, "app", time, "w1", 7, "rules.yaml", "version: 1\n", texts)
    return [encode_rules(one), encode_rules(msgspec.structs.replace(one, texts={}))]


@cache
def _kept() -> RuleVersions:
    structlog.configure(processors=[say_nothing])
    return RuleVersions("nowhere:9092", "rules", "app")


def _version(value: bytes) -> None:
    found = _kept()._of(SimpleNamespace(value=value, offset=0))
    if found is None:
        return
    content = found.content()
    with suppress(RulesError):
        load_rulebook(content.rules, found.file, content.texts)


def _batches() -> list[bytes]:
    found = []
    for codec in range(5):
        new = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 20)
        for offset in range(3):
            new.append(offset, START_MS, b"k", b"v" * 100, [("h", b"x"), ("n", None)])
        found.append(bytes(new.build()))
    for form, codec in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 3)):
        old = LegacyRecordBatchBuilder(form, codec, 1 << 20)
        for offset in range(3):
            old.append(offset, START_MS if form else None, b"k", b"v" * 100)
        found.append(bytes(old.build()))
    return found


def _batch(data: bytes) -> None:
    """What is done with a batch before a library reads it. The broker has checked its head."""
    if len(data) < 61:
        return
    fault, size = examined(data)
    assert 0 <= size <= max(64 << 20, 500 * len(data)), size
    latest_ms(data)
    if fault is not None and data[16] <= 2:
        assert len(without_records(data)) < MAX_OLD_BYTES


RECORDS = (
    Target("commands", "an SMS of a subscriber", _commands, _command, tree=True, words=WORDS),
    Target("headers", "headers of an input record", _with_headers, _headers),
    Target("receipts", "a receipt or a dead letter", _receipts, _receipt, tree=True),
    Target("rule-versions", "a record of the rules topic", _versions, _version, tree=True),
    Target("batches", "a batch of records of any format", _batches, _batch),
)
