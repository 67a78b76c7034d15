"""Foreign producers write usage with their defaults, and as docs/contracts.md says.

What lies in the partition of its key is charged. What does not is refused and told; with the
setting of docs/contracts.md nothing is.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer
from kafka import KafkaProducer

from streamproc.contracts.records.codec import decode_reject, encode_event
from streamproc.core.instants import from_ms
from streamproc.core.state.account import unpack
from streamproc.core.state.events import AccountActivated, UsageRecorded
from streamproc.engine.changelog import is_row
from streamproc.engine.rows import DUE_BYTES
from streamproc.partitioner import partition_of
from tests.interop import parts
from tests.interop.conftest import Record
from tests.interop.parts import HERE, Part
from tests.support.cluster import PARTITIONS, create_topic, produce
from tests.support.committed import Committed, read_committed
from tests.support.go_parts import go_program
from tests.support.kafka_jars import QUICK_JAVA, find_java, kafka_classpath
from tests.support.npm_parts import node_modules
from tests.support.scene import Scene

PROGRAMS = HERE / "programs"
SUBSCRIBERS = 40
START_MS = int(time.time() * 1000) - 120_000
"""Clients give records the present time: the activations came before."""
USED_BYTES = 7
LIMIT_S = 60

Events = list[tuple[str, str]]
"""Keys and values."""
Write = Callable[[Events, bool, str, str], Awaitable[None]]
"""Events, whether as documented, bootstrap, topic."""


async def by_program(events: Events, *command: str, **environment: str) -> None:
    """Have a program write them: a line each, key, tab, value."""
    lines = "".join(f"{key}\t{value}\n" for key, value in events)
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        input=lines,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr[-2_000:]


async def by_java(events: Events, documented: bool, bootstrap: str, topic: str) -> None:
    program = PROGRAMS / "UsageProducer.java"
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    java = [find_java(), *QUICK_JAVA, quiet, "-cp", kafka_classpath(), str(program)]
    await by_program(events, *java, bootstrap, topic)


def by_go(client: str) -> Write:
    async def write(events: Events, documented: bool, bootstrap: str, topic: str) -> None:
        program = await asyncio.to_thread(go_program)
        await by_program(events, str(program), client, setting(documented), bootstrap, topic)

    return write


async def by_confluent_go(events: Events, documented: bool, bootstrap: str, topic: str) -> None:
    program = await asyncio.to_thread(go_program, "confluent-go")
    await by_program(events, str(program), setting(documented), bootstrap, topic)


def by_kafkajs(package: str) -> Write:
    async def write(events: Events, documented: bool, bootstrap: str, topic: str) -> None:
        packages = await asyncio.to_thread(node_modules)
        program = ["node", str(PROGRAMS / "kafkajs_producer.js"), package]
        program += [setting(documented), bootstrap, topic]
        await by_program(events, *program, NODE_PATH=str(packages))

    return write


async def by_librdkafka(events: Events, documented: bool, bootstrap: str, topic: str) -> None:
    settings = {"bootstrap.servers": bootstrap}
    if documented:
        settings["partitioner"] = "murmur2_random"
    producer = Producer(settings)
    for key, value in events:
        producer.produce(topic, value, key)
    assert await asyncio.to_thread(producer.flush, LIMIT_S) == 0


async def by_kafka_python(events: Events, documented: bool, bootstrap: str, topic: str) -> None:
    def write() -> None:
        producer: Any = KafkaProducer(bootstrap_servers=bootstrap)
        sent = [producer.send(topic, value.encode(), key.encode()) for key, value in events]
        for one in sent:
            one.get(LIMIT_S)
        producer.close()

    await asyncio.to_thread(write)


async def by_aiokafka(events: Events, documented: bool, bootstrap: str, topic: str) -> None:
    producer: Any = AIOKafkaProducer(bootstrap_servers=bootstrap)
    async with producer:
        for key, value in events:
            await producer.send(topic, value.encode(), key.encode())


def setting(documented: bool) -> str:
    """The word of the programs."""
    return "documented" if documented else "default"


class Client(NamedTuple):
    """A foreign producer. ``setting`` is that of docs/contracts.md; empty if none is needed."""

    part: Part
    write: Write
    setting: str = ""


CLIENTS = (
    Client(parts.JAVA, by_java),
    Client(parts.LIBRDKAFKA, by_librdkafka, "partitioner=murmur2_random"),
    Client(parts.CONFLUENT_GO, by_confluent_go, "partitioner=murmur2_random"),
    Client(parts.SARAMA, by_go("sarama"), "sarama.NewMurmur2Partitioner"),
    Client(parts.FRANZ, by_go("franz-go")),
    Client(parts.KAFKA_GO, by_go("kafka-go"), "kafka.Murmur2Balancer{}"),
    Client(parts.KAFKAJS, by_kafkajs("kafkajs")),
    Client(parts.KAFKAJS_1, by_kafkajs("kafkajs-1"), "Partitioners.JavaCompatiblePartitioner"),
    Client(parts.KAFKA_PYTHON, by_kafka_python),
    Client(parts.AIOKAFKA, by_aiokafka),
)


class Trial(NamedTuple):
    """One client with one setting, under a source of its own."""

    client: Client
    documented: bool
    number: int

    @property
    def source(self) -> str:
        return f"trial-{self.number}"

    @property
    def subscribers(self) -> list[str]:
        return [f"86{139_00000000 + self.number * 1_000 + one}" for one in range(SUBSCRIBERS)]

    @property
    def events(self) -> Events:
        at = from_ms(START_MS + 60_000)
        events = [
            UsageRecorded("u", self.source, name, at, total_bytes=USED_BYTES)
            for name in self.subscribers
        ]
        return [(one.subscriber, encode_event(one).decode()) for one in events]


TRIALS = [
    Trial(client, documented, number)
    for number, (client, documented) in enumerate(
        (client, documented)
        for client in CLIENTS
        for documented in ((False, True) if client.setting else (False,))
    )
]


async def activate_all(scene: Scene) -> None:
    events = [
        AccountActivated("a", "crm", name, from_ms(START_MS), "basic-5gb", "UTC", 1)
        for trial in TRIALS
        for name in trial.subscribers
    ]
    records = [(one.subscriber.encode(), encode_event(one), START_MS) for one in events]
    await produce(scene.bootstrap, scene.names.events, records)


async def refused(scene: Scene, count: int) -> Counter[str]:
    """How many records of each source were refused, once there are so many."""
    async with asyncio.timeout(LIMIT_S), Committed(scene.bootstrap, scene.names.rejects) as log:
        while len(log.records) < count:
            await log.more()
        found = [decode_reject(one.value) for one in await log.to_end()]
    assert {one.reason for one in found} <= {"wrong_partition"}
    return Counter(str(one.source) for one in found)


async def charged(scene: Scene, total: int) -> Counter[str]:
    """How many subscribers of each source were charged, once so many are."""
    sources = {name: trial.source for trial in TRIALS for name in trial.subscribers}
    async with asyncio.timeout(LIMIT_S), Committed(scene.bootstrap, scene.names.changelog) as log:
        while True:
            rows = {one.key: one.value for one in log.records if is_row(one.key)}
            used = {key: unpack(row[DUE_BYTES:]).charged_bytes for key, row in rows.items()}
            found = Counter(sources[key.decode()] for key, bytes_ in used.items() if bytes_)
            if found.total() >= total:
                assert set(used.values()) <= {0, USED_BYTES}
                return found
            await log.more()


async def test_what_foreign_producers_write_is_charged_or_told(
    scene: Scene, record_finding: Record
) -> None:
    await create_topic(scene.bootstrap, scene.names.events)
    await activate_all(scene)
    worker = scene.worker("w", "--clock", "wall")
    for trial in TRIALS:
        client = trial.client
        await client.write(trial.events, trial.documented, scene.bootstrap, scene.names.events)

    # A client that is not idempotent may write a record twice on a busy machine.
    written: dict[tuple[str, bytes], list[int]] = defaultdict(list)
    for one in await read_committed(scene.bootstrap, scene.names.events):
        if b"usage.recorded" in one.value:
            source = next(t.source for t in TRIALS if f'"{t.source}"'.encode() in one.value)
            written[source, one.key].append(one.partition)
    assert Counter(source for source, _ in written) == {t.source: SUBSCRIBERS for t in TRIALS}
    misplaced: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    for (source, key), partitions in written.items():
        is_wrong = partitions[0] != partition_of(key, PARTITIONS)
        assert len(set(partitions)) == 1
        misplaced[source] += is_wrong
        refusals[source] += is_wrong * len(partitions)
    assert await refused(scene, refusals.total()) == +refusals
    right = Counter(source for source, _ in written) - misplaced
    assert await charged(scene, right.total()) == right
    assert worker.stop() == 0, worker.tail()
    told = worker.log.read_text().count("records are in the wrong partition and are refused")
    assert told == len(+misplaced), "once for each source"

    for trial in TRIALS:
        wrong = misplaced[trial.source]
        is_right = trial.documented or not trial.client.setting
        name = trial.client.part.name
        assert wrong == 0 if is_right else wrong > SUBSCRIBERS / 2, (name, trial.documented, wrong)
        record_finding(
            trial.client.part,
            trial.client.setting if trial.documented else "defaults",
            "all records in the right partition"
            if is_right
            else "most records in a wrong partition: refused and told",
        )
