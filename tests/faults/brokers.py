"""The laboratory's brokers: one that workers reach through proxies, or three of which one is lost.

Every worker slot has a listener of its own, advertised at the slot's proxy, so that one worker's
network can be bad while the others' is good. The laboratory itself uses the direct listener.
"""

from __future__ import annotations

import atexit
import os
import signal
import time
from collections.abc import Sequence
from typing import Any, Protocol, Self

from tests.faults.proxy import Proxy
from tests.support.jvm_broker import JvmBroker
from tests.support.ports import free_port

SLOTS = 3

#: Short periods, so that what takes the broker minutes elsewhere happens while somebody looks.
LAB_SETTINGS = {
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "log.cleaner.backoff.ms": "300",
    "log.segment.delete.delay.ms": "1000",
    "group.coordinator.rebalance.protocols": "classic",
}


def free_ports(count: int) -> list[int]:
    """Different free ports."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return sorted(ports)


class Cluster(Protocol):
    """What the laboratory runs on."""

    bootstrap: str
    """For the laboratory itself."""
    replication: int

    def worker_bootstrap(self, slot: int) -> str:
        """For the worker of a slot."""

    @property
    def brokers(self) -> Sequence[LabBroker]: ...

    def close(self) -> None: ...


class LabBroker(JvmBroker):
    """A broker with further listeners and settings, which can be frozen."""

    start_limit_s = 120.0  # a killed one looks through its logs first, on a machine that is busy

    def __init__(self, listeners: dict[str, tuple[int, int]], settings: dict[str, str]) -> None:
        """``listeners``: name to (port, advertised port)."""
        super().__init__()
        self._listeners = listeners
        self._more_settings = settings

    def pause(self) -> None:
        """Freeze the process; its connections stay."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def _settings(self, data: Any) -> dict[str, str]:
        settings = super()._settings(data) | LAB_SETTINGS
        for name, (port, advertised) in self._listeners.items():
            settings["listeners"] += f",{name}://127.0.0.1:{port}"
            settings["advertised.listeners"] += f",{name}://127.0.0.1:{advertised}"
        names = ["PLAINTEXT", "CONTROLLER", *self._listeners]
        settings["listener.security.protocol.map"] = ",".join(f"{n}:PLAINTEXT" for n in names)
        return settings | self._more_settings


class Single:
    """One broker, a proxy before every worker."""

    replication = 1

    def __init__(self) -> None:
        ports = free_ports(2 * SLOTS)
        self._proxied = ports[:SLOTS]
        targets = ports[SLOTS:]
        listeners = {f"SLOT{n}": (targets[n], self._proxied[n]) for n in range(SLOTS)}
        self.broker = LabBroker(listeners, {})
        self.bootstrap = self.broker.bootstrap
        self.proxy = Proxy(dict(zip(self._proxied, targets, strict=True)))

    def start(self) -> Self:
        self.broker.start()
        return self

    @property
    def brokers(self) -> Sequence[LabBroker]:
        return [self.broker]

    def worker_bootstrap(self, slot: int) -> str:
        return f"127.0.0.1:{self._proxied[slot]}"

    def network(self, slot: int, **order: Any) -> None:
        """Make the network of a slot's worker so (see ``proxy``)."""
        self.proxy.order(self._proxied[slot], **order)

    def close(self) -> None:
        self.proxy.__exit__()
        self.broker.close()


class _Member(LabBroker):
    """One of several brokers that are controllers as well."""

    _quorum_options = ()

    def __init__(self, node_id: int, settings: dict[str, str]) -> None:
        super().__init__({}, settings)
        self.node_id = node_id

    def join(self, cluster_id: str, voters: str) -> None:
        """Say which cluster it belongs to; before the first start."""
        self.cluster_id = cluster_id
        self._more_settings |= {
            "node.id": str(self.node_id),
            "controller.quorum.voters": voters,
        }

    def _settings(self, data: Any) -> dict[str, str]:
        settings = super()._settings(data)
        del settings["controller.quorum.bootstrap.servers"]
        return settings

    def begin(self) -> None:
        """Start without waiting for an answer, which takes a majority."""
        if self.directory is None:
            self.directory = self._formatted()
            atexit.register(self.close)
        self.process = self._spawn(self.directory)


class Trio:
    """Three brokers, replication 3, two in-sync replicas needed."""

    replication = 3

    def __init__(self) -> None:
        settings = {
            "default.replication.factor": "3",
            "min.insync.replicas": "2",
            "offsets.topic.replication.factor": "3",
            "transaction.state.log.replication.factor": "3",
            "transaction.state.log.min.isr": "2",
            # A lost broker is noticed so fast that a round does not take minutes.
            "replica.lag.time.max.ms": "4000",
            "controller.quorum.election.timeout.ms": "500",
            "controller.quorum.fetch.timeout.ms": "1500",
        }
        self._members = [_Member(number, dict(settings)) for number in (1, 2, 3)]
        first = self._members[0]
        voters = ",".join(f"{m.node_id}@127.0.0.1:{m.controller_port}" for m in self._members)
        for member in self._members:
            member.join(first.cluster_id, voters)
        self.bootstrap = ",".join(member.bootstrap for member in self._members)

    def start(self) -> Self:
        for member in self._members:
            member.begin()
        deadline = time.monotonic() + LabBroker.start_limit_s
        for member in self._members:
            member._await_answer(deadline)
        return self

    @property
    def brokers(self) -> Sequence[LabBroker]:
        return self._members

    def worker_bootstrap(self, slot: int) -> str:
        return self.bootstrap

    def close(self) -> None:
        for member in self._members:
            member.kill()
            member.close()
