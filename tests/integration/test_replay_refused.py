"""A position never moves beyond records that the broker refused."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from streamproc.kafka.errors import DeliveryError, RunFencedError
from streamproc.kafka.exactly_once import ExactlyOnceProducer
from streamproc.kafka.topics import topic_facts
from tests.support.commands import read, run


def new_topic(bootstrap: str, **configs: str) -> str:
    topic = f"refused-{uuid4().hex[:8]}"
    topic_facts(bootstrap, topic, create_partitions=2, configs=configs)
    return topic


def test_a_refused_batch_keeps_its_whole_transaction_and_position_back(bootstrap: str) -> None:
    topic = new_topic(bootstrap, **{"message.timestamp.before.max.ms": "1000"})
    with ExactlyOnceProducer(bootstrap, topic, topic, partitions=2) as first:
        first.append(0, b"k", b"too old", 1_000_000)
        first.commit({"at": 1})
        with pytest.raises(DeliveryError, match=r"message\.timestamp\.after\.max\.ms"):
            first.settle()
    with ExactlyOnceProducer(bootstrap, topic, topic, partitions=2) as second:
        assert second.position(dict) is None
    assert read(bootstrap, topic, 2) == []


def test_a_replay_into_such_a_topic_says_what_to_do(bootstrap: str, tmp_path: Path) -> None:
    topic = new_topic(bootstrap, **{"message.timestamp.before.max.ms": "1000"})
    path = tmp_path / "r.ndjson"
    path.write_text('{"key":"a","value":"1","timestamp_ms":1}\n')

    said = run("replay", path, "--broker", bootstrap, "--to", topic, "--quiet", code=1)

    assert "or shift the time" in said
    # With its times moved to now the same recording is taken.
    run("replay", path, "--broker", bootstrap, "--to", topic, "--quiet", "--time", "now")
    assert [one.value for one in read(bootstrap, topic, 2)] == [b"1"]


def commit(producer: ExactlyOnceProducer, position: dict[str, int]) -> None:
    producer.commit(position)
    producer.settle()


def test_a_second_run_of_a_name_fences_the_first(bootstrap: str) -> None:
    topic = new_topic(bootstrap)
    with ExactlyOnceProducer(bootstrap, topic, topic, partitions=2) as first:
        first.append(0, b"k", b"first", 1)
        first.commit({"at": 1})
        first.settle()
        with ExactlyOnceProducer(bootstrap, topic, topic, partitions=2) as second:
            assert second.position(dict) == {"at": 1}
            first.append(0, b"k", b"lost", 2)
            with pytest.raises(RunFencedError, match="took over"):
                commit(first, {"at": 2})
            second.append(0, b"k", b"second", 3)
            second.commit({"at": 2})
            second.settle()
    assert [one.value for one in read(bootstrap, topic, 2)] == [b"first", b"second"]
