"""``streamproc simulate``: the effect of changed rules on recorded usage."""

from __future__ import annotations

import json
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.durations import Duration, Instant
from streamproc.cli.file_options import file_options
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.printing import console, echo
from streamproc.cli.reveals import reveals_option, write_down
from streamproc.cli.rules import RulesPath, read_rules
from streamproc.cli.simulate_input import SimulatedInput
from streamproc.cli.values import Count, FilePath
from streamproc.cli.virtual import chunks, input_records
from streamproc.errors import StreamprocError

if TYPE_CHECKING:
    from streamproc.core.rules.rulebook import Rulebook
    from streamproc.tools.simulation.report import SimulationReport
    from streamproc.tools.simulation.run_messages import RunOutcome
    from streamproc.worker.virtual import VirtualWorker


class NothingComparedError(StreamprocError, ValueError):
    """A run knows no subscriber. The result would mean nothing, even if both runs are equal."""


_MOST_MICROS = 10**15
"""A thousand million units of a currency for one SMS is a slip of the keyboard."""


class Price(click.ParamType):
    """A price in units of the currency, such as 0.045, to millionths."""

    name = "price"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            micros = Decimal(value).scaleb(6)
        except InvalidOperation:
            micros = Decimal(-1)
        if not micros.is_finite() or not 0 <= micros <= _MOST_MICROS or micros != int(micros):
            self.fail(f"{value!r} is no price; write for instance 0.045", param, ctx)
        return int(micros)


@click.command(short_help="Compare new rules with the present ones on recorded usage.")
@click.option("--rules", type=RulesPath(), required=True, metavar="NEW", help="The changed rules.")
@click.option("--present", type=RulesPath(), help="The present rules. Default: the packaged rules.")
@click.option(
    "--from",
    "sources",
    required=True,
    multiple=True,
    metavar="FILE|topic:NAME",
    help=(
        "Usage with the activations of its subscribers: a recording, a topic, or files of events "
        "as `send` and `play` take them (may be repeated; the largest last)."
    ),
)
@file_options(
    sessions="File in which `streamproc send` remembers running totals; it is only read.",
    bad="Invalid record of a file: `skip` compares the others, `stop` nothing after it.",
)
@kafka_options("Kafka brokers, to read a topic.", required=False, role="reader")
@click.option("--from-time", type=Instant(), help="Source topic: start at this record timestamp.")
@click.option("--to-time", type=Instant(), help="Source topic: stop before this record timestamp.")
@click.option(
    "--advance-clock",
    type=Duration(),
    default=0,
    help=("Let this time pass at the end, such as 4d. Reminders that fall due then are counted."),
)
@click.option("--price", type=Price(), default=0, help="Price of one SMS segment, such as 0.045.")
@click.option("--currency", help="Currency of the price. Default: that of the changed rules.")
@click.option("--show", default=10, type=Count(), help="How many changed messages to list.")
@click.option(
    "--picture",
    type=FilePath(dir_okay=False),
    metavar="FILE",
    help="Write a picture (.png, .svg, .pdf); needs streamproc[pictures].",
)
@click.option(
    "--show-numbers",
    is_flag=True,
    help="Show full numbers. Use it only for people who may see them: it is written down.",
)
@reveals_option
@click.option(
    "--json", "as_json", is_flag=True, help="Write JSON with every changed message, for programs."
)
@click.option(
    "--wrong-partition",
    type=click.Choice(["refuse", "forward"]),
    default="refuse",
    help="The same value as for the workers. Source topics only.",
)
@click.option("--native", type=click.Choice(["auto", "on", "off"]), default="auto", hidden=True)
def simulate(rules: Path, present: Path | None, as_json: bool, **options: Any) -> None:
    """Apply the present rules and NEW rules to recorded usage, and compare the results.

    Each rules file is applied from the first record on. Time is taken from the records, so a month
    takes seconds. It only reads: no topic, group or state changes, nothing is sent. Returns 1 if
    nothing could be compared, or if a record of a file is not an event.

    \b
    streamproc simulate --rules new.yaml --present rules.yaml --from month.ndjson.zst
    streamproc simulate --rules new.yaml --present rules.yaml --from events.ndjson
    streamproc simulate --rules new.yaml --from activations.ndjson \\
        --from usage.csv --mapping columns.yaml
    streamproc simulate --rules new.yaml --from topic:streamproc.events --broker B \\
        --price 0.045 --picture difference.png
    """
    from streamproc.contracts.rules_file.load import removed
    from streamproc.tools.pictures import check
    from streamproc.tools.simulation.picture import draw

    books = (read_rules(present), read_rules(rules))
    try:
        if options["picture"] is not None:
            check()
        source = SimulatedInput(options)
        report, told = _simulate(books, source, options)
        if options["picture"] is not None:
            draw(report, options["picture"])
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    source.tell_others()
    gone = removed(*books)
    if gone:
        told.append(f"the changed rules lack {', '.join(gone)}, which subscribers may have")
    if options["show_numbers"]:
        named = report.named(None if as_json else options["show"])
        asked = options["broker"] if source.has_topics else None
        write_down(asked, options["reveals"], "simulate", named)
    if as_json:
        document = {"notes": told, **report.document(numbers=options["show_numbers"])}
        echo(json.dumps(document, indent=1))
    else:
        _print(report, told, options)
    raise SystemExit(1 if source.bad else 0)


def _print(report: SimulationReport, told: list[str], options: dict[str, Any]) -> None:
    from streamproc.tools.simulation.as_text import print_report

    for note in told:
        echo(note)
    # Lines are not cut if the output goes to a file.
    terminal = console(width=None if click.get_text_stream("stdout").isatty() else 140)
    print_report(report, terminal, show=options["show"], numbers=options["show_numbers"])


def _simulate(
    books: tuple[Rulebook, Rulebook], source: SimulatedInput, options: dict[str, Any]
) -> tuple[SimulationReport, list[str]]:
    """The report, and further notes for the user."""
    from streamproc.tools.simulation.as_text import held_told, rejects_told
    from streamproc.tools.simulation.report import compare
    from streamproc.tools.simulation.run_messages import RunOutcome
    from streamproc.worker.virtual import TOPICS, VirtualWorker

    partitions = source.partitions()

    def worker_of(rulebook: Rulebook, outcome: RunOutcome) -> VirtualWorker:
        def emit(topic: str, _: bytes | None, value: bytes) -> None:
            if topic == TOPICS.reminders:
                outcome.take_reminder(value)
            elif topic == TOPICS.rejects:
                outcome.take_reject(value)
            elif topic == TOPICS.audit:
                outcome.take_audit(value)

        return VirtualWorker(
            rulebook, emit, options["native"], partitions, options["wrong_partition"]
        )

    outcomes: tuple[RunOutcome, RunOutcome] = (RunOutcome(), RunOutcome())
    workers = [worker_of(*pair) for pair in zip(books, outcomes, strict=True)]
    began = time.monotonic()
    records, first_ms, last_ms = 0, None, 0
    for chunk in chunks(input_records(source.records())):
        records += len(chunk)
        for worker in workers:
            worker.apply(chunk)
        times = [record.timestamp for record in chunk]
        first_ms = min(times) if first_ms is None else min(first_ms, *times)
        last_ms = max(last_ms, *times)
    for worker in workers:
        worker.finish(advance_ms=options["advance_clock"])
    rejected = rejects_told(outcomes, source.place)
    if not all(one.has_contracts for one in workers):
        source.tell_others()
        why = "; ".join(rejected) or "no record is of a subscriber whose activation is among them"
        raise NothingComparedError(
            f"{source.name}: nothing could be compared: {why if records else 'no event is in it'}"
        )
    report = compare(
        *outcomes,
        frozenset(_rule_ids(books[0]) & _rule_ids(books[1])),
        max(worker.subscribers for worker in workers),
        options["price"],
        options["currency"] or books[1].currency,
    )
    told = _told(records, first_ms, last_ms, time.monotonic() - began, outcomes[0])
    held = [
        one.held_until_ms() if outcome.held_until_ms > one.clock_ms else []
        for one, outcome in zip(workers, outcomes, strict=True)
    ]
    if any(held):
        told.append(held_told(held[0], held[1], workers[0].clock_ms))
    return report, [*told, *rejected]


def _rule_ids(book: Rulebook) -> set[str]:
    """Ids of everything that sends messages: rules, notices, replies."""
    replies = book.commands.replies.values() if book.commands else ()
    return {*book.rules_by_id, *(one.id for one in (*book.notices.values(), *replies))}


def _told(
    records: int, first_ms: int | None, last_ms: int, seconds: float, present: RunOutcome
) -> list[str]:
    if first_ms is None:
        return ["there is no record"]
    days = (last_ms - first_ms) / 86_400_000
    told = [
        f"{records:,} records of {days:.1f} days through both rules in {seconds:.1f} s "
        f"({days * 86_400 / max(seconds, 0.001):,.0f} times as fast as it happened)"
    ]
    unknown = present.rejects["unknown_subscriber"]
    if unknown:
        told.append(
            f"{unknown:,} records are of subscribers whose activation is not among them: "
            "they count for nothing here"
        )
    return told
