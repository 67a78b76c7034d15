"""``streamproc workload``: makes a month of usage from a seed, for a file or for Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.printing import echo
from streamproc.cli.rules import RulesPath, read_rules
from streamproc.cli.topic_options import events_option
from streamproc.cli.values import Count, FilePath, Number
from streamproc.kafka.settings import KafkaSettings
from streamproc.printable import printed_name

if TYPE_CHECKING:
    from streamproc.kafka.producer import BulkProducer
    from streamproc.lab.workload import WorkloadRecord


@click.command(short_help="Make a seeded month of usage, to a file or to Kafka.")
@click.option("--events", default=100_000, type=Count(1), help="Number of records, of all kinds.")
@click.option(
    "--seed", default=1, type=Count(), help="The same seed and rules give the same bytes."
)
@click.option("--subscribers", default=5_000, type=Count(1), help="Number of subscribers.")
@click.option(
    "--stories",
    default=0,
    type=Count(0),
    help=(
        "Number of additional stories: orders and charges of services, trips, SMS from subscribers."
    ),
)
@click.option(
    "--quota",
    is_flag=True,
    help=("Also make pool members, refunds, consents and a bad batch. The rules must have them."),
)
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    default="2026-01-01",
    help="First day (UTC).",
)
@click.option("--days", default=31, type=Count(1), help="Number of days.")
@click.option(
    "--rules", type=RulesPath(), help="Rules file with the plans. Default: the packaged rules."
)
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    help="Write a recording: FILE, FILE.gz or FILE.zst (see `streamproc replay`).",
)
@kafka_options("Write to Kafka instead.", required=False, on_request=True)
@events_option("Target topic. It must exist, or give --create-topics.")
@click.option("--create-topics", is_flag=True, help="Create the target topic if it is missing.")
@click.option("--partitions", default=4, type=Count(1), help="For a topic that is created.")
@click.option("--replication-factor", default=1, type=Count(1), help="For a topic that is created.")
@click.option(
    "--compression", type=click.Choice(["none", "gzip", "snappy", "lz4", "zstd"]), default="zstd"
)
@click.option(
    "--rate",
    type=Number(min=0, min_open=True),
    help="Highest number of records per second.",
)
@click.option(
    "--advance-clock/--no-advance-clock",
    default=False,
    help=(
        "End with one record for each partition that lets time pass until four days after "
        "the month. Timed reminders of a worker with --clock event need it."
    ),
)
def workload(
    events: int,
    seed: int,
    subscribers: int,
    stories: int,
    quota: bool,
    start: datetime,
    days: int,
    rules: Path | None,
    out: Path | None,
    broker: KafkaSettings | None,
    topic: str,
    create_topics: bool,
    partitions: int,
    replication_factor: int,
    compression: str,
    rate: float | None,
    advance_clock: bool,
) -> None:
    """Make a month of usage as billing systems send it, from a seed.

    Few subscribers make most of the records, by day and night and in bursts. Some records are late,
    repeated or malformed. There are top-ups, plan changes, opt-outs and closings. With --stories
    subscribers also order services, confirm, are charged, travel and send SMS, in the same topic.
    Give --out or --broker.

    \b
    Examples:
      streamproc workload --events 1000000 --out month.ndjson.zst
      streamproc workload --events 1000000 --broker localhost:9092 --topic streamproc.events
    """
    from datetime import UTC

    from streamproc.kafka.producer import BulkProducer
    from streamproc.kafka.topics import topic_facts
    from streamproc.lab.workload import WorkloadSettings, clock_records, generate
    from streamproc.lab.workload_quota import quota_month
    from streamproc.lab.workload_talk import mixed

    if (out is None) == (broker is None):
        raise click.UsageError("give either --out FILE or --broker HOST:PORT")
    settings = WorkloadSettings(
        seed=seed,
        events=events,
        subscribers=subscribers,
        start=start.replace(tzinfo=UTC),
        days=days,
    )
    rulebook = read_rules(rules)
    if stories and not (rulebook.commands or rulebook.services or rulebook.zones):
        raise click.ClickException("--stories needs commands, services or zones in the rules file")
    if stories and quota:
        raise click.UsageError("give either --stories or --quota")
    records = mixed(settings, rulebook, stories) if stories else generate(settings, rulebook)
    if quota:
        records = quota_month(settings, rulebook)
    began = time.monotonic()
    if out is not None:
        clocks = clock_records(settings, partitions if advance_clock else 0)
        place, written = str(out), _to_file(out, records, clocks)
    else:
        assert broker is not None
        place = f"{topic} at {broker}"
        facts = topic_facts(
            broker,
            topic,
            operations=("Write",),
            create_partitions=partitions if create_topics else None,
            replication_factor=replication_factor,
        )
        clocks = clock_records(settings, facts.partitions if advance_clock else 0)
        with BulkProducer(
            broker,
            topic,
            partitions=facts.partitions,
            batch_bytes=facts.batch_bytes,
            compression=compression,
        ) as producer:
            written = _to_kafka(producer, records, clocks, rate)
    seconds = time.monotonic() - began
    pace = f"{seconds:.1f} s ({written / seconds:,.0f}/s)"
    echo(f"{written:,} records to {printed_name(place)} in {pace}")


def _to_file(
    path: Path, records: Iterable[WorkloadRecord], clocks: Iterable[tuple[int, WorkloadRecord]]
) -> int:
    from streamproc.kafka.recording import LogRecord, RecordingWriter
    from streamproc.private_files import refuse_special

    refuse_special(path)
    # It has another name until it is complete, so that nobody uses half a month by mistake.
    partial = path.with_name(f".part-{path.name}")
    with RecordingWriter(partial) as writer:
        for record in records:
            writer.write(LogRecord(*record))
        for partition, record in clocks:
            writer.write(LogRecord(*record, partition=partition))
    partial.replace(path)
    return writer.records


def _to_kafka(
    producer: BulkProducer,
    records: Iterable[WorkloadRecord],
    clocks: Iterable[tuple[int, WorkloadRecord]],
    rate: float | None,
) -> int:
    began = time.monotonic()
    for key, value, timestamp_ms in records:
        # A record without a key goes to a partition by its length, so that runs can be repeated.
        place = producer.partition_for(key) if key is not None else len(value or b"")
        producer.append(place % producer.partitions, key, value, timestamp_ms)
        if rate is not None and producer.appended % max(int(rate / 20), 1) == 0:
            ahead = producer.appended / rate - (time.monotonic() - began)
            if ahead > 0:
                producer.release()
                time.sleep(ahead)
    for partition, (key, value, timestamp_ms) in clocks:
        producer.append(partition, key, value, timestamp_ms)
    producer.flush()
    return producer.appended
