"""``python -m tests.faults.watched``: ten real faults, and the alerts of ops/ that see them.

Runs a broker, two workers, a dispatcher with a webhook, a canary, and Prometheus. Does one fault
after the other, and says after how many seconds its alert fired, at which tier, that it resolved,
which panel of a dashboard showed it, and what the canary said. Exit 1 if an alert did not fire
within the limit, or did not resolve, if the panel showed nothing, or if the canary did not name the
stage that was broken, or another one. A run takes about half an hour. Alerts about counts stay for
5 minutes after the last case: they are the last ones, and not waited for.
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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import yaml
from kafka import KafkaProducer

from streamproc.cli.canary import RULES as CANARY
from streamproc.contracts.records.codec import encode_event
from streamproc.core.state.events import AccountActivated, UsageRecorded
from streamproc.partitioner import partition_of
from tests.driver.conftest import RULES
from tests.faults.clocked import VARIABLE
from tests.support import boards
from tests.support.cluster import PARTITIONS, Names, WorkerProcess, create_topic
from tests.support.compiled import IS_NATIVE
from tests.support.dispatching import DispatchScene
from tests.support.jvm_broker import JvmBroker
from tests.support.metrics_page import url_in
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus

BEAT_SECONDS = 75.0
STORMY = 1_800
"""So many have a message each minute, of which the storm's rate lets few through."""
OVERRUN_SECONDS = 300.0
"""A storm is past its window when its oldest message has waited so long."""
LITTLE_MB = 64
"""Less than a worker uses without any row."""
STORM: dict[str, Any] = {
    "plans": [{"id": "stormy", "allowances": [{"id": "data", "granted_bytes": 1_000_000}]}],
    "rules": [
        {
            "id": "campaign",
            "kind": "cron",
            "cron": "* * * * *",
            "plans": ["stormy"],
            "category": "news",
            "misfire_grace_seconds": 3600,
            "texts": {"en": "news"},
        }
    ],
}


def rules_with(storm_per_second: int) -> str:
    """The rules of all, with those of the canary, and the storm's rate in each partition."""
    carrier = yaml.safe_load(RULES)
    canary = yaml.safe_load(CANARY.read_text(encoding="utf-8"))
    joined = {name: carrier[name] + STORM[name] + canary[name] for name in ("plans", "rules")}
    storms = {"storms": {"rate_per_second": storm_per_second}}
    return yaml.safe_dump({**carrier, **storms, **joined}, sort_keys=False)


SLOW_RULES, FAST_RULES = rules_with(1), rules_with(1_000)
SUBSCRIBERS, NEW_EACH_SECOND = 200, 5
FIRST_STORMY = 900_000
"""Numbers from here on are in the storm."""
FIRE_SECONDS, RESOLVE_SECONDS, WELL_SECONDS = 120.0, 240.0, 300.0
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

    def begin_storm(self) -> None:
        """Many more subscribers have a message each minute than the storm's rate lets through."""
        self._activate(range(FIRST_STORMY, FIRST_STORMY + STORMY), "stormy")

    def _activate(self, numbers: range, plan: str = "basic") -> None:
        now = datetime.now(UTC)  # noqa: TID251
        for number in numbers:
            who = _subscriber(number)
            event = AccountActivated(f"a-{who}", "crm", who, now, plan, "UTC", 1)
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
class Shown:
    """A panel of a dashboard, and beyond which number it shows the fault."""

    dashboard: str
    title: str
    beyond: float
    line: str = ""
    """Of the lines with this legend alone; empty: of all."""
    is_low: bool = False
    """It shows the fault by a number that is lower, not higher."""

    def shows(self, prometheus: Prometheus, began: float, ended: float) -> bool:
        """Whether the panel has shown a number beyond it in this time."""
        panel = boards.panel_of(self.dashboard, self.title)
        lines = [one for one in panel["targets"] if self.line in ("", one["legendFormat"])]
        values = boards.values_of(prometheus, {"targets": lines}, began, ended)
        return any(one < self.beyond if self.is_low else one > self.beyond for one in values)


@dataclass(frozen=True)
class Fault:
    """Something that is done, the alert and tier that must see it, and how it ends."""

    name: str
    alert: str
    tier: str
    panel: Shown
    begin: Callable[[], object]
    end: Callable[[], object]
    canary: tuple[str, ...] = ()
    """What the canary must say, as ``WAY STAGE``: one of them. Empty: all arrives."""
    also: tuple[str, ...] = ()
    """What it may say, too. Of all else it must say that it arrives."""
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
        self.rules.write_text(SLOW_RULES)
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


def faults_of(carrier: Carrier, billing: Billing, prometheus: Prometheus) -> Iterator[Fault]:
    """All of them; those whose alert stays for minutes are the last."""

    def overrun() -> None:
        """A storm is a fault from the moment on at which it is past its window."""
        billing.begin_storm()
        oldest = f"max(streamproc_worker_storm_oldest_seconds) > {OVERRUN_SECONDS}"
        waited(lambda: bool(prometheus.ask(oldest)), OVERRUN_SECONDS + 120)

    def send(name: str, count: int) -> Callable[[], None]:
        return lambda: setattr(billing, name, count)

    good = SLOW_RULES
    bad = f"{good}nonsense: 1\n"
    yield Fault(
        "rules refused",
        "RulesRefused",
        "orange",
        Shown("service", "Rules and versions", 0, "refused"),
        lambda: carrier.rules.write_text(bad),
        lambda: carrier.rules.write_text(good),
    )
    yield Fault(
        "clock jump",
        "ClockWrong",
        "orange",
        Shown("service", "Clock, against Prometheus", 5),
        lambda: carrier.clock.write_text("90"),
        lambda: carrier.clock.write_text("0"),
        # Timed messages come 90 s too early, and no message may be sent before its time. Messages
        # about usage of the same subscribers wait, too (docs/runbooks/ClockWrong.md).
        canary=("timed readable",),
        also=("usage accepted", "timed accepted"),
    )
    yield Fault(
        "dead gateway",
        "GatewayDown",
        "orange",
        Shown("dispatcher", "Down, throttled", 0),
        carrier.hook.stop,
        carrier.hook.start,
        canary=("usage accepted",),
        also=("timed accepted",),
    )
    yield Fault(
        "killed worker",
        "ProcessDown",
        "orange",
        Shown("service", "Partitions away", 0),
        carrier.kill_worker,
        carrier.start_worker,
        # Its partitions move, usually within the deadline.
        canary=("", "usage readable", "timed readable"),
    )
    yield Fault(
        "memory near",
        "MemoryNear",
        "orange",
        Shown("service", "Memory and its bound", LITTLE_MB * 2**20 + 1, is_low=True),
        carrier.leave_little_memory,
        carrier.leave_enough_memory,
        # The worker begins again, as after the killing above.
        canary=("", "usage readable", "timed readable"),
    )
    yield Fault(
        "frozen broker",
        "BrokerSilent",
        "orange",
        Shown("service", "Broker silent", 15),
        carrier.freeze_broker,
        carrier.revive,
        canary=("usage sent",),
        # What was on its way when the broker froze.
        also=("usage readable", "timed readable", "usage accepted", "timed accepted"),
    )
    yield Fault(
        "slow gateway",
        "GatewaySlow",
        "orange",
        Shown("dispatcher", "Submit time", 5),
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
        Shown("service", "Rejects by reason", 0),
        send("misplaced", 5),
        send("misplaced", 0),
        resolves=False,
    )
    yield Fault(
        "poison flood",
        "RejectsShare",
        "red",
        Shown("service", "Rejected, 5 minutes", 1_000),
        send("bad", 50),
        send("bad", 0),
        resolves=False,
    )
    yield Fault(
        "storm overrun",
        "StormPastItsWindow",
        "red",
        Shown("service", "Storm: oldest", OVERRUN_SECONDS),
        overrun,
        # What its page advises: a higher rate, which running workers load.
        lambda: carrier.rules.write_text(FAST_RULES),
    )


def seen(prometheus: Prometheus, alert: str, tier: str) -> bool:
    """Whether an alert fires."""
    return bool(prometheus.ask(f'ALERTS{{alertname="{alert}",tier="{tier}",alertstate="firing"}}'))


def broken(prometheus: Prometheus) -> list[str]:
    """What the canary says is broken, as ``WAY STAGE``."""
    found = prometheus.ask("streamproc_canary_broken_partitions > 0")
    return sorted(f"{one['metric']['way']} {one['metric']['stage']}" for one in found)


def agreed(prometheus: Prometheus, fault: Fault) -> bool:
    """Whether the canary says within the limit what is broken, and nothing else."""
    needed, allowed = set(fault.canary), {*fault.canary, *fault.also}
    if not needed or "" in needed:
        time.sleep(BEAT_SECONDS)  # it must have had a beat of its own within the fault

    def agrees() -> bool:
        said = set(broken(prometheus))
        return said <= allowed and (not needed or "" in needed or bool(said & needed))

    return waited(agrees, FIRE_SECONDS) is not None


def is_well(prometheus: Prometheus, alert: str, tier: str) -> bool:
    """Whether all processes run, all partitions flow, the canary arrives, and an alert is quiet."""
    return (
        bool(prometheus.ask("min(up) == 1"))
        and bool(prometheus.ask("streamproc:partitions_away:count == 0"))
        and not broken(prometheus)
        and not seen(prometheus, alert, tier)
    )


def waited(condition: Callable[[], bool], limit_seconds: float) -> float | None:
    """How long it took; None if it did not come."""
    began = time.monotonic()
    while time.monotonic() - began < limit_seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(EVERY_SECONDS)  # Prometheus is asked again
    return None


@dataclass
class Trial:
    """What became of one fault. Times are seconds since 1970."""

    fault: Fault
    began: float = 0.0
    fired: float | None = None
    ended: float = 0.0
    problems: list[str] = field(default_factory=list)
    said: str = ""

    @property
    def span(self) -> boards.Span:
        """Its time, for pictures."""
        return boards.Span(self.fault.name, self.began, self.ended, self.fired)


def tried(prometheus: Prometheus, fault: Fault) -> Trial:
    """Do a fault; what its alert, its panel and the canary said."""
    trial = Trial(fault)
    # What is left of the fault before it must not be taken for this one.
    if waited(lambda: is_well(prometheus, fault.alert, fault.tier), WELL_SECONDS) is None:
        down = [one["metric"]["instance"] for one in prometheus.ask("up == 0")]
        trial.problems.append(
            f"not well before the fault: down {down}, the canary says {broken(prometheus)}, or "
            f"{fault.alert} fires"
        )
    fault.begin()
    trial.began = time.time()
    after = waited(lambda: seen(prometheus, fault.alert, fault.tier), FIRE_SECONDS)
    also = sorted(
        {
            f"{one['metric']['alertname']} {one['metric']['tier']}"
            for one in prometheus.ask('ALERTS{alertstate="firing"}')
        }
    )
    if after is None:
        trial.problems.append(f"{fault.alert} {fault.tier} did not fire; what fires: {also}")
    else:
        trial.fired = trial.began + after
    is_agreed = agreed(prometheus, fault)
    canary = broken(prometheus)
    if not is_agreed:
        trial.problems.append(f"the canary says {canary}, and not {fault.canary}")
    trial.ended = time.time()
    panel = fault.panel
    if not panel.shows(prometheus, trial.began, trial.ended):
        trial.problems.append(f"the panel {panel.title} of {panel.dashboard} does not show it")
    fault.end()
    resolved = None
    if fault.resolves and after is not None:
        resolved = waited(lambda: not seen(prometheus, fault.alert, fault.tier), RESOLVE_SECONDS)
        if resolved is None:
            trial.problems.append(f"{fault.alert} did not resolve")
    how = f"resolved after {resolved:.0f} s" if resolved is not None else "it stays for a while"
    trial.said = (
        f"{fault.alert} {fault.tier} after {after or 0:.0f} s, {how}; on {panel.dashboard}: "
        f"{panel.title}; fires: {also}; the canary says {canary or 'all arrives'}"
    )
    print(f"{fault.name}: {'; '.join(trial.problems) or trial.said}", flush=True)
    return trial


def draw(prometheus: Prometheus, trials: list[Trial], directory: Path) -> None:
    """Pictures: the panel of each fault, and each dashboard over the whole time."""
    directory.mkdir(parents=True, exist_ok=True)
    shown = [
        (one.span, boards.panel_of(one.fault.panel.dashboard, one.fault.panel.title))
        for one in trials
    ]
    boards.draw_faults(shown, prometheus, directory / "faults.png")
    began, ended = trials[0].began - 60, time.time()
    for dashboard in ("service", "dispatcher", "management"):
        file = directory / f"{dashboard}.png"
        boards.draw_board(dashboard, prometheus, began, ended, [one.span for one in trials], file)


def run(directory: Path, names: list[str], pictures: Path | None) -> bool:
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
                compiled = "streamproc:compiled:ratio5m > 0"
                if IS_NATIVE and waited(lambda: bool(prometheus.ask(compiled)), 60.0) is None:
                    raise TimeoutError("the compiled part is built, and applies nothing")
                faults = [
                    one
                    for one in faults_of(carrier, billing, prometheus)
                    if not names or one.name.replace(" ", "-") in names
                ]
                trials = [tried(prometheus, one) for one in faults]
                if pictures is not None:
                    draw(prometheus, trials, pictures)
                told(trials)
                return not any(one.problems for one in trials)
        finally:
            carrier.thaw_broker()
            carrier.close()


def told(trials: list[Trial]) -> None:
    """One line for each."""
    for one in trials:
        after = "never" if one.fired is None else f"{one.fired - one.began:4.0f} s"
        verdict = "FAILED" if one.problems else "seen"
        print(f"{verdict:7}{one.fault.name:18}{one.fault.alert} {one.fault.tier}, {after}")


def main() -> None:
    """Exit 0 if each fault was seen by its alert."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.watched", description=__doc__)
    parser.add_argument("--faults", default="", metavar="A,B", help="such as dead-gateway")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw the dashboards there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="streamproc-watched-") as directory:
        names = [name for name in options.faults.split(",") if name]
        sys.exit(0 if run(Path(directory), names, options.pictures) else 1)


if __name__ == "__main__":
    main()
