"""A regression guard: ``python -m perf.guard``.

Compares ratios, never seconds: what streamproc does per CPU-second, against a yardstick on the
same broker in the same minute, namely a plain aiokafka loop that consumes and decodes the same
events. The ratios are compared with ``perf/baselines/guard.json``; a median below the stored one
by more than the tolerance fails. ``--write`` stores the present ratios.

CPU time is compared, not wall time, for the latter says more of the machine's other work than of
this program. Needs no Maven project and no Java beyond the broker.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from uuid import uuid4

from perf.compare import build, run_once
from perf.compare_peers import PEERS
from perf.compare_run import PeerError
from perf.compare_task import fill
from perf.machine import describe
from tests.support.broker import open_broker

BASELINE = Path(__file__).parent / "baselines" / "guard.json"
YARDSTICK = "yardstick"
GUARDED = ("bare", "full", "full-python")
TOLERANCE = 0.25
"""Between two runs of an hour, other code and intervals aside, medians moved by 3 to 9 %."""


def ratios(rounds: int, events: int, names: list[str], broker: str) -> dict[str, list[float]]:
    """Events per CPU-second over the yardstick's, round by round; raises PeerError."""
    with open_broker(broker, quick=False) as running:
        given = fill(running.bootstrap, f"in{uuid4().hex[:6]}", events, max(events // 10, 1))
        found: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            yardstick = run_once(running.bootstrap, PEERS[YARDSTICK], given).per_cpu_second
            for name in names:
                run = run_once(running.bootstrap, PEERS[name], given)
                found[name].append(run.per_cpu_second / yardstick)
        return found


def main() -> None:
    """Exit 1 if a ratio fell below its baseline by more than the tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--quick", action="store_true", help="two rounds of the full form only")
    parser.add_argument("--write", action="store_true", help="store the present ratios")
    parser.add_argument("--broker", default="auto", help="auto, docker, jvm or HOST:PORT")
    options = parser.parse_args()
    names, missing = build(["full"] if options.quick else list(GUARDED))
    for name, reason in missing.items():
        print(f"NOT BUILT: {PEERS[name].name}: {reason}", flush=True)
    rounds, events = (2, 150_000) if options.quick else (options.rounds, options.events)
    try:
        found = ratios(rounds, events, names, options.broker)
    except PeerError as error:
        sys.exit(f"FAILED: {error}")
    middles = {name: round(median(values), 4) for name, values in found.items()}
    if options.write:
        content = {"machine": describe(), "tolerance": TOLERANCE, "ratios": middles}
        BASELINE.write_text(json.dumps(content, indent=1) + "\n")
        print(f"written: {BASELINE}: {middles}")
        return
    sys.exit(judge(middles, found, json.loads(BASELINE.read_text())))


def judge(
    middles: dict[str, float], found: dict[str, list[float]], baseline: dict[str, object]
) -> int:
    """Say each ratio beside its baseline; 1 if one of them is too low."""
    stored: dict[str, float] = baseline["ratios"]  # type: ignore[assignment]
    tolerance = float(baseline["tolerance"])  # type: ignore[arg-type]
    code = 0
    for name, ratio in middles.items():
        least = stored[name] * (1 - tolerance)
        verdict = "ok" if ratio >= least else "TOO LOW"
        code = code if ratio >= least else 1
        spread = ", ".join(f"{value:.3f}" for value in found[name])
        print(
            f"{verdict}: {PEERS[name].name}: {ratio:.3f} of the yardstick ({spread}); "
            f"baseline {stored[name]:.3f}, at least {least:.3f}"
        )
    return code


if __name__ == "__main__":
    main()
