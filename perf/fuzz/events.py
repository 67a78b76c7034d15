"""Events: a record of the input topic, through decoder and core, compiled and not.

The key is the subscriber that the value names, so that more than the decoder is reached.
"""

from __future__ import annotations

import json
from functools import cache

import msgspec

from perf.fuzz.target import Target
from streamproc.contracts.rules_file.load import packaged_rulebook
from streamproc.engine.processor import Outbox
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.settings import Native
from streamproc.worker.virtual import TOPICS, InputRecord
from streamproc.worker.without_worker import EVERYTHING
from tests.contract.golden import GOLDEN

SUBSCRIBER = b"8613800000001"
START_MS = 1_767_225_600_000
"""1 January 2026."""
ACTIVATED = (
    b'{"type":"account.activated","id":"a","source":"s","subscriber":"8613800000001",'
    b'"time":"2026-01-01T00:00:00Z","plan":"family-30gb","time_zone":"Asia/Shanghai","billing_anchor_day":1}'
)


@cache
def _processor(native: Native, rules: str) -> QuotaProcessor:
    return QuotaProcessor(packaged_rulebook(rules), TOPICS, "event", native)


def _samples() -> list[bytes]:
    events = sorted(GOLDEN.glob("event-v1-*.json"))
    return [json.loads(one.read_bytes())["text"].encode() for one in events]


def key_of(value: bytes) -> bytes:
    """The subscriber that a value names, as the key of its record."""
    try:
        held = msgspec.json.decode(value)
        return str(held["subscriber"]).encode()
    except (msgspec.DecodeError, UnicodeError, RecursionError, LookupError, TypeError):
        return SUBSCRIBER


def applied(native: Native, records: list[InputRecord], rules: str = "quota.yaml") -> object:
    """What became of records: outputs and rows. A record that cannot be applied is an escape."""
    processor, outbox = _processor(native, rules), Outbox()
    rows = processor.new_rows()
    clock_ms = processor.apply("usage-events", 0, records, rows, outbox, 0)
    rows.take_changes()
    until_ms = clock_ms + 86_400_000
    processor.tick(rows, outbox, until_ms, until_ms, EVERYTHING)
    rows.take_changes()
    return outbox.topics, dict(rows.stored)


def _feed(value: bytes) -> None:
    key = key_of(value)
    records = [
        InputRecord("usage-events", 0, 0, SUBSCRIBER, ACTIVATED, START_MS),
        InputRecord("usage-events", 0, 1, key, value, START_MS + 1_000),
        InputRecord("usage-events", 0, 2, key, value, START_MS + 2_000),
    ]
    assert applied("auto", records) == applied("off", records), "compiled and not differ"


EVENTS = Target("events", "a record of the input topic", _samples, _feed, tree=True)
