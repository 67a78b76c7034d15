"""Reads messages until so many were read: ``python -m perf.truth --messages 1000000 --seed 1``.

Lives are made from numbers, counted from the seed, in several processes; each message is held to
the account that the oracle keeps (law 28, ``tests/support/truth``). Prints how many messages and
checks there were, what was not true, and the first examples, each with the rules and the life by
which it is had again: ``python -m perf.truth --only NUMBER`` (a life's number, without its last
three digits). Exit code 1 if anything is false, or if time ran out before so many were read. With
``--messages 0`` it reads as many as the time allows.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from tests.support.truth.search import LIVES, Report, searched

EXAMPLES = 20


def reports(seed: int, processes: int) -> Iterator[Report]:
    """Without end, as they come."""
    with ProcessPoolExecutor(processes) as pool:
        number = seed
        running: set[Future[Report]] = set()
        try:
            while True:
                while len(running) < processes + 2:
                    running.add(pool.submit(searched, number))
                    number += 1
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for one in done:
                    yield one.result()
        finally:
            pool.shutdown(cancel_futures=True)


def show(report: Report, seconds: float) -> None:
    """What was found."""
    false = report.false.total()
    rate = report.messages / max(seconds, 0.001)
    print(
        f"{report.messages} messages, {report.checks} checks, {false} false "
        f"({seconds:.0f} s, {rate:.0f} messages a second)"
    )
    print("read:", ", ".join(f"{kind} {count}" for kind, count in report.kinds.most_common()))
    for (rule, kind), count in report.false.most_common():
        print(f"  {count} x {rule}: {kind}")
    shown: set[tuple[str, str]] = set()
    for one in report.findings:
        if (one.rule, one.kind) not in shown and len(shown) < EXAMPLES:
            shown.add((one.rule, one.kind))
            print(one)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1, help="the first number of lives")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60, help="at most")
    parser.add_argument("--only", type=int, help="the lives of this number alone")
    options = parser.parse_args()
    start, total = time.monotonic(), Report()
    if options.only is not None:
        total.add(searched(options.only, LIVES))
        show(total, time.monotonic() - start)
        return 1 if total.false else 0
    told = 0
    for report in reports(options.seed, options.processes):
        total.add(report)
        for one in report.findings[:EXAMPLES]:
            print(one, file=sys.stderr, flush=True)  # a long run need not end before it is mended
        seconds = time.monotonic() - start
        if total.messages // 50_000 > told:
            told = total.messages // 50_000
            print(f"{total.messages} messages, {total.false.total()} false", file=sys.stderr)
        is_enough = 0 < options.messages <= total.messages
        if is_enough or seconds > options.minutes * 60:
            break
    show(total, time.monotonic() - start)
    return 1 if total.false or total.messages < options.messages else 0


if __name__ == "__main__":
    sys.exit(main())
