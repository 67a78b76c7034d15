"""What is too long for every change: ``make nightly``, or ``python -m tests.nightly --hours 8``.

Each part gets its share of the time and is ended when that is over. Each night tries something
else: hypothesis at random, other lives, other faults, and the deep tests begin at another place, so
that those for which no time was left have their turn. Exit code 1 if any part failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass, field
from datetime import date

from tests.support.limited import run_limited

GRACE_MINUTES = 35.0
"""What was begun in time may end: a deep test has half an hour."""
DEEP_TESTS = (
    "tests/contract",
    "tests/property",
    "tests/driver",
    "tests/integration/test_rights.py",
)
"""The others have no deep form: their tests are the same in ``make test``."""


@dataclass(frozen=True)
class Part:
    """One command; ``{minutes}`` and ``{turn}`` are put into its words."""

    name: str
    share: float
    """Of the time."""
    words: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, minutes: float, turn: int) -> list[str]:
        values = {"minutes": f"{minutes:g}", "turn": turn}
        return [sys.executable, "-m", *(one.format(**values) for one in self.words)]


PARTS = (
    Part(
        "deep tests",
        0.33,
        (
            *("pytest", "-q", "-n", "2", "--dist", "worksteal", "--timeout", "1800"),
            *("--minutes", "{minutes}", "--turn", "{turn}", *DEEP_TESTS),
        ),
        {"HYPOTHESIS_PROFILE": "deep"},
    ),
    Part(
        "messages",
        0.15,
        # As many as there is time for: a million takes some machines longer than a night.
        ("perf.truth", "--messages", "0", "--minutes", "{minutes}", "--seed", "{turn}000"),
    ),
    Part("fuzzing", 0.05, ("perf.fuzz", "all", "--minutes", "{minutes}", "--seed", "{turn}")),
    # Half an hour, whatever the minutes.
    Part("watched faults", 0.07, ("tests.faults.watched",)),
    Part("upgrades", 0.05, ("tests.faults.upgraded", "--minutes", "{minutes}", "--seed", "{turn}")),
    Part("fault laboratory", 0.15, ("tests.faults", "--minutes", "{minutes}", "--seed", "{turn}")),
    Part("mutations", 0.2, ("tests.mutations", "--minutes", "{minutes}")),
)


def run(part: Part, hours: float, turn: int) -> str:
    """How it ended."""
    minutes = hours * 60 * part.share
    environment = os.environ | part.environment
    code = run_limited(part.command(minutes, turn), (minutes + GRACE_MINUTES) * 60, environment)
    if code is None:
        return "FAILED: it did not end in time"
    return "passed" if code == 0 else f"FAILED with exit code {code}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hours", type=float, default=8.0, help="for all parts together")
    parser.add_argument("--only", choices=[part.name for part in PARTS], action="append")
    parser.add_argument("--turn", type=int, help="the night's number (that of the day)")
    options = parser.parse_args()
    turn = date.today().toordinal() if options.turn is None else options.turn
    told = []
    for part in PARTS:
        if options.only and part.name not in options.only:
            continue
        print(f"== {part.name}, night {turn}", flush=True)
        begun = time.monotonic()
        how = run(part, options.hours, turn)
        told.append((part.name, how, (time.monotonic() - begun) / 60))
    for name, how, minutes in told:
        print(f"{name}: {how} ({minutes:.0f} min)")
    return 1 if any(how != "passed" for _, how, _ in told) else 0


if __name__ == "__main__":
    sys.exit(main())
