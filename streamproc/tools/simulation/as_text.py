"""The difference between two runs as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table

from streamproc.core.instants import DAY_MS, HOUR_MS
from streamproc.core.privacy import mask
from streamproc.tools.simulation.pairing import EFFECTS, MessageChange
from streamproc.tools.simulation.report import MICROS, SimulationReport
from streamproc.tools.simulation.run_messages import RunOutcome

WORDS = {
    "same": "as before",
    "earlier": "earlier",
    "later": "later",
    "dropped": "not at all any more",
    "added": "additionally",
}


def print_report(report: SimulationReport, console: Console, *, show: int, numbers: bool) -> None:
    """Tables, and the first ``show`` messages that change."""
    console.print(_totals(report))
    console.print(_rules(report))
    console.print(_loads(report))
    console.print(_days(report))
    for line in _examples(report, show, numbers):
        console.print(line, highlight=False, soft_wrap=True)


def rejects_told(
    outcomes: tuple[RunOutcome, RunOutcome], place: Callable[[str, int, int], str]
) -> list[str]:
    """Input that was not applied: a sentence for each reason, with the place of the first
    record. ``place`` names a record by its topic, partition and offset."""
    told = []
    for reason in sorted(outcomes[0].rejects.keys() | outcomes[1].rejects.keys()):
        counts = [one.rejects[reason] for one in outcomes]
        where = place(
            *next(one.first_rejects[reason] for one in outcomes if reason in one.first_rejects)
        )
        if counts[0] == counts[1]:
            by = "both rules"
        elif 0 in counts:
            by = "the changed rules" if counts[1] else "the present rules"
        else:
            by = f"the present rules, {counts[1]:,} by the changed ones"
        records = "record" if max(counts) == 1 else "records"
        count = counts[0] or counts[1]
        told.append(f"{count:,} {records} rejected by {by}: {reason} (first: {where})")
    return told


def held_told(present: list[int], changed: list[int], clock_ms: int) -> str:
    """A sentence about messages that are still held when the records end; instants in ms."""
    counts = (
        f"{len(present):,}"
        if len(present) == len(changed)
        else (f"{len(present):,} (present rules) and {len(changed):,} (changed rules)")
    )
    is_one = len(present) == len(changed) == 1
    hours = -(-(max(*present, *changed, clock_ms) - clock_ms) // HOUR_MS)
    return (
        f"{counts} {'message is' if is_one else 'messages are'} still held when the records "
        f"end, and not counted; --advance-clock {max(hours, 1)}h counts the ones sent by then"
    )


def money(micros: int, currency: str) -> str:
    """Millionths of a currency unit, to whole hundredths: ``1,234.50 CNY``."""
    hundredths = (abs(micros) + 5_000) // 10_000
    sign = "-" if micros < 0 and hundredths else ""
    return f"{sign}{hundredths // 100:,}.{hundredths % 100:02} {currency}".rstrip()


def span(duration_ms: int) -> str:
    """A duration in its largest sensible unit: ``2.5 h``; earlier is negative."""
    for unit_ms, name in ((DAY_MS, "d"), (HOUR_MS, "h"), (60_000, "min"), (1000, "s")):
        if abs(duration_ms) >= unit_ms:
            return f"{duration_ms / unit_ms:+.1f} {name}"
    return f"{duration_ms:+} ms"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _totals(report: SimulationReport) -> Table:
    table = _table("All", "", "present", "changed", "difference")
    for name, (before, after) in (
        ("messages", report.messages),
        ("SMS segments", report.segments),
        ("most to one subscriber a day", report.max_a_day),
    ):
        table.add_row(name, f"{before:,}", f"{after:,}", f"{after - before:+,}")
    before, after = report.cost_micros
    if report.price_micros:
        price = report.price_micros / MICROS
        table.add_row(
            f"cost at {price:g} {report.currency} a segment",
            *(money(one, report.currency) for one in (before, after, after - before)),
        )
    rejects = [one.rejects for one in report.outcomes]
    for reason in sorted(rejects[0].keys() | rejects[1].keys()):
        if rejects[0][reason] != rejects[1][reason]:
            counts = (rejects[0][reason], rejects[1][reason])
            table.add_row(f"rejected: {reason}", *(f"{one:,}" for one in counts), "")
    return table


def _rules(report: SimulationReport) -> Table:
    table = _table(
        "Messages by rule",
        "rule", "present", "changed", *(WORDS[name] for name in EFFECTS), "median shift",
    )  # fmt: skip
    for name, rule in report.by_rule.items():
        shift = rule.median_shift_ms
        table.add_row(
            name,
            f"{rule.present:,}",
            f"{rule.changed:,}",
            *(f"{rule.effects[effect]:,}" for effect in EFFECTS),
            "" if shift is None else span(shift),
        )
    return table


def _loads(report: SimulationReport) -> Table:
    table = _table("Messages per subscriber and day", "messages", "present", "changed")
    for count in sorted(report.loads[0].keys() | report.loads[1].keys()):
        table.add_row(str(count), *(f"{one[count]:,} times" for one in report.loads))
    return table


def _days(report: SimulationReport) -> Table:
    table = _table("Messages by day (UTC)", "day", "present", "changed", "difference")
    for day, (before, after) in report.by_day.items():
        table.add_row(day, f"{before:,}", f"{after:,}", f"{after - before:+,}")
    return table


def _examples(report: SimulationReport, show: int, numbers: bool) -> Iterator[str]:
    """Examples of messages that change, in order of time."""
    changed = [one for one in report.changes if one.effect != "same"]
    yield (
        f"{report.affected:,} of {report.subscribers:,} subscribers are told otherwise "
        f"({len(changed):,} messages); {report.reworded:,} messages have another text"
    )
    for one in changed[:show]:
        yield f"  {_example(one, numbers)}"
    if len(changed) > show:
        yield f"  and {len(changed) - show:,} more; --json has all"


def _example(one: MessageChange, numbers: bool) -> str:
    message = one.message
    who = message.subscriber if numbers else mask(message.subscriber)
    levels = [
        "-" if side.threshold is None else str(side.threshold)
        for side in (one.present, one.changed)
        if side is not None
    ]
    level = " -> ".join(dict.fromkeys(levels))
    by = f" ({span(one.shift_ms)})" if one.shift_ms else ""
    at = "" if level == "-" else f" {level}"
    return f"{who}  {message.rule}{at}: {WORDS[one.effect]}{by}"
