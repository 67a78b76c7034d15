"""``python -m tests.faults.watched``: real faults, and the alerts of ops/ that see them.

Runs a broker, two workers, a dispatcher with a webhook, a canary, and Prometheus. Does one fault
after the other, and says after how many seconds its alert fired, at which tier, that it resolved,
and what the canary said. Exit 1 if an alert did not fire within the limit, or did not resolve, or
if the canary did not name the stage that was broken, or another one. A run takes a quarter of an
hour. Alerts about counts stay for 5 minutes after the last case: they are the last ones, and not
waited for.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import yaml
from kafka import KafkaProducer

from streamproc.cli.canary import RULES as CANARY
from streamproc.contracts.records.codec import encode_event
from streamproc.core.state.events import AccountActivated, UsageRecorded
from streamproc.partitioner import partition_of
from tests.driver.conftest import RULES
from tests.faults.clocked import VARIABLE
from tests.support.cluster import PARTITIONS, Names, WorkerProcess, create_topic
from tests.support.dispatching import DispatchScene
from tests.support.jvm_broker import JvmBroker
from tests.support.metrics_page import url_in
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus

BEAT_SECONDS = 75.0
LITTLE_MB = 64
"""Less than a worker uses without any row."""
CANARY_RULES = yaml.safe_dump(
    {
        **(carrier := yaml.safe_load(RULES)),
        **{
            name: carrier[name] + yaml.safe_load(CANARY.read_text(encoding="utf-8"))[name]
            for name in ("plans", "rules")
        },
    },
    sort_keys=False,
)
SUBSCRIBERS, NEW_EACH_SECOND = 200, 5
FIRE_SECONDS, RESOLVE_SECONDS = 120.0, 240.0
EVERY_SECONDS = 1.0


class Hook:
    """A webhook that takes everything, and can be slow or away."""

    def __init__(self) -> None:
        self.port = free_port()
        self.wait_seconds = 0.0
        """How long an answer takes."""
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        hook = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                time.sleep(hook.wait_seconds)  # the fault itself
                with contextlib.suppress(OSError):
                    self.send_response(204)
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Answer)
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class Billing:
    """Sends usage of new subscribers, and bad records if that is wanted."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._producer = KafkaProducer(bootstrap_servers=bootstrap)
        self._topic = topic
        self._number = SUBSCRIBERS
        self._ended = Event()
        self.bad = self.misplaced = 0
        """Such records in each second."""
        self._activate(range(SUBSCRIBERS))
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(10)
        self._producer.close(timeout=1)

    def _run(self) -> None:
        while not self._ended.wait(1.0):
            with contextlib.suppress(Exception):  # the broker is a fault's victim
                self._second()

    def _second(self) -> None:
        # Each of them reaches a threshold at once, so that gateways have work all the time.
        new = range(self._number, self._number + NEW_EACH_SECOND)
        self._activate(new)
        for number in new:
            self._use(number, f"u-{number}", 600_000)
        self._number += NEW_EACH_SECOND
        for number in range(self.misplaced):
            self._use(number, f"m-{self._number}-{number}", 1, shift=1)
        for _ in range(self.bad):
            self._send(_subscriber(0), b"{")

    def _activate(self, numbers: range) -> None:
        now = datetime.now(UTC)  # noqa: TID251
        for number in numbers:
            who = _subscriber(number)
            event = AccountActivated(f"a-{who}", "crm", who, now, "basic", "UTC", 1)
            self._send(who, encode_event(event))

    def _use(self, number: int, name: str, used_bytes: int, shift: int = 0) -> None:
        now = datetime.now(UTC)  # noqa: TID251
        who = _subscriber(number)
        event = UsageRecorded(name, "ocs", who, now, total_bytes=used_bytes)
        self._send(who, encode_event(event), shift)

    def _send(self, who: str, value: bytes, shift: int = 0) -> None:
        key = who.encode()
        partition = (partition_of(key, PARTITIONS) + shift) % PARTITIONS
        self._producer.send(self._topic, key=key, value=value, partition=partition)


def _subscriber(number: int) -> str:
    return f"34600{number:06}"


@dataclass(frozen=True)
class Fault:
    """Something that is done, the alert and tier that must see it, and how it ends."""

    name: str
    alert: str
    tier: str
    begin: Callable[[], object]
    end: Callable[[], object]
    canary: tuple[str, ...] = ()
    """What the canary must say, as ``WAY STAGE``; one of them. Empty: all arrives."""
    resolves: bool = True
    """Whether it is waited for: alerts about counts stay for minutes."""


class Carrier:
    """All processes."""

    def __init__(self, directory: Path, broker: JvmBroker) -> None:
        self._directory = directory
        self._broker = broker
        self.names = Names("watched")
        self.hook = Hook()
        self.rules = directory / "rules.yaml"
        self.rules.write_text(CANARY_RULES)
        self.clock = directory / "clock"
        self.clock.write_text("0")
        self.workers = [self._worker(f"w{number}") for number in (1, 2)]
        self._limited = self._worker("w2")
        self._limited.command = [*self.workers[1].command, "--memory-limit-mb", str(LITTLE_MB)]
        self._scene = DispatchScene(broker.bootstrap, directory)
        self._scene.names["reminders"] = self.names.reminders
        self._dispatch_port = free_port()
        self._canary_port = free_port()
        self._dispatcher: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        bootstrap = self._broker.bootstrap
        await create_topic(bootstrap, self.names.events)
        for worker in self.workers:
            self._start(worker)
            await self._until(lambda worker=worker: url_in(worker.log), worker.log)  # type: ignore[misc]
        await self._until(lambda: "input flows" in self.workers[0].log.read_text())
        self.hook.start()
        self._scene.gateways.write_text(
            "version: 1\ngateways:\n"
            f"  - {{name: main, kind: webhook, url: 'http://127.0.0.1:{self.hook.port}/',"
            " secret_env: HOOK_SECRET, timeout_seconds: 20, breaker: {failures: 3}}\n"
            f"  - {{name: canary, canary: true, kind: webhook,"
            f" url: 'http://127.0.0.1:{self.hook.port}/', secret_env: HOOK_SECRET,"
            " timeout_seconds: 20, breaker: {failures: 3}}\n"
        )
        self._start_dispatcher()
        await self._until(lambda: url_in(self._directory / "one.log"))
        names, topics = self.names, self._scene.names
        words = ["canary", "--broker", bootstrap, "--topic", names.events]
        words += ["--reminders", names.reminders, "--rejects", names.rejects]
        words += ["--receipts", topics["receipts"], "--until", "accepted"]
        self._scene.run([*words, "--http-port", str(self._canary_port)])

    def targets(self) -> dict[str, list[int]]:
        """The ports of the pages, by job."""

        def port(log: Path) -> int:
            return int(url_in(log).rpartition(":")[2])

        return {
            "streamproc-worker": [port(worker.log) for worker in self.workers],
            "streamproc-dispatcher": [self._dispatch_port],
            "streamproc-canary": [self._canary_port],
        }

    def close(self) -> None:
        for worker in (*self.workers, self._limited):
            if worker.is_alive:
                worker.kill()
        self._scene.__exit__()
        self.hook.stop()

    def kill_worker(self) -> None:
        self.workers[1].kill()

    def start_worker(self) -> None:
        self._start(self.workers[1])

    def leave_little_memory(self) -> None:
        """The second worker gets less than it needs."""
        self.kill_worker()
        self._start(self._limited)

    def leave_enough_memory(self) -> None:
        self._limited.kill()
        self.start_worker()

    def freeze_broker(self) -> None:
        assert self._broker.process is not None
        os.kill(self._broker.process.pid, signal.SIGSTOP)

    def thaw_broker(self) -> None:
        assert self._broker.process is not None
        os.kill(self._broker.process.pid, signal.SIGCONT)

    def revive(self) -> None:
        """As a supervisor does: a dispatcher that cannot abort a transaction ends."""
        self.thaw_broker()
        if waited(lambda: self._dispatcher is None or self._dispatcher.poll() is not None, 30.0):
            self._start_dispatcher()

    def _start_dispatcher(self) -> None:
        words = ["dispatch", *self._scene.options(), "--gateways", str(self._scene.gateways)]
        words += ["--ignore-expiry", "--create-topics", "--session-timeout-seconds", "6"]
        self._dispatcher = self._scene.run([*words, "--http-port", str(self._dispatch_port)])

    def _worker(self, name: str) -> WorkerProcess:
        port = free_port()
        words = ("--clock", "wall", "--http-port", str(port), "--rules", str(self.rules))
        worker = WorkerProcess(self._broker.bootstrap, self.names, self._directory, name, *words)
        at = worker.command.index("streamproc")
        worker.command[at] = "tests.faults.clocked"
        return worker

    def _start(self, worker: WorkerProcess) -> None:
        worker.start(**{VARIABLE: str(self.clock)})

    async def _until(self, condition: Callable[[], object], log: Path | None = None) -> None:
        deadline = time.monotonic() + 90
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(log.read_text()[-2000:] if log else self._scene.logs())
            await asyncio.sleep(0.2)  # the log is read again


def faults_of(carrier: Carrier, billing: Billing) -> Iterator[Fault]:
    """All of them; those whose alert stays for minutes are the last."""

    def send(name: str, count: int) -> Callable[[], None]:
        return lambda: setattr(billing, name, count)

    good = CANARY_RULES
    bad = f"{good}nonsense: 1\n"
    yield Fault(
        "rules refused",
        "RulesRefused",
        "orange",
        lambda: carrier.rules.write_text(bad),
        lambda: carrier.rules.write_text(good),
    )
    yield Fault(
        "clock jump",
        "ClockWrong",
        "orange",
        lambda: carrier.clock.write_text("90"),
        lambda: carrier.clock.write_text("0"),
        # Timed messages come 90 s too early.
        canary=("timed readable",),
    )
    yield Fault(
        "dead gateway",
        "GatewayDown",
        "orange",
        carrier.hook.stop,
        carrier.hook.start,
        canary=("usage accepted",),
    )
    yield Fault(
        "killed worker",
        "ProcessDown",
        "orange",
        carrier.kill_worker,
        carrier.start_worker,
        # Its partitions move, usually within the deadline.
        canary=("", "usage readable", "timed readable"),
    )
    yield Fault(
        "memory near",
        "MemoryNear",
        "orange",
        carrier.leave_little_memory,
        carrier.leave_enough_memory,
        # The worker begins again, as after the killing above.
        canary=("", "usage readable", "timed readable"),
    )
    yield Fault(
        "frozen broker",
        "BrokerSilent",
        "orange",
        carrier.freeze_broker,
        carrier.revive,
        canary=("usage sent",),
    )
    yield Fault(
        "slow gateway",
        "GatewaySlow",
        "orange",
        lambda: setattr(carrier.hook, "wait_seconds", 6.0),
        lambda: setattr(carrier.hook, "wait_seconds", 0.0),
        # Messages of all wait in one queue, which grows.
        canary=("", "usage accepted", "timed accepted"),
        resolves=False,
    )
    yield Fault(
        "wrong partitioner",
        "WrongPartition",
        "orange",
        send("misplaced", 5),
        send("misplaced", 0),
        resolves=False,
    )
    yield Fault(
        "poison flood", "RejectsShare", "red", send("bad", 50), send("bad", 0), resolves=False
    )


def seen(prometheus: Prometheus, alert: str, tier: str) -> bool:
    """Whether an alert fires."""
    return bool(prometheus.ask(f'ALERTS{{alertname="{alert}",tier="{tier}",alertstate="firing"}}'))


def broken(prometheus: Prometheus) -> list[str]:
    """What the canary says is broken, as ``WAY STAGE``."""
    found = prometheus.ask("streamproc_canary_broken_partitions > 0")
    return sorted(f"{one['metric']['way']} {one['metric']['stage']}" for one in found)


def agreed(prometheus: Prometheus, fault: Fault) -> bool:
    """Whether the canary says during a fault what is broken, and nothing else."""
    if fault.canary and "" not in fault.canary:
        return (
            waited(lambda: bool(set(fault.canary) & set(broken(prometheus))), FIRE_SECONDS)
            is not None
        )
    time.sleep(BEAT_SECONDS)  # it must have had a beat of its own within the fault
    return set(broken(prometheus)) <= set(fault.canary)


def waited(condition: Callable[[], bool], limit_seconds: float) -> float | None:
    """How long it took; None if it did not come."""
    began = time.monotonic()
    while time.monotonic() - began < limit_seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(EVERY_SECONDS)  # Prometheus is asked again
    return None


def tried(prometheus: Prometheus, fault: Fault) -> bool:
    """Do a fault; whether its alert was as it must be."""
    if seen(prometheus, fault.alert, fault.tier):
        print(f"{fault.name}: {fault.alert} fires before the fault", flush=True)
        return False
    fault.begin()
    after = waited(lambda: seen(prometheus, fault.alert, fault.tier), FIRE_SECONDS)
    also = sorted(
        {
            f"{one['metric']['alertname']} {one['metric']['tier']}"
            for one in prometheus.ask('ALERTS{alertstate="firing"}')
        }
    )
    is_agreed = agreed(prometheus, fault)
    canary = broken(prometheus)
    fault.end()
    if not is_agreed:
        print(f"{fault.name}: the canary says {canary}, and not {fault.canary}", flush=True)
        return False
    if after is None:
        print(f"{fault.name}: {fault.alert} did not fire; what fires: {also}", flush=True)
        return False
    resolved = None
    if fault.resolves:
        resolved = waited(lambda: not seen(prometheus, fault.alert, fault.tier), RESOLVE_SECONDS)
    said = f"resolved after {resolved:.0f} s" if resolved is not None else "it stays for a while"
    print(
        f"{fault.name}: {fault.alert} {fault.tier} after {after:.0f} s, {said}; fires: {also}; "
        f"the canary says {canary or 'all arrives'}",
        flush=True,
    )
    return resolved is not None or not fault.resolves


def run(directory: Path, names: list[str]) -> bool:
    """Whether all alerts were as they must be."""
    with JvmBroker() as broker:
        carrier = Carrier(directory, broker)
        try:
            asyncio.run(carrier.start())
            with contextlib.ExitStack() as stack:
                billing = stack.enter_context(
                    contextlib.closing(Billing(broker.bootstrap, carrier.names.events))
                )
                prometheus = stack.enter_context(
                    contextlib.closing(Prometheus(directory, carrier.targets()))
                )
                flows = "sum(rate(streamproc_dispatch_receipts_total[1m])) > 0"
                if waited(lambda: bool(prometheus.ask(flows)), 120.0) is None:
                    raise TimeoutError("no reminder reached the gateway")
                arrived = 'streamproc_canary_beats_total{way="timed",outcome="arrived"} > 0'
                if waited(lambda: bool(prometheus.ask(arrived)), 180.0) is None:
                    raise TimeoutError(f"the canary says {broken(prometheus)} without a fault")
                faults = [
                    one
                    for one in faults_of(carrier, billing)
                    if not names or one.name.replace(" ", "-") in names
                ]
                results = [tried(prometheus, one) for one in faults]
                return all(results)
        finally:
            carrier.thaw_broker()
            carrier.close()


def main() -> None:
    """Exit 0 if each fault was seen by its alert."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.watched", description=__doc__)
    parser.add_argument("--faults", default="", metavar="A,B", help="such as dead-gateway")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="streamproc-watched-") as directory:
        names = [name for name in options.faults.split(",") if name]
        sys.exit(0 if run(Path(directory), names) else 1)


if __name__ == "__main__":
    main()
