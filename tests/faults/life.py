"""One application under faults: topics, load, workers, observer and oracle, from birth to end."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from confluent_kafka.admin import AdminClient, NewTopic

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.lab.workload import WorkloadSettings, clock_records, generate
from streamproc.worker.settings import WorkerSettings, WrongPartition
from tests.faults.brokers import SLOTS, Cluster
from tests.faults.fleet import THIS, Fleet, Program
from tests.faults.load import Load, java_place, librdkafka_place
from tests.faults.observer import Observer
from tests.faults.oracle import Oracle
from tests.faults.verdict import differences, forwarded_differences
from tests.support.cluster import PARTITIONS, Names, Record

PLACES = {"murmur2": java_place, "crc32": librdkafka_place}
WRONG_PARTITION: tuple[WrongPartition, ...] = ("refuse", "forward")
QUIET_SECONDS = 0.8
"""How long nothing more may come after all is there: longer than a commit interval and a tick."""
STUCK_SECONDS = 120.0
SESSION_TIMEOUT_SECONDS = 6.0
USUAL_SECONDS = WorkerSettings.commit_interval_seconds
"""Between two commits."""


class StuckError(AssertionError):
    """Flow has not come back."""


@dataclass(frozen=True)
class Variant:
    """How an application is run; drawn from the seed."""

    seed: int
    brokers: int = 1
    workers: int = 2
    standbys: int = 0
    static_members: bool = False
    native: str = "auto"
    commit_interval_seconds: float = USUAL_SECONDS
    rate: int = 800
    subscribers: int = 1500
    events: int = 200_000
    partitioner: str = "murmur2"
    """Of the load: ``murmur2``, or ``crc32``, librdkafka's default, which is wrong."""
    wrong_partition: WrongPartition = "refuse"
    rules: str = ""
    """The rules file of the workers; empty: the packaged rules."""

    @property
    def forwards(self) -> bool:
        """Whether records are forwarded."""
        return self.wrong_partition == "forward" and self.partitioner != "murmur2"

    @classmethod
    def draw(cls, chance: random.Random, brokers: int, rate: int) -> Variant:
        """One of many."""
        return cls(
            seed=chance.randrange(1_000_000),
            brokers=brokers,
            workers=chance.choice((1, 2, 2, 2)),
            standbys=chance.choice((0, 0, 1)),
            static_members=chance.random() < 0.5,
            native=chance.choice(("auto", "off")),
            commit_interval_seconds=chance.choice((0.05, USUAL_SECONDS, USUAL_SECONDS, 0.4)),
            rate=rate,
            partitioner=chance.choice(("murmur2", "murmur2", "murmur2", "crc32")),
            wrong_partition=chance.choice(WRONG_PARTITION),
        )


@dataclass
class Life:
    """Use as a context manager."""

    cluster: Cluster
    variant: Variant
    directory: Path
    names: Names = field(default_factory=lambda: Names(f"f{uuid4().hex[:8]}"))
    program: Program = THIS
    """What the first workers run."""

    def __enter__(self) -> Self:
        self.admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap, "log_level": 0})
        self._make_topics()
        self.settings = WorkloadSettings(
            seed=self.variant.seed,
            events=self.variant.events,
            subscribers=self.variant.subscribers,
        )
        self.fleet = Fleet(self.cluster, self.names, self.directory, self._options())
        self.oracle = Oracle(
            self.names.events,
            "forward" if self.variant.forwards else "refuse",
            Path(self.variant.rules) if self.variant.rules else None,
        )
        # Each worker keeps a rules file that it was given, whatever the input is.
        left_out = frozenset({"rule_versions"} if self.variant.rules else ())
        self.observer = Observer(self.cluster.bootstrap, self.names, left_out).start()
        records: Iterator[Record] = (
            (key, value, ms) for key, value, ms in generate(self.settings, default_rulebook())
        )
        self.load = Load(
            self.cluster.bootstrap,
            self.names.events,
            records,
            self.variant.rate,
            PLACES[self.variant.partitioner],
        )
        self.marked: float = 0.0
        self.mixing = False
        """Whether several faults happen at once."""
        self.ends_then: dict[int, int] = {}
        for slot in self.fleet.slots[: self.variant.workers]:
            slot.program = self.program
            self.fleet.start(slot)
        self.load.start()
        self.mark()
        return self

    def __exit__(self, *_: object) -> None:
        self.fleet.close()
        self.load.stop()
        self.observer.stop()
        self.admin.delete_topics(self._topics())

    def mark(self) -> None:
        """The cause of a fault is gone now: from here on it counts until the flow is back."""
        self.marked = time.monotonic()
        self.ends_then = dict(self.load.ends)

    def wait_for_flow(self, timeout_seconds: float = STUCK_SECONDS) -> float:
        """Seconds from the mark until every partition has committed input from after the mark."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            passed = [
                self.observer.passed_at(number, self.ends_then[number] + 1)
                for number in range(PARTITIONS)
            ]
            known = [instant for instant in passed if instant is not None]
            if len(known) == PARTITIONS:
                return max(0.0, max(known) - self.marked)
            if time.monotonic() > deadline:
                stuck = [number for number, instant in enumerate(passed) if instant is None]
                raise StuckError(f"no flow in partitions {stuck} for {timeout_seconds:g} s")
            time.sleep(0.05)  # and looks again

    def check(self, final: bool = False) -> list[str]:
        """Bring the load to rest, wait for all of its consequences, compare; let it flow again.

        With ``final`` the simulated month ends first, and the load stays at rest.
        """
        self.load.pause()
        if final:
            if self.variant.forwards:
                self._settle()  # or the end of the month overtakes what is still to be forwarded
            clocks = clock_records(self.settings, PARTITIONS)
            self.load.write(list(clocks))
        self._settle()
        problems = self._differences()
        if not final:
            self.load.resume()
        return problems

    def verify(self) -> list[str]:
        """``streamproc verify`` on the running workers must find the same."""
        command = [sys.executable, "-m", "streamproc", "verify", "--quiet", "--clock", "event"]
        command += ["--broker", self.cluster.bootstrap, "--app-id", self.names.app_id]
        command += ["--rules", self.variant.rules] if self.variant.rules else []
        command += ["--input", self.names.events, "--forwarded", self.names.worker.forwarded]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        said = (done.stdout + done.stderr)[-2000:]
        # In which order a partition read its two topics is not known: "not comparable".
        good = (0, 3) if self.variant.forwards else (0,)
        return [] if done.returncode in good else [f"verify ended with {done.returncode}: {said}"]

    def change_topic(self, topic: str, **settings: str) -> None:
        """Set configuration entries of a topic (underscores for dots)."""
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

        entries = [
            ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for name, value in settings.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
        for future in self.admin.incremental_alter_configs([resource]).values():
            future.result(30)

    def describe(self) -> dict[str, Any]:
        return {"app_id": self.names.app_id, "variant": asdict(self.variant)}

    def _settle(self) -> None:
        """Wait until everything that must have happened has, and a little longer."""
        deadline = time.monotonic() + STUCK_SECONDS
        while self._missing():
            if time.monotonic() > deadline:
                said = [*self._missing()[:6], *self._differences()]
                raise StuckError(f"after {STUCK_SECONDS:g} s: {'; '.join(said)}")
            time.sleep(0.1)  # and looks again
        time.sleep(QUIET_SECONDS)  # nothing more may come

    def _differences(self) -> list[str]:
        compare = forwarded_differences if self.variant.forwards else differences
        return compare(self.observer, self.oracle)

    def _missing(self) -> list[str]:
        missing = self.observer.behind()
        self.oracle.apply(self.observer.take_log())
        self.oracle.let_time_pass()
        seen, must = self.observer, self.oracle
        missing += [
            f"partition {number}: committed to {seen.positions[number]} of {must.positions[number]}"
            for number in range(PARTITIONS)
            if seen.positions[number] < must.positions[number]
        ]
        missing += [
            f"{seen.totals[kind]} of {total} {kind}"
            for kind, total in must.totals.items()
            if seen.totals[kind] < total and (kind == "forwarded" or not self.variant.forwards)
        ]
        missing += [
            f"partition {number}: committed to {at} of {end} forwarded ones"
            for number, (at, end) in enumerate(
                zip(seen.forwarded_positions, seen.forwarded, strict=True)
            )
            if at < end
        ]
        return missing

    def _options(self) -> list[list[str]]:
        variant = self.variant
        options = [
            *("--standbys", str(variant.standbys), "--native", variant.native),
            *("--commit-interval-seconds", str(variant.commit_interval_seconds)),
            *("--replication-factor", str(self.cluster.replication)),
            *("--session-timeout-seconds", str(SESSION_TIMEOUT_SECONDS)),
            *("--wrong-partition", variant.wrong_partition),
        ]
        if variant.rules:
            options += ["--rules", variant.rules]
        if not variant.static_members:
            return [options] * SLOTS
        return [[*options, "--instance-id", f"slot{number}"] for number in range(SLOTS)]

    def _topics(self) -> list[str]:
        names = self.names
        return [names.events, *names.worker.outputs, names.changelog]

    def _make_topics(self) -> None:
        new = [
            NewTopic(
                topic,
                num_partitions=PARTITIONS,
                replication_factor=self.cluster.replication,
                config={"cleanup.policy": "compact" if topic == self.names.changelog else "delete"},
            )
            for topic in self._topics()
        ]
        for future in self.admin.create_topics(new).values():
            future.result(30)
