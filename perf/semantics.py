"""What full semantics cost: ``python -m perf.semantics``.

CPU time per event of a worker without Kafka (decode, step, rows, encoded outputs), in one process,
all forms interleaved over some rounds:

- ``basic``: the workload under plans with allowances, packs, usage thresholds and timed reminders,
  which is what the first version of the core had.
- ``unused``: the same events under the same rules, beside which there is every other feature, of
  which these subscribers use none. That should cost next to nothing.
- ``everything``: a workload that meets every feature of quota (pools, refunds, retractions,
  tariffs, plan changes) under rules of every kind, with quiet hours, caps and coalescing.

Each with the core in Python, and, where it takes part, with the compiled part. Outputs are counted,
too: an event that causes more messages must cost more.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median

from perf.machine import describe
from streamproc.app.plain import plain_usage
from streamproc.app.settings import Native
from streamproc.app.virtual import TOPICS, InputRecord, VirtualWorker
from streamproc.contracts.rulesfile import default_rulebook
from streamproc.core.rulebook import Rulebook
from streamproc.edges import workload
from streamproc.edges.workload import WorkloadSettings, generate
from streamproc.edges.workload_quota import quota_month
from tests.support.everything import everything, mostly_unused

TOPIC = "events"
LIMIT = 2.0
"""Everything against basic, in Python: the target."""


@dataclass
class Form:
    """A workload under rules, and what it took."""

    name: str
    rules: Rulebook
    generator: Callable[[WorkloadSettings, Rulebook], Iterable[workload.InputRecord]]
    native: Native
    micros: list[float] = field(default_factory=list)
    """CPU microseconds per event, round by round."""
    outputs: float = 0.0
    """Output records per event."""

    def measure(self, settings: WorkloadSettings) -> None:
        records = [
            InputRecord(TOPIC, 0, offset, one.key, one.value, one.timestamp_ms)
            for offset, one in enumerate(self.generator(settings, self.rules))
        ]
        counts: Counter[str] = Counter()

        def emit(topic: str, _key: bytes | None, _value: bytes) -> None:
            counts[topic] += 1

        worker = VirtualWorker(self.rules, emit, self.native)
        gc.collect()
        gc.disable()
        began = time.process_time()
        worker.apply(records)
        self.micros.append((time.process_time() - began) * 1e6 / len(records))
        gc.enable()
        self.outputs = counts.total() / len(records)
        assert counts[TOPICS.reminders], "the workload met no rule"


def forms() -> list[Form]:
    """All that are measured; the compiled part only where it takes part."""
    every = [
        ("basic", default_rulebook(), generate),
        ("unused", mostly_unused(), generate),
        ("everything", everything(), quota_month),
    ]
    kinds: tuple[Native, ...] = ("off", "on")
    return [
        Form(name, rules, generator, native)
        for native in kinds
        for name, rules, generator in every
        if native == "off" or plain_usage(rules, event_clock=True) is not None
    ]


def table(found: list[Form]) -> str:
    """A row for each form, with its ratio to the basic one of the same core, round by round."""
    base = {one.native: one.micros for one in found if one.name == "basic"}
    lines = [
        "| rules and workload | core | CPU µs per event | outputs per event | against basic |",
        "|---|---|--:|--:|--:|",
    ]
    for one in found:
        ratios = [a / b for a, b in zip(one.micros, base[one.native], strict=True)]
        core = "Python" if one.native == "off" else "with the compiled part"
        lines.append(
            f"| {one.name} | {core} | {median(one.micros):.1f} ({min(one.micros):.1f}-"
            f"{max(one.micros):.1f}) | {one.outputs:.2f} | {median(ratios):.2f} "
            f"({min(ratios):.2f}-{max(ratios):.2f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--subscribers", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    settings = WorkloadSettings(seed=5, events=given.events, subscribers=given.subscribers)
    found = forms()
    for _ in range(given.rounds):
        for one in found:
            one.measure(settings)
    print(f"{given.events:,} events of {given.subscribers:,} subscribers, {given.rounds} rounds")
    print(f"Machine: {describe()}\n\n{table(found)}")
    last = next(one for one in found if (one.name, one.native) == ("everything", "off"))
    ratio = median(last.micros) / median(found[0].micros)
    print(f"\neverything / basic, in Python: {ratio:.2f} (target: at most {LIMIT})")


if __name__ == "__main__":
    main()
