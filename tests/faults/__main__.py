"""``python -m tests.faults --seed S --minutes M``: the fault laboratory, see docs/fault-lab.md."""

from __future__ import annotations

import argparse
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.faults import history
from tests.faults.history import History
from tests.faults.kind import KINDS
from tests.faults.lab import Lab, Plan


def main() -> None:
    """Exit 0 if every outcome was exact."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0.0, help="go on at least so long")
    parser.add_argument("--count", type=int, default=0, help="do at least so many faults")
    parser.add_argument("--faults", default="", metavar="A,B", help="only these kinds")
    parser.add_argument("--rate", type=int, default=800, help="input records per second")
    parser.add_argument("--history", type=Path, help="where the history goes")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="a history to be done again")
    parser.add_argument("--list", action="store_true", help="name the kinds and end")
    options = parser.parse_args()
    # Both signals end the run in order: brokers and workers must not be left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.list:
        for name, kind in sorted(KINDS.items()):
            print(f"{name:<22}{(kind.act.__doc__ or '').splitlines()[0]}")
        return
    names = tuple(name for name in options.faults.split(",") if name)
    unknown = sorted(set(names) - KINDS.keys())
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; --list names the kinds")
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")  # noqa: TID251
    name = "replay" if options.replay else f"seed{options.seed}"
    path = options.history or Path("build", "faults", f"{stamp}-{name}.ndjson")
    entries = history.read(options.replay) if options.replay else []
    kept = History(path)
    kept.write("run", seed=options.seed, arguments=sys.argv[1:])
    print(f"history: {path}", flush=True)
    lab = Lab(kept, path.parent)
    if options.replay:
        exact = lab.replay(entries)
    else:
        count = options.count or (0 if options.minutes else len(KINDS))
        exact = lab.run(Plan(options.seed, options.minutes, count, names, options.rate))
    sys.exit(0 if exact else 1)


if __name__ == "__main__":
    main()
