"""What it costs a worker to be watched: ``python -m perf.watching``.

Runs the worker on the common task of ``perf.compare``, on one broker, in turn with all that is
counted and ``/metrics`` read every 5 s, and with nothing counted and no page. Each pair of runs
gives one ratio of CPU time per event; the order within a pair alternates. Ratios, never seconds:
what else the machine does falls on both alike. Exit 1 if the median costs more than the limit.

CPU time of the worker is compared: it is what bounds its throughput, and wall time says more of the
machine's other work.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import urllib.request
from collections.abc import Iterator
from statistics import median
from uuid import uuid4

from perf.compare import run_once
from perf.compare_peers import Peer, build_nothing, streamproc
from perf.compare_task import EVENTS_PER_SUBSCRIBER, fill
from perf.machine import describe
from tests.support.broker import open_broker
from tests.support.ports import free_port

READ_SECONDS = 5.0
"""Prometheus reads every 15 s with the configuration in ``ops/``."""
LIMIT = 0.02
NATIVE = {"compiled": "native=auto", "Python": "native=off"}


@contextlib.contextmanager
def scraped(port: int) -> Iterator[list[int]]:
    """Read ``/metrics`` at a port now and then; yields the size of each answer."""
    ended = threading.Event()
    sizes: list[int] = []

    def read() -> None:
        while not ended.wait(READ_SECONDS):
            with (
                contextlib.suppress(OSError),  # it starts, or has ended
                urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer,
            ):
                sizes.append(len(answer.read()))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield sizes
    finally:
        ended.set()
        thread.join()


def peer(part: str, *options: str) -> Peer:
    """A worker in wall time, as in production."""
    command = streamproc("full", "clock=wall", NATIVE[part], *options)
    return Peer("streamproc full", "exactly once", "defaults", command, build_nothing, is_full=True)


def pairs(part: str, rounds: int, events: int, broker: str) -> Iterator[float]:
    """What watching adds to the CPU time per event, pair by pair. The first pair warms up."""
    with open_broker(broker) as running:
        given = fill(
            running.bootstrap, f"in{uuid4().hex[:6]}", events, events // EVENTS_PER_SUBSCRIBER
        )
        for number in range(rounds + 1):
            found: dict[bool, float] = {}
            for is_watched in (True, False) if number % 2 else (False, True):
                port = free_port()
                options = [f"port={port}"] if is_watched else ["counted=no"]
                with scraped(port) as sizes:
                    run = run_once(running.bootstrap, peer(part, *options), given)
                assert bool(sizes) == is_watched, "the page is read in watched runs only"
                found[is_watched] = run.cpu_seconds / run.events
            if number:
                yield found[True] / found[False] - 1


def main() -> None:
    """Exit 1 if watching costs more than the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--part", choices=list(NATIVE), default="compiled")
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    options = parser.parse_args()
    print(f"Machine: {describe()}.", flush=True)
    found = []
    for share in pairs(options.part, options.rounds, options.events, options.broker):
        found.append(share)
        print(f"pair {len(found)}: {share:+.2%} CPU time per event", flush=True)
    cost = median(found)
    print(f"watching costs {cost:+.2%} (from {min(found):+.2%} to {max(found):+.2%})")
    sys.exit(int(cost > LIMIT))


if __name__ == "__main__":
    main()
