"""What it costs a worker to be watched: ``python -m perf.watching``.

Runs the worker on the common task of ``perf.compare``, on one broker, in turn with all that is
counted and ``/metrics`` read every 5 s, and with nothing counted and no page. Each pair of runs
gives one ratio of CPU time per event; the order within a pair alternates. Ratios, never seconds:
what else the machine does falls on both alike. Exit 1 if the median costs more than the limit.

With ``--what traces`` it is what spans cost: one event in a hundred is sampled, and its spans go to
a receiver on this machine by OTLP. The other run of a pair has ``--traces off``. Both count their
figures. The cost of a traced event, times ``--traces-per-second``, is what is limited.

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
from typing import NamedTuple
from unittest import mock
from uuid import uuid4

from perf.compare import run_once
from perf.compare_peers import Peer, build_nothing, streamproc
from perf.compare_task import EVENTS_PER_SUBSCRIBER, fill
from perf.machine import describe
from streamproc.tracing.options import ENDPOINTS, PER_SECOND, SAMPLER_ARG
from tests.support.broker import open_broker
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.ports import free_port

READ_SECONDS = 5.0
"""Prometheus reads every 15 s with the configuration in ``ops/``."""
LIMIT = 0.02
SAMPLED = 0.01
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


@contextlib.contextmanager
def collected() -> Iterator[OtlpReceiver]:
    """A collector of spans, named by the variables that a worker inherits."""
    with OtlpReceiver() as receiver:
        variables = {ENDPOINTS[0]: receiver.url, SAMPLER_ARG: str(SAMPLED)}
        with mock.patch.dict("os.environ", variables):
            yield receiver


def peer(part: str, *options: str) -> Peer:
    """A worker in wall time, as in production."""
    command = streamproc("full", "clock=wall", NATIVE[part], *options)
    return Peer("streamproc full", "exactly once", "defaults", command, build_nothing, is_full=True)


@contextlib.contextmanager
def metrics(is_on: bool) -> Iterator[list[str]]:
    """The options of a worker that is watched by Prometheus, or that counts nothing."""
    port = free_port()
    with scraped(port) as sizes:
        yield [f"port={port}"] if is_on else ["counted=no"]
    assert bool(sizes) == is_on, "the page is read in watched runs only"


@contextlib.contextmanager
def traces(is_on: bool) -> Iterator[list[str]]:
    """The options of a worker that sends spans, or that makes none."""
    with collected() as receiver:
        yield ["traces=on"] if is_on else ["traces=off"]
    assert bool(receiver.spans) == is_on, "spans come in traced runs only"
    traced.append(sum(one.name.startswith("process ") for one in receiver.spans))


traced: list[int] = []
"""The number of events with a span in each run so far."""
WHAT = {"metrics": metrics, "traces": traces}


class Pair(NamedTuple):
    """What watching adds to the CPU time of a run."""

    share: float
    traced_micros: float
    """For each traced event; 0 if none is traced."""


def pairs(what: str, part: str, rounds: int, events: int, broker: str) -> Iterator[Pair]:
    """What watching adds, pair by pair. The first pair warms up."""
    with open_broker(broker) as running:
        given = fill(
            running.bootstrap, f"in{uuid4().hex[:6]}", events, events // EVENTS_PER_SUBSCRIBER
        )
        for number in range(rounds + 1):
            found: dict[bool, float] = {}
            for is_watched in (True, False) if number % 2 else (False, True):
                with WHAT[what](is_watched) as options:
                    run = run_once(running.bootstrap, peer(part, *options), given)
                found[is_watched] = run.cpu_seconds / run.events
            if number:
                micros = (found[True] - found[False]) * events * 1e6
                of_traced = micros / max(traced[-2:]) if what == "traces" else 0.0
                yield Pair(found[True] / found[False] - 1, of_traced)


def main() -> None:
    """Exit 1 if watching costs more than the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=list(WHAT), default="metrics")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--part", choices=list(NATIVE), default="compiled")
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    options = parser.parse_args()
    print(f"Machine: {describe()}.", flush=True)
    found = []
    for pair in pairs(options.what, options.part, options.rounds, options.events, options.broker):
        found.append(pair)
        of_traced = f", {pair.traced_micros:.0f} us a traced event" if pair.traced_micros else ""
        print(f"pair {len(found)}: {pair.share:+.2%} CPU time per event{of_traced}", flush=True)
    shares = [one.share for one in found]
    cost = median(shares)
    print(f"{options.what} cost {cost:+.2%} (from {min(shares):+.2%} to {max(shares):+.2%})")
    if options.what == "traces":
        # A worker that others keep from its core traces more of its events in a second of it.
        cost = median(one.traced_micros for one in found) * PER_SECOND / 1e6
        print(f"at most {cost:.2%} of a core, with --traces-per-second {PER_SECOND}")
    sys.exit(int(cost > LIMIT))


if __name__ == "__main__":
    main()
