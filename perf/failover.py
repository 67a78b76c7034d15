"""How long nothing flows when a worker goes: ``python -m perf.failover``.

Two workers with warm copies share a state of a million subscribers under a steady load. One of
them is killed (SIGKILL), joins again, and is stopped in order (SIGTERM); several rounds. The time
runs from the signal until every partition has committed all input that it had at that instant and
some from after it. The targets: session timeout plus 3 s after a kill, 2 s after a stop.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from uuid import uuid4

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from perf.compare_peers import streamproc
from perf.compare_run import PeerError, PeerProcess
from perf.compare_task import CLIENT, PARTITIONS, create_topics, delete_topics
from perf.live import Background, load
from perf.machine import describe
from perf.scale import STABLE_LIMIT_SECONDS, await_stable, typical_rows, write_state
from streamproc.contracts.topics import TABLE
from streamproc.engine.changelog import PROGRESS_KEY, decode_progress
from tests.support.broker import open_broker

SESSION_SECONDS = 6.0
KILL_SLACK_SECONDS = 3.0
STOP_LIMIT_SECONDS = 2.0
FLOW_LIMIT_SECONDS = 60.0
WARM_RECORDS_PER_SECOND = 50_000
"""The warm copies get so much time to be complete."""


class Flow:
    """How far each partition of the input is committed, as the state's changelog says."""

    def __init__(self, bootstrap: str, app_id: str, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer(
            {
                **CLIENT,
                "bootstrap.servers": bootstrap,
                "group.id": f"{app_id}-flow",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
            }
        )
        changelog = f"{app_id}-{TABLE}-changelog"
        places = [TopicPartition(changelog, number, OFFSET_END) for number in range(PARTITIONS)]
        self._consumer.assign(places)
        self._reached = [0] * PARTITIONS
        self._input = [TopicPartition(topic, number) for number in range(PARTITIONS)]

    def ends(self) -> list[int]:
        """Where the input ends now."""
        return [self._consumer.get_watermark_offsets(one, 10)[1] for one in self._input]

    def read(self) -> None:
        """Take in what was committed until now."""
        while messages := self._consumer.consume(10_000, 0.01):
            for message in messages:
                if message.key() == PROGRESS_KEY:
                    progress = decode_progress(message.value() or b"")
                    self._reached[message.partition() or 0] = progress.positions[self._topic]

    def seconds_until_beyond(self, ends: list[int], began: float) -> float:
        """Raises PeerError if a partition does not get there."""
        while time.monotonic() - began < FLOW_LIMIT_SECONDS:
            self.read()
            if all(at > end for at, end in zip(self._reached, ends, strict=True)):
                return time.monotonic() - began
        raise PeerError(f"the flow did not come back: committed {self._reached}, input {ends}")

    def close(self) -> None:
        self._consumer.close()


def measure(
    bootstrap: str, subscribers: int, per_second: int, rounds: int
) -> dict[str, list[float]]:
    """Seconds without flow of every kill and every stop; raises PeerError."""
    app_id = f"f{uuid4().hex[:8]}"
    topic, output = f"{app_id}.events", f"{app_id}.out"
    create_topics(bootstrap, [topic, output, f"{output}.audit", f"{output}.rejects"])
    write_state(bootstrap, app_id, subscribers, typical_rows(10, time.time_ns() // 1_000_000))
    command = streamproc("full", "standbys=1", f"session={SESSION_SECONDS}")
    numbers = iter(range(1_000))

    def start() -> PeerProcess:
        return PeerProcess(
            f"{app_id}-{next(numbers)}",
            lambda directory: command(bootstrap, app_id, topic, output, 0, directory),
        )

    warm_seconds = subscribers / WARM_RECORDS_PER_SECOND
    seconds = rounds * 2 * (warm_seconds + FLOW_LIMIT_SECONDS + STABLE_LIMIT_SECONDS)
    source = Background(load, bootstrap, topic, per_second, seconds, subscribers)
    source.wait()
    source.go_on()
    flow = Flow(bootstrap, app_id, topic)
    workers = [start(), start()]
    found: dict[str, list[float]] = {"kill": [], "stop": []}
    try:
        for _ in range(rounds):
            for how, number in (("kill", signal.SIGKILL), ("stop", signal.SIGTERM)):
                await_stable(bootstrap, app_id, workers)
                time.sleep(warm_seconds)
                flow.read()
                gone = workers.pop(0)
                ends, began = flow.ends(), time.monotonic()
                os.kill(gone.process.pid, number)
                found[how].append(flow.seconds_until_beyond(ends, began))
                print(f"{how}: {found[how][-1]:.2f} s", flush=True)
                gone.stop()
                workers.append(start())
    finally:
        source.end()
        flow.close()
        for worker in workers:
            worker.stop()
    delete_topics(bootstrap, app_id)
    return found


def main() -> None:
    """Print and write the figures; exit 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=2_000, help="events per second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    with open_broker(options.broker, quick=False) as broker:
        try:
            found = measure(broker.bootstrap, options.subscribers, options.rate, options.rounds)
        except PeerError as error:
            sys.exit(f"FAILED: {error}")
    limits = {"kill": SESSION_SECONDS + KILL_SLACK_SECONDS, "stop": STOP_LIMIT_SECONDS}
    print(f"machine: {describe()}")
    for how, limit in limits.items():
        print(f"{how}: at most {max(found[how]):.2f} s, target {limit} s")
    content = {
        "machine": describe(),
        "subscribers": options.subscribers,
        "events_per_second": options.rate,
        "session_timeout_seconds": SESSION_SECONDS,
        "seconds_without_flow": found,
    }
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "failover.json").write_text(json.dumps(content, indent=1) + "\n")
    sys.exit(int(any(max(found[how]) > limit for how, limit in limits.items())))


if __name__ == "__main__":
    main()
