"""``streamproc dispatch``: sends reminders to SMS gateways until it is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamproc.cli.headings import Headed
from streamproc.cli.logs import Format, configure

TOPIC_OPTIONS = (
    ("--reminders", "streamproc.reminders", "Topic to read."),
    ("--resends", "streamproc.resends", "Topic of dead letters that are sent again."),
    ("--journal", "streamproc.dispatch-journal", "Topic that stores which reminders were sent."),
    ("--receipts", "streamproc.receipts", "Topic for the result of each reminder."),
    ("--dead-letters", "streamproc.dead-letters", "Topic for reminders that could not be sent."),
    ("--reports", "streamproc.reports", "Topic in which dispatchers share delivery reports."),
)


def _topic_options(command: Any) -> Any:
    for name, default, says in reversed(TOPIC_OPTIONS):
        command = click.option(name, default=default, help=says)(command)
    return command


@click.command(
    cls=Headed,
    short_help="Send reminders to SMS gateways, each once.",
    headings={
        "--group": "Several dispatchers",
        "--log-level": "Logs and counts",
        "--reminders": "Topics",
        "--help": "Help",
    },
)
@click.option("--broker", required=True, metavar="HOST:PORT", help="A Kafka broker.")
@click.option(
    "--gateways",
    type=click.Path(path_type=Path),
    help="Gateways file (YAML). Without one, reminders are printed, with numbers masked.",
)
@click.option(
    "--ignore-expiry",
    is_flag=True,
    help="Also send expired reminders. Only for replay tests with a test gateway.",
)
@click.option(
    "--group",
    default="streamproc-dispatch",
    help="Dispatchers of one group share the partitions and the memory of sent reminders.",
)
@click.option(
    "--instance-id",
    help=(
        "A fixed, unique name. If the process restarts within the session timeout, it "
        "gets its partitions back without a rebalance."
    ),
)
@click.option(
    "--session-timeout-seconds",
    type=click.FloatRange(1),
    default=10.0,
    help="After this time without a heartbeat another dispatcher takes over.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info"
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--stats-every-seconds",
    type=click.FloatRange(0.1),
    default=30.0,
    help="Interval of a log line with counts and times.",
)
@click.option("--stats", is_flag=True, help="Show counts and times of all receipts, then stop.")
@_topic_options
@click.option(
    "--replication-factor",
    type=click.IntRange(1),
    default=1,
    help="For topics that do not exist yet.",
)
def dispatch(
    broker: str,
    gateways: Path | None,
    ignore_expiry: bool,
    stats: bool,
    log_level: str,
    log_format: Format,
    **options: Any,
) -> None:
    """Send reminders to SMS gateways until it is stopped.

    Each reminder is sent once. The gateways file says what happens if a gateway does not answer
    (see docs/dispatcher.md). Low-balance reminders are sent before summaries. Reminders of one
    subscriber keep their order. None is sent before not_before or after expires_time. The result of
    each is written to the receipts topic. On SIGTERM it waits for answers to the messages already
    submitted, then stops.

    \b
    Examples:
      streamproc dispatch --broker localhost:9092
      streamproc dispatch --broker localhost:9092 --gateways gateways.yaml
      streamproc dispatch --broker localhost:9092 --stats
    """
    from streamproc.dispatch.main import run_dispatcher, show_statistics
    from streamproc.dispatch.settings import DispatchSettings, Topics

    configure(log_level, log_format)
    names = ("reminders", "resends", "journal", "receipts", "dead_letters", "reports")
    topics = Topics(**{name: options.pop(name) for name in names})
    settings = DispatchSettings(broker, topics, honour_expiry=not ignore_expiry, **options)
    if stats:
        show_statistics(settings, click.echo)
    else:
        run_dispatcher(settings, gateways)
