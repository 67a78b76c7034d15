"""``streamproc receipts``: counts and times of all messages that dispatchers have sent."""

from __future__ import annotations

import click

from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.printing import echo
from streamproc.cli.topic_options import topic_options
from streamproc.contracts.topics import DispatchTopics
from streamproc.kafka.settings import KafkaSettings


@click.command(short_help="Show counts and times of sent reminders.")
@kafka_options(role="reader")
@topic_options(DispatchTopics, "receipts")
def receipts(broker: KafkaSettings, receipts: str) -> None:
    """Show counts and times of all receipts.

    Times are from the event's arrival or the due instant, and from the reminder's record. It only
    reads. Dispatchers may continue.

    \b
    streamproc receipts --broker localhost:9092
    """
    from streamproc.dispatch.main import show_statistics
    from streamproc.dispatch.settings import DispatchSettings

    show_statistics(DispatchSettings(broker, DispatchTopics(receipts=receipts)), echo)
