"""Rolling upgrades and rollbacks under load, with workers that are killed: all must stay exact.

    .venv/bin/python -m tests.faults.upgraded --seed 1 --minutes 20

The short form is ``tests/faults/test_upgrade.py``. Here the former release runs in an environment
of its own, from its lock and with its compiled part, and the lives differ.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.faults.brokers import Cluster, Single, Trio
from tests.faults.fleet import THIS, Program, Slot
from tests.faults.life import Life, Variant
from tests.support import former
from tests.support.former import Release

FOLDER = Path("build", "former").absolute()
"""Kept between runs: what a release is does not change."""
RULES = "streamproc/contracts/rules/default.yaml"


def last_release() -> Release:
    """The release before this one."""
    return former.releases()[-1]


def rules_of(release: Release) -> str:
    """Its packaged rules. Both releases run under them, or their texts would differ."""
    return str(former.extracted(release, FOLDER) / RULES)


def former_program(release: Release, *, is_built: bool) -> Program:
    """The release in its own environment, or run by this Python without its compiled part."""
    if is_built:
        return Program(
            str(former.built(release, FOLDER)), {"PYTHONSAFEPATH": "1", "PYTHONPATH": ""}
        )
    return Program(environment=former.environment(former.pure(former.extracted(release, FOLDER))))


def coming_program(folder: Path) -> Program:
    """A release to come, whose state has a newer form."""
    return Program(environment=former.environment(former.coming(folder)))


def roll(life: Life, program: Program, *, kills: bool) -> list[str]:
    """Each worker in turn ends in order and comes back with a program; returns what differs.

    With ``kills`` every second one is killed, and the first one that has changed is killed again
    while the last one changes.
    """
    slots = life.fleet.running()
    for number, slot in enumerate(slots):
        is_killed = kills and number % 2 == 1
        change(life, slot, program, is_killed=is_killed)
        if kills and number == len(slots) - 1:
            life.fleet.kill(slots[0])
            life.fleet.start(slots[0])
        life.mark()
        life.wait_for_flow()
    return life.check()


def change(life: Life, slot: Slot, program: Program, *, is_killed: bool = False) -> None:
    """One worker comes back with another program."""
    if is_killed:
        life.fleet.kill(slot)
    else:
        life.fleet.stop(slot)
    slot.program = program
    life.fleet.start(slot)


def _live(cluster: Cluster, variant: Variant, program: Program, directory: Path) -> list[str]:
    """From the former release to this one and back, and forth again, to the end of the month."""
    with Life(cluster, variant, directory, program=program) as life:
        life.mark()
        life.wait_for_flow()
        for to in (THIS, program, THIS):
            problems = roll(life, to, kills=True)
            if problems:
                return problems
        return life.check(final=True) or life.verify()


def main() -> int:
    """Exit 0 if every life was exact."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.upgraded", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0, help="begin lives so long")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    release = last_release()
    program = former_program(release, is_built=True)
    chance, ends, number, wrong = random.Random(options.seed), time.monotonic(), 0, 0
    ends += options.minutes * 60
    while number == 0 or time.monotonic() < ends:
        number += 1
        brokers = 3 if number % 3 == 0 else 1
        drawn = Variant.draw(chance, brokers, rate=400)
        variant = replace(drawn, workers=2, rules=rules_of(release), partitioner="murmur2")
        with tempfile.TemporaryDirectory(prefix="streamproc-upgrade-") as directory:
            cluster = Single().start() if brokers == 1 else Trio().start()
            try:
                problems = _live(cluster, variant, program, Path(directory))
            except AssertionError as error:
                problems = [str(error)]
            finally:
                cluster.close()
        wrong += bool(problems)
        print(
            f"{number:>3} {release.version} and this: {'; '.join(problems) or 'exact'}, {variant}"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
