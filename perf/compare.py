"""Peers on the same task, side by side: ``python -m perf.compare``.

Builds each peer, fills one input on one broker, then runs every peer in every round, in an order
that rotates, and checks that all gave the same reminders. Figures of one round are compared with
each other only, so that what else the machine does falls on all alike. Writes a table and a
picture to ``perf/results``. A peer that cannot be built here is named with the reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from perf.compare_peers import PEERS, NotBuiltError, Peer
from perf.compare_report import Report, write
from perf.compare_run import PeerError, Run, measure
from perf.compare_task import (
    EVENTS_PER_SUBSCRIBER,
    Input,
    create_topics,
    delete_topics,
    difference,
    fill,
    fired_by,
    read_all,
)
from perf.machine import describe
from perf.preload import apply_all
from tests.support.broker import open_broker

SLOW_EVENTS = 60_000


def build(names: list[str]) -> tuple[list[str], dict[str, str]]:
    """Names of the peers that can run, and why the others cannot."""
    built, missing = [], {}
    for name in names:
        try:
            PEERS[name].build()
        except NotBuiltError as error:
            missing[name] = str(error)
        else:
            built.append(name)
    return built, missing


def run_once(bootstrap: str, peer: Peer, given: Input) -> Run:
    """One run with an application id and output topics of its own; raises PeerError."""
    app_id = f"p{uuid4().hex[:8]}"
    output = f"{app_id}.reminders"
    extra = [f"{output}.audit", f"{output}.rejects"] if "streamproc" in peer.name else []
    create_topics(bootstrap, [output, *extra])
    try:
        if peer.is_full:
            apply_all(bootstrap, app_id, given, output)

        def command(directory: Path) -> list[str]:
            arguments = (bootstrap, app_id, given.topic, output, given.events, directory)
            return list(peer.command(*arguments))

        run = measure(bootstrap, app_id, given, command)
        if not peer.is_yardstick:
            wrong = difference(fired_by(read_all(bootstrap, output)), given.expected)
            if wrong:
                raise PeerError(f"wrong reminders: {wrong}")
        return run
    finally:
        delete_topics(bootstrap, app_id)


def compare(
    bootstrap: str, names: list[str], rounds: int, events: int, subscribers: int
) -> Iterator[dict[str, list[Run]]]:
    """All runs so far, after every round; a peer that fails raises PeerError."""
    main = fill(bootstrap, f"in{uuid4().hex[:6]}", events, subscribers)
    print(f"{events:,} events of {subscribers:,} subscribers written", flush=True)
    few = main
    if events > SLOW_EVENTS and any(PEERS[name].is_slow for name in names):
        few_subscribers = max(SLOW_EVENTS * subscribers // events, 1)
        few = fill(bootstrap, f"in{uuid4().hex[:6]}", SLOW_EVENTS, few_subscribers)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            peer = PEERS[name]
            try:
                run = run_once(bootstrap, peer, few if peer.is_slow else main)
            except PeerError as error:
                raise PeerError(f"{peer.name}: {error}") from error
            runs[name].append(run)
            print(
                f"round {number + 1}, {peer.name}: {run.per_second:,.0f} events/s, "
                f"{run.per_cpu_second:,.0f} per CPU-second "
                f"({run.seconds:.2f} s, {run.resident_bytes / 2**20:.0f} MiB)",
                flush=True,
            )
        yield runs


def main() -> None:
    """Exit 0 when every peer that could be built gave the same reminders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--subscribers", type=int, help="default: a tenth of the events")
    usual = ",".join(name for name, peer in PEERS.items() if not peer.is_yardstick)
    parser.add_argument("--peers", default=usual, help=f"of {', '.join(PEERS)}")
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    names = options.peers.split(",")
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    subscribers = options.subscribers or max(options.events // EVENTS_PER_SUBSCRIBER, 1)
    names, missing = build(names)
    for name, reason in missing.items():
        print(f"NOT BUILT: {PEERS[name].name}: {reason}", flush=True)
    with open_broker(options.broker, quick=False) as broker:
        try:
            so_far = compare(broker.bootstrap, names, options.rounds, options.events, subscribers)
            for runs in so_far:  # written after every round: an interrupted run is not lost
                report = Report(describe(), options.events, subscribers, runs, missing)
                paths = write(report, options.results)
        except PeerError as error:
            sys.exit(f"FAILED: {error}")
    for path in paths:
        print(f"written: {path}")
    print(report.markdown())


if __name__ == "__main__":
    main()
