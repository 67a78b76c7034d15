"""The Kafka broker of the tests: one that runs already, one in Docker, or a JVM process."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from tests.support.jvm_broker import BrokerUnavailable, JvmBroker

__all__ = ["ADDRESS_VARIABLE", "BrokerUnavailable", "RunningBroker", "open_broker"]

ADDRESS_VARIABLE = "STREAMPROC_TEST_BROKER"
CONNECT_LIMIT_S = 5.0
ENGINE_PROBE_LIMIT_S = 1.5


class RunningBroker(Protocol):
    """A broker that answers; ``bootstrap`` is its ``host:port``."""

    @property
    def bootstrap(self) -> str: ...


@dataclass(frozen=True)
class BrokerAddress:
    """A broker that somebody else started, or that runs in a container."""

    bootstrap: str


@contextmanager
def open_broker(choice: str = "auto", *, quick: bool = True) -> Iterator[RunningBroker]:
    """A running broker for the length of the ``with``.

    ``choice``: ``auto``, ``docker``, ``jvm``, or the ``host:port`` of a running one. ``auto``
    takes the address in $STREAMPROC_TEST_BROKER, else Docker if an engine answers, else the
    JVM. Only with ``jvm`` does the object have kill() and restart() (it is a JvmBroker).
    ``quick`` is for tests. Measurements take a broker as it runs elsewhere.

    Raises BrokerUnavailable naming every reason, BrokerStartError if a JVM broker fails.
    """
    address = os.environ.get(ADDRESS_VARIABLE, "") if choice == "auto" else ""
    if address:
        # If an address was requested and does not answer, that is an error: no other
        # broker replaces it.
        yield _existing(address, f"${ADDRESS_VARIABLE}")
    elif choice == "docker":
        with _in_docker() as broker:
            yield broker
    elif choice == "jvm":
        with JvmBroker(quick=quick) as broker:
            yield broker
    elif choice == "auto":
        with _docker_or_jvm(quick) as broker:
            yield broker
    else:
        yield _existing(choice, "the broker choice")


@contextmanager
def _docker_or_jvm(quick: bool) -> Iterator[RunningBroker]:
    opened: RunningBroker
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(_in_docker())
        except BrokerUnavailable as no_docker:
            try:
                opened = stack.enter_context(JvmBroker(quick=quick))
            except BrokerUnavailable as no_jvm:
                raise BrokerUnavailable(
                    "no Kafka broker can be had here:\n"
                    f"- address: ${ADDRESS_VARIABLE} is not set\n"
                    f"- Docker: {no_docker}\n"
                    f"- JVM: {no_jvm}"
                ) from no_jvm
        yield opened


def _existing(address: str, source: str) -> BrokerAddress:
    """The broker at ``address``, after a connection was accepted there."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise BrokerUnavailable(f"{source} {address!r} is none of auto, docker, jvm, host:port")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_LIMIT_S).close()
    except OSError as error:
        raise BrokerUnavailable(f"{source}: nothing answers at {address} ({error})") from error
    return BrokerAddress(address)


@contextmanager
def _in_docker() -> Iterator[BrokerAddress]:
    reason = _engine_problem()
    if reason is not None:
        raise BrokerUnavailable(reason)
    # Imported late: it takes time, and it reads the engine's settings at import.
    from tests.support.docker_broker import ApacheKafkaContainer

    container = ApacheKafkaContainer()
    try:
        container.start()
    except Exception as error:  # docker, requests and testcontainers each raise their own
        container.stop()
        raise BrokerUnavailable(f"the Kafka container does not start: {error}") from error
    try:
        yield BrokerAddress(container.get_bootstrap_server())
    finally:
        container.stop()


def _engine_problem() -> str | None:
    """None if a container engine answers within ENGINE_PROBE_LIMIT_S, else the reason."""
    problem = [f"no container engine answered within {ENGINE_PROBE_LIMIT_S:g} s"]

    def probe() -> None:
        try:
            import docker  # type: ignore[import-untyped]

            client = docker.from_env(timeout=ENGINE_PROBE_LIMIT_S)
            client.ping()
            client.close()
        except Exception as error:  # any failure only means that Docker cannot be used here
            problem[:] = [f"no container engine answers ({error})"]
        else:
            problem.clear()

    # In a thread, because the client's own limit does not include name lookups and SSH.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(ENGINE_PROBE_LIMIT_S)
    return problem[0] if problem else None
