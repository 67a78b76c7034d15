"""The cycles of all subscribers end at the same midnight: ``python -m perf.storm``.

A state of ``--subscribers`` lies in the changelog, each with a cycle that ends at one instant; a
fifth of them are owed a mandatory notice of it, the others a summary (``perf/storm.yaml``: rate,
windows, deadlines). Two workers on a real broker spread them, one is killed (SIGKILL) in
mid-storm and started again, and all the while usage crosses thresholds. Told are the lateness of
every reminder by class, and whether any was lost, doubled or past its deadline.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from perf.compare_task import CLIENT, create_topics, produce, subscriber, usage_event
from perf.live import Background, committed
from perf.machine import describe
from perf.plot import draw_storm
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import DAY_MS, from_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account, pack
from streamproc.core.state.events import AccountActivated, Arrival, UsageRecorded
from streamproc.core.step.transition import step
from streamproc.engine.ids import SeenIds
from streamproc.engine.rows import DUE_BYTES
from tests.support.broker import open_broker
from tests.support.cluster import PARTITIONS, Names, WorkerProcess

RULES = Path(__file__).parent / "storm.yaml"
MANDATORY_SHARE = 5
"""One in so many subscribers has the plan with the mandatory notice."""
ALERTS_PER_SECOND = 20
LEAD_SECONDS = 25.0
"""From the workers' start to midnight, at least."""
LOADED_ROWS_PER_SECOND = 20_000
SLACK_SECONDS = 240.0
"""How long after the last window the run waits for what is missing."""
QUIET_SECONDS = 3.0


class Seen(NamedTuple):
    """A reminder or a ``missed`` record as a consumer of committed records got it."""

    read_ms: int
    rule: str
    subscriber: str
    id: str
    as_of_ms: int


class _Output(msgspec.Struct):
    """What the bench needs of a reminder or an audit record."""

    rule: str = ""
    subscriber: str = ""
    id: str = ""
    decision: str = ""
    as_of: datetime | None = None


def row(plan: str, midnight_ms: int, rules: Rulebook) -> bytes:
    """A subscriber's row as the core makes it, with a cycle that ends at ``midnight_ms``."""
    at_ms = midnight_ms - 10 * DAY_MS
    name, ids = subscriber(0), SeenIds()
    begin = AccountActivated("a", "crm", name, from_ms(at_ms), plan, "UTC", 1)
    account, _ = step(None, begin, Arrival(at_ms, "", 0, 0), rules, ids)
    use = UsageRecorded("u", "ocs", name, from_ms(at_ms + 1), total_bytes=3_000_000)
    account, _ = step(account, use, Arrival(at_ms + 1, "", 0, 1), rules, ids)
    assert isinstance(account, Account)
    account.cycle_end_ms = account.next_due_ms = midnight_ms
    for bucket in account.buckets:
        bucket.expires_ms = midnight_ms
    return midnight_ms.to_bytes(DUE_BYTES, "big", signed=True) + pack(account)


def rules_text(subscribers: int, per_second: int) -> str:
    """The rules, with windows so long that about so many are sent in a second, of all partitions.

    The limit of a partition is a quarter above that, to make up for what waited.
    """
    mandatory = subscribers // MANDATORY_SHARE
    windows = {
        "mandatory_window_seconds": max(mandatory // per_second, 60),
        "window_seconds": max((subscribers - mandatory) // per_second, 240),
    }
    rate = {"rate_per_second": per_second * 5 // 4 // PARTITIONS, **windows}
    written = ", ".join(f"{name}: {value}" for name, value in rate.items())
    text, count = re.subn(r"(?m)^storms: .*$", f"storms: {{{written}}}", RULES.read_text())
    assert count == 1, "the rules have a line of storms"
    return text


def rows(subscribers: int, midnight_ms: int, rules: Rulebook) -> Iterator[tuple[str, bytes, int]]:
    kinds = {plan: row(plan, midnight_ms, rules) for plan in rules.plans}
    for number in range(subscribers):
        yield subscriber(number), kinds[plan_of(number)], midnight_ms - DAY_MS


def plan_of(number: int) -> str:
    return "plain" if number % MANDATORY_SHARE else "regulated"


def watch(pipe: Connection, bootstrap: str, reminders: str, audit: str) -> None:
    """Read committed reminders and misses until told to end; the result is all of them."""
    decode = msgspec.json.Decoder(_Output).decode
    sent: list[Seen] = []
    missed: list[Seen] = []
    for now_ms, message in committed(pipe, bootstrap, reminders, audit):
        found = decode(message.value() or b"{}")
        as_of_ms = int(found.as_of.timestamp() * 1000) if found.as_of else 0
        seen = Seen(now_ms, found.rule, found.subscriber, found.id, as_of_ms)
        if message.topic() == reminders:
            sent.append(seen)
        elif found.decision == "missed":
            missed.append(seen)
    pipe.send((sent, missed))


def alert(pipe: Connection, bootstrap: str, topic: str, subscribers: int, begin_ms: int) -> None:
    """From an instant on, let one subscriber after the other cross a threshold, until told."""
    producer = Producer(
        {**CLIENT, "bootstrap.servers": bootstrap, "linger.ms": 5, "partitioner": "murmur2"}
    )
    producer.list_topics(topic, 10)
    pipe.send("ready")
    names: list[str] = []
    while not pipe.poll():
        now_ms = time.time_ns() // 1_000_000
        goal = min((now_ms - begin_ms) * ALERTS_PER_SECOND // 1000, subscribers)
        while len(names) < goal:
            # Stepping through all of them: some were told of their cycle already, some were not.
            name = subscriber(len(names) * 7919 % subscribers)
            event = usage_event(f"alert-{len(names)}", name, now_ms, 8_500_000)
            producer.produce(topic, event, name, timestamp=now_ms)
            names.append(name)
        producer.poll(0)
        time.sleep(0.01)
    pipe.recv()
    if producer.flush(30):
        raise KafkaException("the alerts could not be written")
    pipe.send(names)


class Storm:
    """One run."""

    def __init__(self, bootstrap: str, subscribers: int, per_second: int, directory: Path) -> None:
        self.bootstrap, self.subscribers, self.directory = bootstrap, subscribers, directory
        self._file = directory / "storm.yaml"
        self._file.write_text(rules_text(subscribers, per_second))
        self.rules = load_rulebook(self._file.read_bytes(), str(self._file))
        self.names = Names(f"st{uuid4().hex[:8]}")
        names = self.names
        create_topics(bootstrap, [names.events, names.reminders, names.audit, names.rejects])
        create_topics(bootstrap, [names.changelog], **{"cleanup.policy": "compact"})
        self.window_ms = max(one.spread_after_ms + one.spread_ms for one in self.rules.timed_rules)
        self.killed_after_seconds = 0.0

    def run(self) -> dict[str, Any]:
        """The figures; blocks until all came or the patience is over."""
        lead = LEAD_SECONDS + self.subscribers / LOADED_ROWS_PER_SECOND
        writing = self.subscribers / LOADED_ROWS_PER_SECOND
        midnight_ms = int((time.time() + lead + writing) * 1000)
        produce(
            self.bootstrap,
            self.names.changelog,
            rows(self.subscribers, midnight_ms, self.rules),
            compression="none",
        )
        print(f"{self.subscribers:,} rows written", flush=True)
        watcher = Background(watch, self.bootstrap, self.names.reminders, self.names.audit)
        watcher.wait()
        alerts = Background(
            alert, self.bootstrap, self.names.events, self.subscribers // 2, midnight_ms + 1000
        )
        alerts.wait()
        workers = [self._worker("a").start(), self._worker("b").start()]
        try:
            time.sleep(max(0.0, midnight_ms / 1000 - time.time()))
            late = time.time() - midnight_ms / 1000
            print(f"midnight (the bench is {late:.1f} s late)", flush=True)
            time.sleep(self.window_ms / 3000)
            workers[0].kill()
            self.killed_after_seconds = time.time() - midnight_ms / 1000
            print(f"a worker was killed after {self.killed_after_seconds:.0f} s", flush=True)
            time.sleep(2)
            workers[0].start()
            self._wait(midnight_ms)
            names = alerts.finish()
            time.sleep(QUIET_SECONDS + 5)
            sent, missed = watcher.finish()
        finally:
            for worker in workers:
                worker.stop()
        return self._figures(midnight_ms, names, sent, missed)

    def _worker(self, name: str) -> WorkerProcess:
        options = ("--clock", "wall", "--rules", str(self._file))
        return WorkerProcess(self.bootstrap, self.names, self.directory, name, *options)

    def _wait(self, midnight_ms: int) -> None:
        """Until as many reminders are there as there must be, or too long."""
        consumer = Consumer(
            {**CLIENT, "bootstrap.servers": self.bootstrap, "group.id": "perf-storm-ends"}
        )
        places = [TopicPartition(self.names.reminders, number) for number in range(PARTITIONS)]
        before, quiet_since = -1, time.monotonic()
        while time.time() < (midnight_ms + self.window_ms) / 1000 + SLACK_SECONDS:
            time.sleep(1)
            now = sum(consumer.get_watermark_offsets(place, 10)[1] for place in places)
            if now - before > 2 * ALERTS_PER_SECOND:
                quiet_since = time.monotonic()
            before = now
            over = time.time() * 1000 > midnight_ms + self.window_ms
            if over and time.monotonic() - quiet_since > QUIET_SECONDS:
                break
        consumer.close()

    def _figures(
        self, midnight_ms: int, names: list[str], sent: list[Seen], missed: list[Seen]
    ) -> dict[str, Any]:
        owed = Counter(
            (subscriber(number), "notice" if plan_of(number) == "regulated" else "summary")
            for number in range(self.subscribers)
        )
        owed.update((name, "low") for name in names)
        got = Counter((one.subscriber, one.rule) for one in (*sent, *missed))
        rules = {one.id: one for one in self.rules.timed_rules}
        past_deadline = [
            one
            for one in sent
            if one.rule in rules and one.read_ms - one.as_of_ms > rules[one.rule].misfire_grace_ms
        ]
        since_midnight = {
            rule: sorted(one.read_ms - midnight_ms for one in sent if one.rule == rule)
            for rule in rules
        }
        beyond_slot = {
            rule: sorted(one.read_ms - one.as_of_ms for one in sent if one.rule == rule)
            for rule in (*rules, "low")
        }
        return {
            "subscribers": self.subscribers,
            "storms": msgspec.to_builtins(self.rules.storms),
            "last_window_seconds": self.window_ms // 1000,
            "midnight": datetime.fromtimestamp(midnight_ms / 1000, UTC).isoformat(),
            "killed_after_seconds": round(self.killed_after_seconds, 1),
            "sent": {rule: len(times) for rule, times in beyond_slot.items()},
            "lost": (owed - got).total(),
            "doubled": (got - owed).total(),
            "repeated_ids": len(sent) - len({one.id for one in sent}),
            "audited_as_missed": len(missed),
            "past_deadline": len(past_deadline),
            "most_per_second": self._most_per_second(sent),
            "since_midnight_ms": since_midnight,
            "beyond_slot_ms": beyond_slot,
        }

    def _most_per_second(self, sent: list[Seen]) -> int:
        """Reminders of the storm that became readable within one second."""
        seconds = Counter(one.read_ms // 1000 for one in sent if one.rule != "low")
        return max(seconds.values(), default=0)


def percentiles(samples: list[int]) -> dict[str, float]:
    """Of sorted milliseconds, in seconds."""
    last = len(samples) - 1
    return {
        name: samples[min(int(len(samples) * share), last)] / 1000 if samples else 0.0
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }


def main() -> None:
    """Print, draw and write the figures; exit 1 if one was lost, doubled or too late."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1_000_000)
    parser.add_argument(
        "--per-second", type=int, default=800, help="reminders that the windows ask for"
    )
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        open_broker(options.broker, quick=False) as broker,
    ):
        storm = Storm(broker.bootstrap, options.subscribers, options.per_second, Path(directory))
        found = storm.run()
    samples = {name: found.pop(name) for name in ("since_midnight_ms", "beyond_slot_ms")}
    for name, by_rule in samples.items():
        found[name.replace("_ms", "_seconds")] = {
            rule: percentiles(times) for rule, times in by_rule.items()
        }
    found = {"machine": describe(), **found}
    print(json.dumps(found, indent=1))
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "storm.json").write_text(json.dumps(found, indent=1) + "\n")
    draw_storm(options.results / "storm.png", describe(), found, **samples)
    failed = ("lost", "doubled", "repeated_ids", "audited_as_missed", "past_deadline")
    sys.exit(int(any(found[name] for name in failed)))


if __name__ == "__main__":
    main()
