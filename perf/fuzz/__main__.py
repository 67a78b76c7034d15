"""Feeds inputs of strangers to an entrance: ``python -m perf.fuzz rules --inputs 300000 --seed 1``.

Mutated valid samples and generated structures go to the loader or decoder of the entrance. An
entrance takes an input or refuses it in words. All else is an escape: any other exception, an input
that takes seconds, or one that takes gigabytes. Each escape is printed with its input, shrunk, and
with the number by which it is had again: ``--first NUMBER --inputs 1``. Exit code 1 if any escaped.
``all`` runs every target.
"""

from __future__ import annotations

import argparse
import resource
import sys

from perf.fuzz.running import fuzz
from perf.fuzz.targets import TARGETS

MOST_BYTES = 3 << 30
"""The memory that all inputs together may take: more is a ``MemoryError``, which escapes."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="; ".join(f"{one.name}: {one.says}" for one in TARGETS.values()),
    )
    parser.add_argument("target", choices=["all", *TARGETS])
    parser.add_argument("--inputs", type=int, default=1_000_000, help="at most, for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60, help="of processor time, at most")
    parser.add_argument(
        "--minutes", type=float, help="instead of --seconds: of all targets together"
    )
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, resource.RLIM_INFINITY))
    chosen = [one for one in TARGETS.values() if options.target in ("all", one.name)]
    seconds = options.seconds
    if options.minutes is not None:
        seconds = options.minutes * 60 / len(chosen)
    escapes = 0
    for target in chosen:
        outcome = fuzz(
            target,
            inputs=options.inputs,
            seed=options.seed,
            seconds=seconds,
            first=options.first,
        )
        escapes += len(outcome.escapes)
        print(
            f"{target.name}: {outcome.inputs} inputs in {outcome.seconds:.0f} s, "
            f"{len(outcome.escapes)} kinds of escapes",
            flush=True,
        )
        for escape in outcome.escapes:
            print(escape, flush=True)
    return 1 if escapes else 0


if __name__ == "__main__":
    sys.exit(main())
