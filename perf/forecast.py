"""How far off forecasts are: ``python -m perf.forecast``.

Two months of the workload go through the core under a rule of the kind ``forecast``. Of every
billing cycle it is known afterwards when no home data was left for the first time, if ever; that is
compared with what the rule foretold before. Cycles that are cut off by the end, in which the plan
changed or the account closed, or in which data was added after a forecast, do not count: nobody can
foresee that.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from statistics import median, quantiles

from streamproc.contracts.records.codec import DecodeFailure, decode_event
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import DAY_MS, HOUR_MS, to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import ACTIVE, Account
from streamproc.core.state.effects import Audited, Effect, Reminder
from streamproc.core.state.events import Arrival, ClockAdvanced
from streamproc.core.step.transition import advance, step
from streamproc.engine.ids import SeenIds
from streamproc.lab.workload import WorkloadSettings, generate

RULES = """\
version: 1
currency: EUR
default_locale: en
plans:
  - id: one
    allowances: [{id: data, granted_bytes: 1_000_000_000}]
  - id: two
    allowances:
      - {id: all, granted_bytes: 8_000_000_000}
      - {id: video, granted_bytes: 4_000_000_000, priority: 40, rating_groups: [20]}
packs: [{id: day, granted_bytes: 200_000_000, validity_hours: 24}]
rules:
  - {id: soon, kind: forecast, at: "10:00", silent_hours: 24, category: c, texts: {en: soon}}
"""
UNFORESEEN = ("plan_changed", "closed", "activated")


def rules_with(silent_hours: int) -> Rulebook:
    text = RULES.replace("silent_hours: 24", f"silent_hours: {silent_hours}")
    return load_rulebook(text, "forecast.yaml")


@dataclass
class Cycle:
    """A billing cycle as it was, and what was foretold of it; instants in ms."""

    plan: str
    began_ms: int
    """Of the cycle, or of the contract in it."""
    ended_ms: int
    is_whole: bool = True
    ran_out_ms: int | None = None
    told_ms: int | None = None
    """The first forecast: when, and of what instant."""
    foretold_ms: int = 0


def cycles(settings: WorkloadSettings, rules: Rulebook) -> Iterator[Cycle]:
    """Every cycle of the workload that counts."""
    accounts: dict[str, Account | None] = {}
    present: dict[str, Cycle] = {}
    ids = SeenIds()
    last_ms = 0
    for number, record in zip(count(), generate(settings, rules)):
        try:
            event = decode_event(record.value, record.key, ())
        except DecodeFailure:
            continue
        if isinstance(event, ClockAdvanced):
            continue
        name, last_ms = event.subscriber, record.timestamp_ms
        account = accounts.get(name)
        yield from _let_pass(name, account, last_ms, rules, ids, present)
        account, effects = step(account, event, Arrival(last_ms, "w", 0, number), rules, ids)
        accounts[name] = account
        yield from _note(name, account, effects, to_ms(event.time), rules, present)
    for name, account in accounts.items():
        yield from _let_pass(name, account, last_ms, rules, ids, present)


def _let_pass(
    name: str,
    account: Account | None,
    now_ms: int,
    rules: Rulebook,
    ids: SeenIds,
    present: dict[str, Cycle],
) -> Iterator[Cycle]:
    """Time passes step by step, so that each cycle's end is seen."""
    while account is not None and account.status == ACTIVE and account.next_due_ms <= now_ms:
        account, effects = advance(account, name, account.next_due_ms, rules, ids)
        yield from _note(name, account, effects, 0, rules, present)


def _note(
    name: str,
    account: Account | None,
    effects: list[Effect] | tuple[Effect, ...],
    time_ms: int,
    rules: Rulebook,
    present: dict[str, Cycle],
) -> Iterator[Cycle]:
    cycle = present.get(name)
    for one in effects:
        if cycle is not None and isinstance(one, Audited) and one.decision in UNFORESEEN:
            cycle.is_whole = False
        if cycle is None or cycle.ran_out_ms is not None:
            continue  # what is told when data came after it had run out is about that data
        if isinstance(one, Audited) and one.decision == "topped_up" and cycle.told_ms is not None:
            cycle.is_whole = False
        if isinstance(one, Reminder) and cycle.told_ms is None:
            assert one.runs_out_time
            cycle.told_ms, cycle.foretold_ms = to_ms(one.as_of), to_ms(one.runs_out_time)
    if account is None or account.status != ACTIVE:
        present.pop(name, None)
        return
    if cycle is None or cycle.ended_ms <= account.cycle_start_ms:
        if cycle is not None and cycle.is_whole:
            yield cycle
        began_ms = max(account.cycle_start_ms, account.activated_ms)
        cycle = present[name] = Cycle(account.plan, began_ms, account.cycle_end_ms)
    if cycle.ran_out_ms is None and time_ms and not _left_bytes(account, rules):
        cycle.ran_out_ms = time_ms


def _left_bytes(account: Account, rules: Rulebook) -> int:
    """Of what covers everything, packs and top-ups, too: without it, data has run out."""
    return sum(
        bucket.remaining_bytes for bucket in account.buckets if bucket.source not in rules.scopes
    )


@dataclass(frozen=True)
class Report:
    """How good forecasts were; times in hours, shares from 0 to 1."""

    cycles: int
    ran_out: int
    told: int
    right: int
    """Told, and they ran out in that cycle."""
    too_soon: int
    """Not told, for they ran out within two days: before a forecast could speak, or the first time
    that it looked."""
    first_told_hours: float
    """The earliest of all, from the begin of its cycle or contract."""
    ahead_hours: float
    """The median from being told to running out."""
    off_hours: tuple[float, float]
    """Median and 90th percentile of how far off the foretold instant was."""
    off_share: tuple[float, float]
    """The same, in shares of what was ahead."""

    def row(self) -> str:
        """Cells of a table; median and 90th percentile where there are two figures."""
        return " | ".join(
            (
                f"{self.right / self.ran_out:.0%}",
                f"{self.too_soon / self.ran_out:.0%}",
                f"{1 - self.right / self.told:.0%}",
                f"{self.ahead_hours / 24:.1f}",
                f"{self.off_hours[0]:.0f}, {self.off_hours[1]:.0f}",
                f"{self.off_share[0]:.0%}, {self.off_share[1]:.0%}",
                f"{self.first_told_hours:.0f} h",
            )
        )


def report(found: list[Cycle]) -> Report:
    """Of some cycles; in some they must have run out and been foretold."""
    out = [one for one in found if one.ran_out_ms is not None]
    told = [one for one in found if one.told_ms is not None]
    right = [
        (one.told_ms, one.foretold_ms, one.ran_out_ms)
        for one in told
        if one.told_ms is not None and one.ran_out_ms is not None
    ]
    too_soon = [
        one
        for one in out
        if one.told_ms is None
        and one.ran_out_ms is not None
        and one.ran_out_ms < one.began_ms + 2 * DAY_MS
    ]
    off = [abs(foretold - came) / HOUR_MS for _, foretold, came in right]
    ahead = [(came - at) / HOUR_MS for at, _, came in right]
    share = [hours / ahead_hours for hours, ahead_hours in zip(off, ahead, strict=True)]
    firsts = [(one.told_ms - one.began_ms) / HOUR_MS for one in told if one.told_ms is not None]
    return Report(
        len(found),
        len(out),
        len(told),
        len(right),
        len(too_soon),
        min(firsts),
        median(ahead),
        (median(off), quantiles(off, n=10)[-1]),
        (median(share), quantiles(share, n=10)[-1]),
    )


HEAD = "| silent hours | foretold | too soon | not come true | days ahead | off by, hours | of the "
HEAD += "time ahead | the first |\n|---|---|---|---|---|---|---|---|"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--subscribers", type=int, default=2_000)
    parser.add_argument("--days", type=int, default=62)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--silent-hours", type=int, nargs="+", default=[24, 72, 168])
    given = parser.parse_args()
    settings = WorkloadSettings(
        seed=given.seed, events=given.events, subscribers=given.subscribers, days=given.days
    )
    rows = [
        (hours, report(list(cycles(settings, rules_with(hours))))) for hours in given.silent_hours
    ]
    first = rows[0][1]
    per_day = settings.events / settings.subscribers / settings.days
    print(
        f"{first.cycles:,} cycles with {per_day:.1f} records a day (mean); "
        f"data ran out in {first.ran_out:,}\n\n{HEAD}"
    )
    for hours, one in rows:
        print(f"| {hours} | {one.row()} |")


if __name__ == "__main__":
    main()
