"""``streamproc dispatch``: sends reminders to SMS gateways until it is stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.configuration.defaults import config_in_use
from streamproc.cli.headings import Headed
from streamproc.cli.identity import process_name, tell_who_starts
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.logs import Format, configure
from streamproc.cli.moved import moved_option
from streamproc.cli.process_options import http_options, log_options, traces_options
from streamproc.cli.shared_options import key_file_option
from streamproc.cli.topic_options import (
    create_topics_option,
    making_options,
    taken,
    topic_options,
)
from streamproc.cli.values import FilePath, Name, Number
from streamproc.contracts.topics import DispatchTopics
from streamproc.kafka.settings import KafkaSettings

if TYPE_CHECKING:
    from streamproc.kafka.secret import Secret


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
@kafka_options(watches_itself=True, role="dispatcher")
@click.option(
    "--gateways",
    type=FilePath(),
    help="Gateways file (YAML). Without one, reminders are printed, with numbers masked.",
)
@click.option(
    "--ignore-expiry",
    is_flag=True,
    help="Also send expired reminders. Only for replay tests with a test gateway.",
)
@click.option(
    "--group",
    type=Name(),
    default="streamproc-dispatch",
    help="Dispatchers of one group share the partitions and the memory of sent reminders.",
)
@click.option(
    "--instance-id",
    type=Name(),
    help=(
        "A fixed, unique name. If the process restarts within the session timeout, it "
        "gets its partitions back without a rebalance."
    ),
)
@click.option(
    "--session-timeout-seconds",
    type=Number(1),
    default=10.0,
    help="After this time without a heartbeat another dispatcher takes over.",
)
@key_file_option(
    "dispatch",
    "number-key",
    "The key of the hashes that stand for numbers in the journal, the same for all "
    "dispatchers. While it is replaced, the old key follows on a second line.",
)
@log_options
@click.option(
    "--stats-every-seconds",
    type=Number(0.1),
    default=30.0,
    help="Interval of a log line with counts and times.",
)
@click.option(
    "--stall-seconds",
    type=Number(1),
    default=60.0,
    help="Report it if nothing is sent for so long though messages are due.",
)
@http_options
@traces_options
@moved_option("--stats", "receipts --broker ...", is_flag=True)
@topic_options(DispatchTopics)
@create_topics_option
@making_options
@click.option(
    "--start-empty",
    is_flag=True,
    help=(
        "Start with an empty journal although there are receipts: every reminder that has not "
        "expired is sent, also if it was sent before."
    ),
)
def dispatch(
    broker: KafkaSettings,
    gateways: Path | None,
    ignore_expiry: bool,
    number_key: Secret | None,
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
    """
    from streamproc.dispatch.main import run_dispatcher
    from streamproc.dispatch.settings import DispatchSettings

    configure(log_level, log_format)
    topics = taken(DispatchTopics, options)
    options["retention_ms"] = dict(options.pop("retention"))
    name = process_name(options["instance_id"])
    settings = DispatchSettings(
        broker,
        topics,
        name=name,
        honour_expiry=not ignore_expiry,
        number_key=number_key,
        **options,
    )
    tell_who_starts(
        "dispatcher",
        name,
        group=settings.group,
        gateways=str(gateways or "console"),
        config=config_in_use(),
        pid=os.getpid(),
    )
    run_dispatcher(settings, gateways)
