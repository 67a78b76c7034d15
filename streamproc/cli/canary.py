"""``streamproc canary``: proves again and again that reminders arrive."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.logs import Format, configure
from streamproc.cli.printing import echo
from streamproc.cli.process_options import http_options, log_options
from streamproc.cli.steering import steered
from streamproc.cli.topic_options import events_option, topic_options
from streamproc.cli.values import Number
from streamproc.contracts.topics import DispatchTopics, WorkerTopics
from streamproc.kafka.settings import KafkaSettings
from streamproc.tools.canary import beats
from streamproc.tools.canary.beats import Stage

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from streamproc.tools.canary.observing import CanaryObserver
    from streamproc.tools.canary.watching import CanaryWatch

RULES = Path(beats.__file__).with_name("rules.yaml")
STANDSTILL_SECONDS = 60.0


@click.command(short_help="Prove again and again that reminders arrive.")
@kafka_options("Kafka brokers.", required=False, role="canary")
@events_option("Topic for usage and account events.")
@topic_options(WorkerTopics, "reminders", "rejects")
@topic_options(DispatchTopics, "receipts")
@click.option(
    "--deadline-seconds",
    type=Number(1),
    default=30.0,
    help="A message that has not arrived by then is missing; less than a minute.",
)
@click.option(
    "--until",
    type=click.Choice(get_args(Stage)),
    default="delivered",
    help="The last stage that must be proved. Gateways without reports prove no delivery.",
)
@click.option("--once", is_flag=True, help="One message in each partition, then end.")
@click.option("--show-rules", is_flag=True, help="Print the rules that it needs, and end.")
@log_options
@http_options
def canary(
    broker: KafkaSettings | None,
    deadline_seconds: float,
    until: Stage,
    once: bool,
    show_rules: bool,
    log_level: str,
    log_format: Format,
    http_host: str,
    http_port: int | None,
    topic: str,
    **others: Any,
) -> None:
    """Prove once a minute that a reminder can be read, is accepted and is delivered.

    A subscriber of its own in each partition uses data; no customer gets a message, and nothing
    counts it. The rules file needs a plan and two rules for that: copy what --show-rules prints.

    \b
    Examples:
      streamproc canary --show-rules
      streamproc canary --broker localhost:9092 --http-port 9467
      streamproc canary --broker localhost:9092 --once
    """
    if show_rules:
        echo(RULES.read_text(encoding="utf-8"), nl=False)
        return
    if broker is None:
        raise click.UsageError("--broker is missing: where are the topics?")
    from prometheus_client import CollectorRegistry

    from streamproc.metrics.canary import CanaryMetrics
    from streamproc.metrics.process import register_process
    from streamproc.tools.canary.beats import summary
    from streamproc.tools.canary.observing import CanaryObserver
    from streamproc.tools.canary.watching import CanarySettings, CanaryWatch
    from streamproc.tools.replay.pace import Control

    configure(log_level, log_format)
    registry = CollectorRegistry()
    register_process(registry)
    observer = CanaryObserver(CanaryMetrics(registry))
    settings = CanarySettings(
        broker, deadline_seconds=deadline_seconds, until=until, events=topic, **others
    )
    watch = CanaryWatch(settings, observer)
    control = Control()
    with (
        steered(control, keys=False) as on_pause,
        _pages(watch, observer, registry, (http_host, http_port)),
    ):

        def is_over() -> bool:
            if control.paused:
                on_pause()
            return control.stopping

        verdicts = watch.run(is_over, once=once)
    if once:
        echo(summary(verdicts))
        if not verdicts or any(one.broken for one in verdicts):
            sys.exit(1)


@contextmanager
def _pages(
    watch: CanaryWatch,
    observer: CanaryObserver,
    registry: CollectorRegistry,
    place: tuple[str, int | None],
) -> Iterator[None]:
    """Serve metrics and probes meanwhile; nothing without a port."""
    host, port = place
    if port is None:
        yield
        return
    from streamproc.cli.tool_pages import served
    from streamproc.metrics.serving import MetricsServer

    turned = [watch.turns, time.monotonic()]

    def still_seconds() -> float:
        if watch.turns != turned[0]:
            turned[:] = watch.turns, time.monotonic()
        return time.monotonic() - turned[1]

    def failing() -> str:
        seconds = still_seconds()
        return "" if seconds < STANDSTILL_SECONDS else f"no turn for {seconds:.0f} s"

    def unready() -> str:
        return "" if watch.has_judged else "no beat has ended yet"

    server = MetricsServer(
        host, port, registry, lambda: observer.refresh(still_seconds()), failing, unready
    )
    with served(server):
        yield
