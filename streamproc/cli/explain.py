"""``streamproc explain``: why something was decided about one subscriber."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from streamproc.cli.durations import Instant
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.printing import echo
from streamproc.cli.regions import Region, Subscriber, asked_for
from streamproc.cli.reveals import reveals_option, write_down
from streamproc.cli.rules import read_rules, rules_option
from streamproc.cli.shared_options import also_option
from streamproc.cli.topic_options import topic_options
from streamproc.cli.values import FilePath
from streamproc.cli.virtual import input_records
from streamproc.contracts.topics import COMMANDS, EVENTS, REMINDERS, ROLES, WorkerTopics
from streamproc.kafka.settings import KafkaSettings

if TYPE_CHECKING:
    from streamproc.contracts.records.origin import Place
    from streamproc.core.rules.rulebook import Rulebook
    from streamproc.core.state.account import Account
    from streamproc.tools.explain.gathering import Gathered

SHOWN_KINDS = 4


@click.command(short_help="Show what was decided about a subscriber, and why.")
@click.argument("subscriber", type=Subscriber(), metavar="SUBSCRIBER")
@click.option(
    "--region",
    type=Region(),
    help="Country of a SUBSCRIBER without country code, such as CN.",
)
@kafka_options("Kafka brokers, to read topics.", required=False, role="reader")
@topic_options(WorkerTopics, "audit")
@also_option(
    "--reminders",
    topics={"reminders": REMINDERS.default},
    help="Also show the reminder messages that were sent. A topic that is not named is the usual "
    "one, or that of streamproc.toml.",
)
@also_option(
    "--receipts",
    topics={"receipts": ROLES["receipts"].default},
    help="Also show the result of each message.",
)
@also_option(
    "--rejects",
    topics={"rejects": ROLES["rejects"].default},
    help="Also show rejected input. Needs --input.",
)
@also_option(
    "--input",
    "inputs",
    topics={"events": EVENTS.default, "commands": COMMANDS.default},
    multiple=True,
    help="Also show the events themselves. May be repeated.",
)
@click.option(
    "--from",
    "files",
    multiple=True,
    type=FilePath(exists=True, dir_okay=False),
    metavar="FILE",
    help="A recording of any of these topics. May be repeated. A broker is then asked only if "
    "--broker is typed.",
)
@click.option("--from-time", type=Instant(), help="Start at this time.")
@click.option("--to-time", type=Instant(), help="Stop before this time.")
@click.option(
    "--recompute",
    is_flag=True,
    help=("Recalculate from the input with these --rules and show the full state at each event."),
)
@rules_option()
@click.option(
    "--show-numbers",
    is_flag=True,
    help="Show full numbers and message texts. Use it only for people who may see them: it is "
    "written down.",
)
@reveals_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
def explain(
    subscriber: str,
    files: tuple[Path, ...],
    broker: KafkaSettings | None,
    rules: Path | None,
    as_json: bool,
    show_numbers: bool,
    reveals: str,
    **options: Any,
) -> None:
    """Show what was decided about SUBSCRIBER, in order: state before and after, and why.

    Reads the audit topic, and other topics or recordings where given; writes nothing. SUBSCRIBER is
    - for standard input, or @FILE: neither the process list nor the shell's history shows the
    number then. A phone number may be written in any form: +86 138 0000 0001, tel:+8613800000001.

    \b
    streamproc explain - --broker B --reminders streamproc.reminders
    streamproc explain - --from audit.ndjson.zst < number.txt
    streamproc explain @number.txt --broker B --input streamproc.events --recompute
    """
    from streamproc.tools.explain.showing import TimelineView, named, units_of
    from streamproc.tools.explain.timeline import timeline, within

    subscriber = asked_for(subscriber, options["region"])
    if files and not _is_typed("broker"):
        broker = None  # a settings file always names one
    rulebook = read_rules(rules)
    found = _gathered(subscriber, files, broker, options)
    states: dict[Place, tuple[Account | None, Account | None]] = {}
    told = _told_of(found)
    if options["recompute"]:
        written = found
        found, states = _recomputed(found, files, broker, options["inputs"], rulebook)
        told = _told_of_recomputing(written, found, rulebook)
    entries = timeline(found)
    for entry in entries:
        if entry.place in states and not entry.is_later:
            entry.accounts = states[entry.place]
    entries = within(entries, options["from_time"], options["to_time"])
    shown = TimelineView(
        subscriber,
        units_of(rulebook),
        numbers=show_numbers,
        has_rejects=bool(files or options["rejects"] or options["recompute"]),
        has_receipts=bool(options["receipts"] or found.receipts),
    )
    if show_numbers and entries:
        write_down(broker, reveals, "explain", named(subscriber, entries))
    if as_json:
        document = {
            "subscriber": shown.name,
            "recomputed": options["recompute"],
            "notes": told,
            "entries": shown.document(entries),
        }
        echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        echo(f"{shown.name}: {'; '.join(told)}")
        for line in shown.lines(entries):
            echo(line)
        if not entries:
            echo(_of_nothing(found, options))
    if not entries:
        raise SystemExit(1)


def _of_nothing(found: Gathered, options: dict[str, Any]) -> str:
    """What to try if there is nothing to show."""
    if found.audits or found.arrived:
        return "nothing in this time: without --from-time and --to-time there is more"
    if options["region"] is None and found.subscriber.isdecimal():
        return (
            "no record has this subscriber: give a number with its country code, or --region, such "
            "as --region CN"
        )
    return "no record has this subscriber"


def _is_typed(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def _gathered(
    subscriber: str, files: tuple[Path, ...], broker: KafkaSettings | None, options: dict[str, Any]
) -> Gathered:
    from streamproc.tools.explain.gathering import (
        Gathered,
        from_files,
        from_inputs,
        from_topic,
        from_unkeyed_topic,
    )

    if broker is None and not files:
        raise click.UsageError("give --broker HOST:PORT or --from FILE")
    if options["rejects"] and not options["inputs"]:
        raise click.UsageError("--rejects needs --input: rejects do not say whose they are")
    if options["recompute"] and not (options["inputs"] or files):
        raise click.UsageError("--recompute needs the events: --input TOPIC or --from FILE")
    found = Gathered(subscriber)
    from_files(found, files)
    if broker is not None:
        for topic in (options["audit"], options["reminders"]):
            if topic:
                from_topic(found, broker, topic)
        from_inputs(found, broker, options["inputs"])
        for topic in (options["rejects"], options["receipts"]):
            if topic:
                from_unkeyed_topic(found, broker, topic)
    return found


def _told_of(found: Gathered) -> list[str]:
    """What was read, in words."""
    from streamproc.tools.explain.gathering import misplaced

    told = [f"{len(found.audits):,} audit records"]
    if found.arrived:
        told.append(f"{len(found.arrived):,} input records")
    if found.unreadable:
        told.append(f"{found.unreadable:,} records of another release ignored")
    return [*told, *misplaced(found)]


def _recomputed(
    found: Gathered,
    files: tuple[Path, ...],
    broker: KafkaSettings | None,
    inputs: tuple[str, ...],
    rulebook: Rulebook,
) -> tuple[Gathered, dict[Place, tuple[Account | None, Account | None]]]:
    """The subscriber's input, applied by the core; all records of its partition move the clock."""
    from streamproc.kafka.recording import LogRecord
    from streamproc.tools.explain.gathering import Gathered, input_of
    from streamproc.worker.virtual import TOPICS, VirtualWorker

    again = Gathered(found.subscriber, receipts=found.receipts, arrived=found.arrived)
    kinds = {
        TOPICS.audit: "audit.recorded",
        TOPICS.reminders: "reminder.requested",
        TOPICS.rejects: "input.rejected",
    }

    def emit(topic: str, key: bytes | None, value: bytes) -> None:
        if topic in kinds:
            again.take(LogRecord(key, value, 0), kinds[topic])

    # A recording does not say how many partitions its topic had.
    partitions = 0 if files else found.partitions
    worker = VirtualWorker(rulebook, emit, "off", partitions)
    mine = found.subscriber.encode()
    places = {one.place for one in found.arrived}
    clocks: dict[int, int] = {}
    states = {}
    for record in input_records(input_of(found, files, broker, inputs)):
        clock_ms = max(clocks.get(record.partition, 0), record.timestamp)
        clocks[record.partition] = clock_ms
        if record.key != mine or (record.topic, record.partition, record.offset) not in places:
            continue
        worker.reach(record.partition, clock_ms)
        before = worker.account(record.partition, mine)
        worker.apply([record])
        after = worker.account(record.partition, mine)
        states[record.topic, record.partition, record.offset] = (before, after)
    for partition, clock_ms in clocks.items():
        worker.reach(partition, clock_ms)
    return again, states


def _told_of_recomputing(written: Gathered, again: Gathered, rulebook: Rulebook) -> list[str]:
    """Whether the audit topic says the same, in words."""
    told = [
        f"recalculated from {len(again.arrived):,} input records with rules "
        f"{rulebook.fingerprint:08x} and a virtual clock; a worker did not write this"
    ]
    if written.audits:
        one, other = (
            Counter((a.decision, a.cause, a.rule, a.threshold) for a in found.audits)
            for found in (written, again)
        )
        lacking, others = other - one, one - other
        told.append(
            f"the audit has {(one & other).total():,} of these decisions, lacks "
            f"{lacking.total():,} and has {others.total():,} others"
        )
        told += [
            f"{says} {_by_kind(differing)}"
            for says, differing in (("it lacks", lacking), ("its others are", others))
            if differing
        ]
    return told


def _by_kind(decisions: Counter[Any]) -> str:
    """The most frequent decisions and rules among them."""
    counted: Counter[str] = Counter()
    for (decision, _, rule, _), count in decisions.items():
        counted[f"{decision} {rule}" if rule else str(decision)] += count
    named = [f"{name}: {count:,}" for name, count in counted.most_common(SHOWN_KINDS)]
    if len(counted) > SHOWN_KINDS:
        named.append("...")
    return ", ".join(named)
