"""Messages per second of one dispatcher, from reminders in a real broker to accepted receipts.

``python -m perf.dispatch_rate`` makes its own broker (Java 17+ and Maven, or Docker) and gives each
run as many reminders, all due. First to a gateway that answers at once, which shows what the
dispatcher itself can do (decide, remember before and after, write receipts); then over SMPP to a
simulator that answers after 50 ms, with several windows. Every reminder must be accepted exactly
once. Counted is from the first receipt to the last, by the dispatcher's own clock.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka import TopicPartition

from perf.machine import cpu_seconds, describe
from streamproc.contracts.records.receipts import Receipt, decode_receipt
from streamproc.kafka.clients import kafka_consumer
from tests.support.broker import open_broker
from tests.support.cluster import PARTITIONS, create_topic
from tests.support.dispatching import HEAD, DispatchScene, due, smpp_gateway
from tests.support.smsc import SmscProcess

SUBSCRIBERS = 5_000
ANSWER_SECONDS = 0.05
LIMIT_SECONDS = 600.0


def measure(scene: DispatchScene, gateways: str, count: int) -> tuple[float, float]:
    """One run; returns messages per second of wall time and of the dispatcher's CPU time."""
    asyncio.run(_prepare(scene, gateways, count))
    process = scene.start()
    receipts, per_cpu_second = _receipts(scene, count, process.pid)
    scene.stop(process)
    accepted = [one for one in receipts if one.status == "accepted"]
    times = Counter(one.reminder_id for one in accepted)
    assert len(times) == count, f"{count - len(times)} were not accepted"
    assert set(times.values()) == {1}, "a reminder was accepted twice"
    instants = [one.time for one in accepted]
    seconds = (max(instants) - min(instants)).total_seconds()
    return count / seconds, per_cpu_second


async def _prepare(scene: DispatchScene, gateways: str, count: int) -> None:
    await scene.prepare(HEAD + gateways, PARTITIONS)
    await create_topic(scene.bootstrap, scene.names["receipts"], PARTITIONS)
    await scene.put(due(number, number % SUBSCRIBERS) for number in range(1, count + 1))


def _receipts(scene: DispatchScene, count: int, pid: int) -> tuple[list[Receipt], float]:
    """The first ``count`` receipts, and how many of them came per CPU-second of the process.

    They are read once, as they come, so as not to slow the dispatcher; its start does not count.
    """
    places = [TopicPartition(scene.names["receipts"], number) for number in range(PARTITIONS)]
    consumer = kafka_consumer(
        scene.bootstrap, isolation_level="read_committed", metrics_enabled=False
    )
    found: list[Receipt] = []
    before: tuple[int, float] | None = None
    deadline = time.monotonic() + LIMIT_SECONDS
    try:
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count}:\n{scene.logs()}"
            for records in consumer.poll(timeout_ms=500).values():
                found.extend(decode_receipt(one.value) for one in records)
            if found and before is None:
                before = len(found), cpu_seconds(pid)
    finally:
        consumer.close()
    assert before is not None
    return found, (len(found) - before[0]) / max(cpu_seconds(pid) - before[1], 0.01)


@contextmanager
def gateway_of(directory: Path, window: int | None) -> Iterator[str]:
    """An entry of the gateways file: to nowhere, or to a simulator with so large a window."""
    pace: dict[str, Any] = {"messages_per_second": 100_000, "burst": 100_000}
    if window is None:
        fields = {"kind": "console", "window": 2_000, **pace}
        yield "  - name: nowhere\n" + "".join(f"    {k}: {v}\n" for k, v in fields.items())
        return
    with SmscProcess(directory, answer_seconds=ANSWER_SECONDS, receipts="none") as smsc:
        yield smpp_gateway(smsc.port, window=window, **pace)


def main() -> None:
    """Print the figures of each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--windows", default="20,100,500", help="of SMPP, separated by commas")
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    options = parser.parse_args()
    windows = [None, *map(int, options.windows.split(","))]
    print(f"machine: {describe()}, load {os.getloadavg()[0]:.1f} at the start")
    with open_broker(options.broker, quick=False) as broker:
        for window in windows:
            with (
                tempfile.TemporaryDirectory() as name,
                gateway_of(Path(name), window) as gateway,
                DispatchScene(broker.bootstrap, Path(name)) as scene,
            ):
                rate, per_cpu = measure(scene, gateway, options.messages)
            where = "nowhere" if window is None else f"SMPP, answers after 50 ms, window {window}"
            print(f"{where}: {rate:,.0f} messages/s, {per_cpu:,.0f} per CPU-second", flush=True)


if __name__ == "__main__":
    main()
