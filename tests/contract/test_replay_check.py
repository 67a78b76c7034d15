"""``streamproc verify-outputs`` looks at every output topic of a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from streamproc.contracts.topics import WorkerTopics
from streamproc.core.instants import DAY_MS
from streamproc.kafka.errors import MissingTopicError, TopicError
from streamproc.kafka.recording import LogRecord
from streamproc.lab import replay_check
from streamproc.lab.workload import WorkloadSettings
from streamproc.lab.workload_talk import mixed
from tests.support.expectation import expect
from tests.support.talking import talking_rules

TOPICS = WorkerTopics.under("", inputs=())
UNUSED = ("policy", "forwarded", "rule_versions", "alarms", "alarm_shares", "reveals")
"""Topics that the workload writes nothing into."""
SETTINGS = WorkloadSettings(seed=5, events=400, subscribers=12, account_share=0.05)
RULES = talking_rules()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[LogRecord]]:
    """A broker's topics: events, and all that a worker made of them."""
    records = list(mixed(SETTINGS, RULES, 300))
    end_ms = records[-1].timestamp_ms + 70 * DAY_MS
    records.append(records[-1]._replace(key=b"", value=b"", timestamp_ms=end_ms))
    placed = [(0, offset, one) for offset, one in enumerate(records)]
    made = expect(placed, "events", RULES)
    topics = {
        "events": [
            LogRecord(one.key, one.value, one.timestamp_ms, (), 0, offset)
            for offset, one in enumerate(records)
        ]
    }
    for name, counts in made.outputs.items():
        topics[name] = [LogRecord(None, value, 0) for value in counts.elements()]

    class Source:
        partitions = (0,)

        def __init__(self, _: str, topic: str) -> None:
            if topic not in topics:
                raise MissingTopicError(topic)
            self.topic = topic

        def begin(self) -> int:
            return 0

        def records(self, _: int) -> Iterator[LogRecord]:
            yield from topics[self.topic]

    monkeypatch.setattr(replay_check, "TopicSource", Source)
    return topics


def differing() -> Counter[str]:
    _, lines = replay_check.verify("broker", "events", TOPICS, RULES, 0)
    return Counter(lines)


def test_what_a_worker_made_is_equal_to_the_oracle(log: Any) -> None:
    assert log["orders"]
    assert not differing()


@pytest.mark.parametrize("name", [name for name in TOPICS.declared() if name not in UNUSED])
def test_a_record_too_few_in_any_topic_is_told(name: str, log: Any) -> None:
    assert log[name], "the workload is too tame"
    log[name].pop()

    assert differing()


def test_an_output_topic_that_is_not_there_is_named(log: dict[str, list[LogRecord]]) -> None:
    """Only if something differs: a worker without orders may have no topic for them."""
    for name in UNUSED:
        log.pop(name, None)
    _, lines = replay_check.verify("broker", "events", TOPICS, RULES, 0)
    assert lines == []

    del log[TOPICS.reminders]
    _, lines = replay_check.verify("broker", "events", TOPICS, RULES, 0)
    assert f"there is no topic {TOPICS.reminders} at broker; is its name right?" in lines


@pytest.mark.parametrize("name", ["reminders", "audit", "rejects", "policy", "orders"])
@pytest.mark.parametrize("value", [b'{"type":"usage.recorded"}', b"[]", b"\xff", b"7"])
def test_a_record_that_no_worker_wrote_names_its_topic(
    name: str, value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay can have another topic's records written there."""
    topic = getattr(TOPICS, name)

    class Source:
        partitions = (0,)

        def __init__(self, _: str, topic: str) -> None:
            self.topic = topic

        def begin(self) -> int:
            return 0

        def records(self, _: int) -> list[LogRecord]:
            return [LogRecord(None, value, 0)] if self.topic == topic else []

    monkeypatch.setattr(replay_check, "TopicSource", Source)
    with pytest.raises(TopicError) as refused:
        replay_check.verify("broker", "events", TOPICS, RULES, 0)

    assert f"{topic} has a record that no worker wrote there" in str(refused.value)
