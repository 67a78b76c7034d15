"""The laboratory: applications are born, faults happen to them, and every outcome is judged."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults import (  # noqa: F401 - they register themselves
    kinds_broker,
    kinds_log,
    kinds_network,
    kinds_process,
)
from tests.faults.brokers import Cluster, Single, Trio
from tests.faults.history import History, summary
from tests.faults.kind import KINDS, Kind, Parameters
from tests.faults.life import Life, StuckError, Variant

FAULTS_PER_LIFE = 10
MIXED_SHARE = 0.15
RARE_SHARE = 0.3
WARM_UP_SECONDS = 1.0


@dataclass(frozen=True)
class Plan:
    """What a run is asked to do."""

    seed: int
    minutes: float = 0.0
    count: int = 0
    kinds: tuple[str, ...] = ()
    """Empty: all."""
    rate: int = 800
    trio_every: int = 6
    """Every so many lives on three brokers; 0: never."""


@dataclass(frozen=True)
class Act:
    """A fault to be done: one kind, or several at once, with their parameters."""

    kind: str
    parameters: list[tuple[str, Parameters]]


class Lab:
    """One run. ``run`` returns whether every outcome was exact."""

    def __init__(self, history: History, keep: Path) -> None:
        """``keep``: where the logs of lives with differences are left."""
        self._history = history
        self._keep = keep
        self._cluster: Cluster | None = None
        self._done = 0

    def run(self, plan: Plan) -> bool:
        """Faults from the seed, until both minutes and count are reached."""
        chance = random.Random(plan.seed)
        ends = time.monotonic() + plan.minutes * 60
        decks = {1: _Deck(plan.kinds, 1), 3: _Deck(plan.kinds, 3)}
        life_number = 0
        try:
            while time.monotonic() < ends or self._done < plan.count:
                life_number += 1
                brokers = 3 if _is_trio(plan, life_number) else 1
                variant = Variant.draw(chance, brokers, plan.rate)

                def acts(life: Life, deck: _Deck = decks[brokers]) -> Iterator[Act]:
                    for _ in range(FAULTS_PER_LIFE):
                        if time.monotonic() > ends and self._done >= plan.count:
                            return
                        yield deck.draw(chance, life)

                self._live(variant, acts)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        finally:
            self._close()
        return self._report()

    def replay(self, entries: Sequence[dict[str, Any]]) -> bool:
        """The lives and faults of a history once more."""
        try:
            for life_entry, faults in _lives(entries):
                variant = Variant(**life_entry["variant"])

                def acts(_: Life, faults: list[dict[str, Any]] = faults) -> Iterator[Act]:
                    for fault in faults:
                        if fault["kind"] != "end_of_month":
                            yield Act(fault["kind"], [tuple(p) for p in fault["parameters"]])

                self._live(variant, acts)
        finally:
            self._close()
        return self._report()

    def _live(self, variant: Variant, acts: Any) -> None:
        directory = Path(tempfile.mkdtemp(prefix="streamproc-lab-"))
        life: Life | None = None
        problems: list[str] = []
        try:
            with Life(self._cluster_of(variant.brokers), variant, directory) as life:
                self._history.write("life", **life.describe())
                life.mark()
                life.wait_for_flow()
                problems = self._faults(life, acts)
        except Exception:
            problems = [traceback.format_exc(limit=4)]
            name = life.names.app_id if life else ""
            self._history.write("trouble", app_id=name, problems=problems)
            print(f"     {problems[0]}", flush=True)
        if problems:
            # Whatever is wrong with the brokers must not be wrong with the next life.
            self._close()
            if life is not None:
                shutil.copytree(directory, self._keep / life.names.app_id)
        shutil.rmtree(directory, ignore_errors=True)

    def _faults(self, life: Life, acts: Any) -> list[str]:
        for act in acts(life):
            problems = self._fault(life, act)
            if problems or any(KINDS[name].ends_life for name, _ in act.parameters):
                return problems
            if life.load.is_over:
                break
            time.sleep(WARM_UP_SECONDS)  # of flow between two faults
        return self._last(life)

    def _fault(self, life: Life, act: Act) -> list[str]:
        began = time.monotonic()
        endings, life.fleet.slow_stops = len(life.fleet.endings), 0
        outcome, problems, seconds = "exact", [], None
        life.mark()
        try:
            _do(life, act)
            if any(KINDS[name].ends_life for name, _ in act.parameters):
                outcome = "refused"
            else:
                seconds = round(life.wait_for_flow(), 2)
                problems = life.check()
        except StuckError as error:
            outcome, problems = "stuck", [str(error)]
        except Exception:
            outcome, problems = "failed", [traceback.format_exc(limit=3)]
        if problems and outcome == "exact":
            outcome = "different"
        self._note(life, act, outcome, problems, seconds, began, endings)
        return problems

    def _last(self, life: Life) -> list[str]:
        """The month ends: whatever is due is done, and everything is compared once more."""
        began, problems, outcome = time.monotonic(), [], "exact"
        endings = len(life.fleet.endings)
        try:
            problems = life.check(final=True) or life.verify()
        except StuckError as error:
            outcome, problems = "stuck", [str(error)]
        if problems and outcome == "exact":
            outcome = "different"
        self._note(life, Act("end_of_month", []), outcome, problems, None, began, endings)
        return problems

    def _note(
        self,
        life: Life,
        act: Act,
        outcome: str,
        problems: list[str],
        seconds: float | None,
        began: float,
        endings: int,
    ) -> None:
        by_itself = life.fleet.endings[endings:]
        entry = self._history.write(
            "fault",
            number=self._done,
            app_id=life.names.app_id,
            kind=act.kind,
            parameters=act.parameters,
            outcome=outcome,
            seconds_to_flow=seconds,
            seconds_in_all=round(time.monotonic() - began, 2),
            slow_stops=life.fleet.slow_stops,
            load_average=round(os.getloadavg()[0], 1),
            input_records=life.oracle.records,
            reminders=life.oracle.totals["reminders"],
            ended_by_themselves=[[one.slot, one.code, one.said[-1500:]] for one in by_itself[:3]],
            problems=problems,
        )
        self._done += 1
        line = f"{self._done:>4} {act.kind:<20} {outcome:<10} flow {seconds} s"
        line += f", all {entry['seconds_in_all']} s, {act.parameters}"
        if life.fleet.slow_stops:
            line += f", {life.fleet.slow_stops} stopped slowly"
        if by_itself:
            line += f", {len(by_itself)} ended by themselves"
        print(line, flush=True)
        for problem in problems:
            print(f"     {problem[:2000]}", flush=True)

    def _cluster_of(self, brokers: int) -> Cluster:
        if self._cluster is not None and len(self._cluster.brokers) != brokers:
            self._close()
        if self._cluster is None:
            self._cluster = Single().start() if brokers == 1 else Trio().start()
        return self._cluster

    def _close(self) -> None:
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def _report(self) -> bool:
        print(summary(self._history.faults), flush=True)
        return all(fault["outcome"] in ("exact", "refused") for fault in self._history.faults)


class _Deck:
    """Every kind comes up before any comes up again; after the first round, rare ones in some."""

    def __init__(self, names: tuple[str, ...], brokers: int) -> None:
        self._kinds = [
            one
            for one in KINDS.values()
            if one.brokers in (0, brokers) and (not names or one.name in names)
        ]
        self._left: list[Kind] = []
        self._rounds = 0

    def draw(self, chance: random.Random, life: Life) -> Act:
        mixable = [one for one in self._kinds if one.mixes]
        if len(mixable) > 2 and chance.random() < MIXED_SHARE:
            several = chance.sample(mixable, chance.choice((2, 2, 3)))
            return Act("mixed", [(one.name, one.draw(chance, life)) for one in several])
        if not self._left:
            share = RARE_SHARE if self._rounds else 1.0
            self._left = [
                one for one in self._kinds if not one.rare or chance.random() < share
            ] or list(self._kinds)
            chance.shuffle(self._left)
            self._rounds += 1
        one = self._left.pop()
        return Act(one.name, [(one.name, one.draw(chance, life))])


def _do(life: Life, act: Act) -> None:
    if len(act.parameters) == 1:
        ((name, given),) = act.parameters
        KINDS[name].act(life, given)
        return
    failures: list[BaseException] = []
    life.mixing = True

    def one(name: str, given: Parameters) -> None:
        try:
            KINDS[name].act(life, given)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=pair) for pair in act.parameters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    life.mixing = False
    life.mark()
    if failures:
        raise failures[0]


def _is_trio(plan: Plan, number: int) -> bool:
    wanted = [KINDS[name] for name in plan.kinds]
    if wanted and all(one.brokers == 3 for one in wanted):
        return True
    if wanted and not any(one.brokers == 3 for one in wanted):
        return False
    return bool(plan.trio_every) and number % plan.trio_every == 0


def _lives(
    entries: Sequence[dict[str, Any]],
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    lives = [entry for entry in entries if entry["record"] == "life"]
    for life in lives:
        yield (
            life,
            [e for e in entries if e["record"] == "fault" and e["app_id"] == life["app_id"]],
        )
