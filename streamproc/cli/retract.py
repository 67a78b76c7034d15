"""``streamproc retract``: takes back the usage of a bad batch."""

from __future__ import annotations

import click

from streamproc.cli.durations import Instant
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.printing import echo
from streamproc.cli.topic_options import events_option
from streamproc.core.instants import HOUR_MS, from_ms
from streamproc.kafka.settings import KafkaSettings
from streamproc.printable import printable


@click.command(short_help="Take back the usage of a bad batch.")
@kafka_options(role="operator")
@events_option("Input topic. It is read, and the refunds are written to it.")
@click.option("--source", required=True, help="The source of the events, as they name it.")
@click.option("--from-time", type=Instant(), required=True, help="First event time.")
@click.option(
    "--to-time", type=Instant(), required=True, help="End of the event times (exclusive)."
)
@click.option("--dry-run", is_flag=True, help="Only count; send nothing.")
def retract(
    broker: KafkaSettings, topic: str, source: str, from_time: int, to_time: int, dry_run: bool
) -> None:
    """Send one refund for each usage event of a source in a range of event time.

    Each event is taken back once, however often this is run. Stop the source first; otherwise
    events that it sends meanwhile are missed. docs/quota.md explains refunds.

    \b
    Example:
      streamproc retract --broker localhost:9092 --source ocs-7 \\
        --from-time 2026-01-12T00:00:00Z --to-time 2026-01-12T06:00:00Z --dry-run
    """
    from streamproc.producing import UsageProducer
    from streamproc.tools.replay.sources import TopicSource
    from streamproc.tools.retraction import (
        BadBatch,
        RetractionTally,
        arrival_range_ms,
        in_utc,
        refunds,
    )

    if from_time >= to_time:
        raise click.UsageError("--to-time must be after --from-time")
    batch = BadBatch(source, from_ms(from_time), from_ms(to_time))
    tally = RetractionTally()
    found = TopicSource(broker, topic, from_ms=max(arrival_range_ms(batch, HOUR_MS), 0))
    made = refunds(found.records(found.begin()), batch, tally)
    if dry_run:
        for _ in made:
            pass
    else:
        with UsageProducer(broker, topic) as producer:
            for refund in made:
                producer.send(refund)
    if found.cut:
        parts = ", ".join(map(str, found.cut))
        echo(
            f"warning: {topic} has lost its first records (partitions {parts}): usage of the batch "
            "among them is not taken back",
            err=True,
        )
    if not tally.events:
        span = f"from {in_utc(batch.from_time)} to {in_utc(batch.to_time)}"
        raise click.ClickException(
            printable(f"there is no usage of {source} {span}: {tally.why_nothing(batch)}")
        )
    what = "would be taken back" if dry_run else "taken back"
    echo(
        f"{tally.events} events of {tally.subscribers} subscribers {what}, "
        f"{tally.refunded_bytes} bytes ({tally.records} records read)"
    )
