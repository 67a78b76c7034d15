"""One recording into two clusters: the same reminders, byte for byte, as the oracle has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.cluster import PARTITIONS, Names, WorkerProcess
from tests.support.commands import read, run
from tests.support.jvm_broker import JvmBroker


@pytest.fixture
def second() -> Iterator[str]:
    with JvmBroker() as broker:
        yield broker.bootstrap


def test_two_clusters_make_the_same_reminders(bootstrap: str, second: str, tmp_path: Path) -> None:
    recording, names = tmp_path / "month.ndjson.zst", Names(f"twice{uuid4().hex[:8]}")
    run("workload", "--events", "15000", "--subscribers", "600", "--seed", "21",
        "--out", recording)  # fmt: skip
    outputs = replace(names.worker, inputs=()).arguments()
    reminders = []
    for number, broker in enumerate((bootstrap, second)):
        run("replay", recording, "--broker", broker, "--to", names.events, "--quiet",
            "--create-topics", "--partitions", str(PARTITIONS),
            "--advance-clock", "4d")  # fmt: skip
        worker = WorkerProcess(broker, names, tmp_path, f"worker-{number}").start()
        # Its topics are made by the worker; what is not there yet counts as empty.
        try:
            said = run("verify-outputs", names.events, "--broker", broker, *outputs)
        finally:
            worker.kill()
        assert "equal to the oracle" in said
        reminders.append(by_subscriber(broker, names.reminders))

    assert sum(map(len, reminders[0].values())) > 500
    assert reminders[0] == reminders[1]

    # And the check can fail: without its reminders the topic is not what the oracle has.
    said = run("verify-outputs", names.events, "--broker", bootstrap, "--wait", "0s",
               *outputs, "--reminders", "nowhere", code=1)  # fmt: skip
    assert "differs from the oracle" in said


def by_subscriber(bootstrap: str, topic: str) -> dict[bytes, list[bytes]]:
    """Each subscriber's reminders in their order, as bytes."""
    found: dict[bytes, list[bytes]] = {}
    for record in read(bootstrap, topic, PARTITIONS):
        found.setdefault(record.key, []).append(record.value)
    return found
