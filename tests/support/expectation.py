"""The expected end of a run: the core applied to the records in one process, in log order.

tests/property compares the core with a naive oracle. This second route adds the order of the log
and compares whole bytes: every state, every reminder, every reject.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.engine.changelog import is_row
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import Rows
from streamproc.worker.placement import Placement
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.virtual import InputRecord
from tests.support.cluster import Names, Record, WorkerProcess
from tests.support.committed import Committed

EVERYTHING = 1 << 60


def _no_outputs() -> dict[str, Counter[bytes]]:
    return {name: Counter() for name in WorkerTopics.declared()}


@dataclass
class Result:
    """States by key, and how often each output record occurs."""

    states: dict[bytes, bytes] = field(default_factory=dict)
    outputs: dict[str, Counter[bytes]] = field(default_factory=_no_outputs)
    """Output records by the field of :class:`WorkerTopics`."""

    @property
    def reminders(self) -> Counter[bytes]:
        return self.outputs["reminders"]

    @property
    def audit(self) -> Counter[bytes]:
        return self.outputs["audit"]

    @property
    def rejects(self) -> Counter[bytes]:
        return self.outputs["rejects"]

    @property
    def orders(self) -> Counter[bytes]:
        return self.outputs["orders"]

    @property
    def policy(self) -> Counter[bytes]:
        return self.outputs["policy"]


def expect(
    placed: Iterable[tuple[int, int, Record]],
    events_topic: str,
    rules: Rulebook | None = None,
    final_clock_ms: int | None = None,
    partitions: int = 0,
) -> Result:
    """Apply every record once, in order, by partition; then let time reach the final clock.

    With ``partitions``, records in another partition than that of their key are refused.
    """
    entries = ((events_topic, *one) for one in placed)
    return expect_of_topics(entries, (events_topic,), rules, final_clock_ms, partitions)


def expect_of_topics(
    entries: Iterable[tuple[str, int, int, Record]],
    inputs: tuple[str, ...],
    rules: Rulebook | None = None,
    final_clock_ms: int | None = None,
    partitions: int = 0,
) -> Result:
    """The same for records (topic, partition, offset, record) of several topics."""
    topics = WorkerTopics.under("", inputs=inputs)
    placement = Placement(partitions, logs=False)
    processor = QuotaProcessor(rules or default_rulebook(), topics, "event", placement=placement)
    outbox = Outbox()
    rows: dict[int, Rows[Account]] = {}
    clocks: dict[int, int] = {}
    for topic, partition, offset, record in entries:
        own = rows.setdefault(partition, processor.new_rows())
        entry = InputRecord(topic, partition, offset, *record)
        clocks[partition] = processor.apply(
            topic, partition, [entry], own, outbox, clocks.get(partition, 0)
        )
    result = Result()
    for partition, own in rows.items():
        own.take_changes()
        clock = max(clocks[partition], final_clock_ms or 0)
        while own.next_due_ms <= clock:
            processor.tick(own, outbox, clock, 0, EVERYTHING)
            own.take_changes()
        result.states.update(own.stored)
    result.outputs = {name: _count(outbox, name) for name in WorkerTopics.declared()}
    return result


def _count(outbox: Outbox, topic: str) -> Counter[bytes]:
    return Counter(value for _, value in outbox.topics.get(topic, []) if value is not None)


async def observe(bootstrap: str, names: Names) -> Result:
    """The content of the topics for a ``read_committed`` consumer."""
    result = Result()
    named = names.worker.by_field().items()
    # The others, taken rules and alarms, have one partition.
    of_input = names.worker.results
    counts = {topic: result.outputs[name] for name, topic in named if topic in of_input}
    async with Committed(bootstrap, names.changelog, *counts) as log:
        for record in await log.to_end():
            if record.topic != names.changelog:
                counts[record.topic][record.value] += 1
            elif not is_row(record.key):
                continue
            elif record.value is None:
                result.states.pop(record.key, None)
            else:
                result.states[record.key] = record.value
    return result


async def wait_for_records(
    bootstrap: str,
    topic: str,
    count: int,
    workers: Sequence[WorkerProcess],
    timeout_seconds: float = 120,
) -> None:
    """Wait until a topic has at least ``count`` records. The comparison comes afterwards."""
    deadline = time.monotonic() + timeout_seconds
    async with Committed(bootstrap, topic) as log:
        while len(log.records) < count:
            if time.monotonic() > deadline:
                logs = "\n".join(worker.tail() for worker in workers)
                seen = f"{len(log.records)} of {count} records in {topic}"
                raise AssertionError(f"{seen} after {timeout_seconds} s\n{logs}")
            await log.more()


def assert_same(observed: Result, expected: Result) -> None:
    """Every state and every output record equal, each output exactly once."""
    problems = [
        one
        for name in expected.outputs
        for one in _differences(name, observed.outputs[name], expected.outputs[name])
    ]
    wrong: list[Any] = [
        key
        for key in observed.states.keys() | expected.states.keys()
        if observed.states.get(key) != expected.states.get(key)
    ]
    if wrong:
        problems.append(f"{len(wrong)} states differ, such as {wrong[0]!r}")
    assert not problems, "\n".join(problems)


def _differences(name: str, observed: Counter[bytes], expected: Counter[bytes]) -> list[str]:
    extra, missing = observed - expected, expected - observed
    found = []
    if extra:
        found.append(f"{extra.total()} {name} too many, such as {next(iter(extra))!r}")
    if missing:
        found.append(f"{missing.total()} {name} missing, such as {next(iter(missing))!r}")
    return found
