"""``streamproc replay``: writes recorded usage to a topic again."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.durations import Duration, Instant
from streamproc.cli.headings import Headed
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.moved import moved_option
from streamproc.cli.printing import echo
from streamproc.cli.process_options import http_options
from streamproc.cli.regions import subscribers_option
from streamproc.cli.replay_options import (
    name_of,
    pseudonymiser_of,
    selection_of,
    shift_of,
    source_of,
    speed_of,
)
from streamproc.cli.rules import rules_option
from streamproc.cli.steering import shown_progress, steered
from streamproc.cli.tool_pages import tool_pages
from streamproc.cli.values import Count, FilePath, TopicName
from streamproc.contracts.topics import PARTITIONS

if TYPE_CHECKING:
    from streamproc.tools.replay.replayer import Replay
    from streamproc.tools.replay.sources import Source

INTERRUPTED = 130


@click.command(
    cls=Headed,
    short_help="Write recorded records to a topic again.",
    headings={
        "--broker": "Source and target",
        "--speed": "Pace and times",
        "--subscriber": "Which records",
        "--commit-records": "Resume and repeat",
        "--dry-run": "Other",
    },
)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@kafka_options(
    "Kafka brokers of the target.",
    required=False,
    others={"--from-broker": "Kafka brokers of the source topic, if it is in another cluster."},
    role="replay",
)
@click.option(
    "--to",
    "topic",
    type=TopicName(),
    help="Target topic. It must exist, or give --create-topics.",
)
@click.option("--create-topics", is_flag=True, help="Create the target topic if it is missing.")
@click.option(
    "--partitions",
    type=Count(1),
    default=PARTITIONS,
    help="Number of partitions of a topic that is created.",
)
@click.option("--replication-factor", default=1, type=Count(1), help="For a topic that is created.")
@click.option(
    "--compression", type=click.Choice(["none", "gzip", "snappy", "lz4", "zstd"]), default="zstd"
)
@click.option(
    "--speed",
    default="max",
    metavar="N|max",
    help="1: as fast as recorded; 60: sixty times as fast.",
)
@click.option(
    "--time",
    "shift",
    default="kept",
    metavar="kept|now|DURATION",
    help=(
        "Shift all timestamps: `now` moves the last one to the present; a duration such "
        "as +31d shifts by that much."
    ),
)
@click.option(
    "--advance-clock",
    type=Duration(),
    help="Let this time pass at the end, such as 4d, for a worker with --clock event.",
)
@subscribers_option("Only")
@click.option("--type", "types", multiple=True, help="Only this event type. May be repeated.")
@click.option(
    "--recorded-topic",
    "topics",
    type=TopicName(),
    multiple=True,
    help="Only records that were recorded from this topic. May be repeated.",
)
@click.option("--from-time", type=Instant(), help="Start at this record timestamp.")
@click.option("--to-time", type=Instant(), help="Stop before this record timestamp.")
@click.option(
    "--from-offset",
    "from_offsets",
    multiple=True,
    metavar="[PARTITION:]OFFSET",
    help="Source topic: start at this offset. May be repeated.",
)
@click.option(
    "--to-offset",
    "to_offsets",
    multiple=True,
    metavar="[PARTITION:]OFFSET",
    help="Source topic: stop before this offset (exclusive). May be repeated.",
)
@click.option(
    "--commit-records",
    default=100_000,
    type=Count(1),
    help="Largest number of records in one transaction. They become visible together.",
)
@click.option(
    "--id", "name", help="Name of this replay. Default: derived from source, topic and options."
)
@click.option(
    "--again", is_flag=True, help="Start from the beginning, even if this replay ran before."
)
@moved_option("--record", "record TOPIC --broker ... --out FILE")
@moved_option("--verify", "verify-outputs TOPIC --broker ... (after the replay)", is_flag=True)
@click.option(
    "--pseudonymise",
    type=FilePath(exists=True, dir_okay=False),
    metavar="KEYFILE",
    help="Replace numbers, ids and texts of people. The key is in this file.",
)
@rules_option("With --pseudonymise: whose commands in SMS stay. Default: the packaged rules.")
@click.option("--dry-run", is_flag=True, help="Only show what would be written.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@http_options
def replay(sources: tuple[str, ...], **options: Any) -> None:
    """Write recorded records to a topic again, each exactly once.

    SOURCE is a recording (FILE, FILE.gz, FILE.zst) or a topic (topic:NAME). It may be interrupted
    or killed at any time: the same command continues after the last commit. Space or p pauses,
    q stops, Ctrl-Z suspends. SIGUSR1 pauses a replay in the background.

    \b
    Examples:
      streamproc replay month.ndjson.zst --broker localhost:9092 --to again --create-topics
      streamproc replay topic:live --from-time 2026-01-05T00:00:00Z \\
          --broker localhost:9092 --to test --create-topics --speed 60 --time now
    """
    from kafka.errors import KafkaError

    from streamproc.kafka.missing_rights import said

    try:
        code = _replay(sources, options)
    except FileNotFoundError as error:
        raise click.ClickException(f"there is no file {error.filename}") from error
    except KafkaError as error:
        raise click.ClickException(said(error, options["broker"])) from error
    raise SystemExit(code)


def _replay(sources: tuple[str, ...], options: dict[str, Any]) -> int:
    from streamproc.contracts.rights import EXACTLY_ONCE
    from streamproc.kafka.exactly_once import ExactlyOnceProducer, check_run
    from streamproc.kafka.silence import Silence, left_to_others
    from streamproc.kafka.topic_watch import TopicWatch
    from streamproc.kafka.topics import topic_facts
    from streamproc.tools.replay.pace import Control
    from streamproc.tools.replay.replayer import Replay, ReplayPlan
    from streamproc.tools.replay.sources import TopicSource

    if len(sources) > 1:
        raise click.UsageError("one SOURCE at a time")
    hiding = pseudonymiser_of(options["pseudonymise"], options["rules"])
    source = source_of(sources[0], options)
    plan = ReplayPlan(
        selection=selection_of(options),
        transform=hiding.applied_to if hiding else None,
        speed=speed_of(options["speed"]),
        advance_clock_ms=options["advance_clock"],
        slice_records=options["commit_records"],
        again=options["again"],
    )
    if options["dry_run"]:
        return _dry_run(source, plan, options)
    broker, topic = options["broker"], options["topic"]
    if broker is None or topic is None:
        raise click.UsageError("give --broker HOST:PORT and --to TOPIC (or --dry-run)")
    if isinstance(source, TopicSource) and source.is_topic(broker, topic):
        raise click.UsageError(f"--to {topic} is the source: each record would be in it twice")
    name = options["name"] or name_of(source, options)
    facts = topic_facts(
        broker,
        topic,
        operations=EXACTLY_ONCE,
        before_creating=lambda: check_run(broker, f"replay-{name}"),
        create_partitions=options["partitions"] if options["create_topics"] else None,
        replication_factor=options["replication_factor"],
    )
    if facts.log_append_time:
        echo(
            f"{topic} gives records the time of their arrival (message.timestamp.type is "
            "LogAppendTime): the recorded times are kept within the events only",
            err=True,
        )
    control = Control()
    silence, needs = Silence(broker, left_to_others), {topic: EXACTLY_ONCE}
    watch = TopicWatch(broker, {topic: facts.partitions}, None, silence, needs)
    with (
        closing(watch),
        ExactlyOnceProducer(
            broker,
            topic,
            f"replay-{name}",
            partitions=facts.partitions,
            batch_bytes=facts.batch_bytes,
            compression=options["compression"],
        ) as producer,
    ):
        running = Replay(source, producer, plan, control)
        running.look = watch.look_now_and_then
        before = running.position.sent
        if running.position.done:
            echo(f"replay {name} is complete already; --again repeats it", err=True)
        elif running.resumed:
            echo(f"replay {name} continues after {before:,} records", err=True)
        began = time.monotonic()
        with (
            steered(control, keys=not options["quiet"]) as running.on_pause,
            tool_pages(
                "replay",
                broker,
                control,
                lambda: running.position.sent - before,
                (options["http_host"], options["http_port"]),
            ),
            _progress(running, source, control, options["quiet"]),
        ):
            done = running.run(lambda: shift_of(options["shift"], source, plan.speed))
    seconds = max(time.monotonic() - began, 1e-3)
    sent = running.position.sent - before
    echo(
        f"{sent:,} records to {topic} in {seconds:.1f} s ({sent / seconds:,.0f}/s), "
        f"{running.position.sent:,} in all"
    )
    if not done:
        echo(f"replay {name} stopped; the same command continues from here", err=True)
        return INTERRUPTED
    return 0


def _dry_run(source: Source, plan: Any, options: dict[str, Any]) -> int:
    from streamproc.tools.replay.selection import event_type, iso

    kinds: Counter[str] = Counter()
    first = last = None
    takes = plan.selection.test()
    for record in source.records(source.begin()):
        if takes is not None and not takes(record):
            kinds["(not selected)"] += 1
            continue
        kinds[event_type(record) or "(no type)"] += 1
        at = record.timestamp_ms
        first, last = min(at, first or at), max(at, last or at)
    for kind, count in sorted(kinds.items()):
        echo(f"{count:>12,}  {kind}")
    if first is None or last is None:
        echo("nothing would be written")
        return 0
    shift = shift_of(options["shift"], source, plan.speed)
    echo(f"from {iso(first + shift)} to {iso(last + shift)}")
    if plan.speed is not None:
        echo(f"takes {(last - first) / 1000 / plan.speed:,.0f} s")
    return 0


def _progress(running: Replay, source: Source, control: Any, quiet: bool) -> Any:
    from streamproc.tools.replay.sources import FileSource

    total = source.total()
    if total is None and isinstance(source, FileSource):
        reader = source.reader
        return shown_progress(
            "replay",
            lambda: reader.bytes_read,
            reader.bytes_total,
            lambda: running.position.sent,
            lambda: control.paused,
            quiet,
        )
    return shown_progress(
        "replay",
        lambda: running.position.records,
        total,
        lambda: running.position.sent,
        lambda: control.paused,
        quiet,
    )
