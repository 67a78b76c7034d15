"""The bytes that topics are said to take are what the packaged rules write."""

from __future__ import annotations

from collections import Counter

import pytest

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.contracts.topics import ROLES
from streamproc.lab.workload import WorkloadSettings, generate
from streamproc.worker.virtual import InputRecord, VirtualWorker

EVENTS = 5_000
RECORD_BYTES = 10
"""Of each record in a batch, beside key and value."""


@pytest.fixture(scope="module")
def written() -> Counter[str]:
    """Bytes for each event, by role."""
    sizes: Counter[str] = Counter()

    def emit(topic: str, key: bytes | None, value: bytes) -> None:
        sizes[topic] += len(key or b"") + len(value) + RECORD_BYTES

    worker = VirtualWorker(default_rulebook(), emit)
    records = []
    for offset, one in enumerate(
        generate(WorkloadSettings(events=EVENTS, subscribers=EVENTS // 100), default_rulebook())
    ):
        records.append(InputRecord("in", 0, offset, one.key, one.value, one.timestamp_ms))
        sizes["inputs"] += len(one.key or b"") + len(one.value or b"") + RECORD_BYTES
    worker.apply(records)
    return sizes


@pytest.mark.parametrize("role", ["inputs", "reminders", "audit", "rejects"])
def test_what_the_table_says_is_about_what_is_written(written: Counter[str], role: str) -> None:
    said = ROLES[role].retention.bytes_per_event
    assert said / 2 <= written[role] / EVENTS <= said * 2
