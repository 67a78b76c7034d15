"""``streamproc demo``: a month of usage, live, and a comparison of the results."""

from __future__ import annotations

import signal
import sys
import time
from io import TextIOWrapper
from pathlib import Path

import click

from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.rules import RulesPath, read_rules
from streamproc.cli.values import Count, Number
from streamproc.kafka.settings import KafkaSettings


@click.command()
@click.option("--keep", is_flag=True, help="Continue month after month until Ctrl-C, then compare.")
@kafka_options("Kafka brokers. Default: an embedded one.", required=False, on_request=True)
@click.option("--rules", type=RulesPath(), help="Rules file. Default: the packaged rules.")
@click.option("--seed", default=1, type=Count(), help="Another seed gives another month.")
@click.option("--events", default=60_000, type=Count(100), help="Records per month.")
@click.option("--subscribers", default=1_500, type=Count(1), help="Number of subscribers.")
@click.option("--seconds", default=32.0, type=Number(5), help="How long a month takes to pass.")
def demo(
    keep: bool,
    broker: KafkaSettings | None,
    rules: Path | None,
    seed: int,
    events: int,
    subscribers: int,
    seconds: float,
) -> None:
    """Watch a month of mobile data in half a minute.

    It starts a broker inside this process (or uses --broker), a worker and a billing producer, and
    shows the reminders as SMS on a phone. At the end it compares the results with an independent
    calculation. It stops within 60 s (later only if --seconds asks for it).

    Exit codes: 0 all equal; 1 something differs or failed; 130 interrupted by Ctrl-C.
    """
    began = time.monotonic()
    try:
        rulebook = read_rules(rules)
        from rich.console import Console

        from streamproc.lab.demo import DemoSettings, run_demo
    except KeyboardInterrupt:  # too early: run_demo does not handle it yet
        sys.exit(128 + signal.SIGINT)

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may not support Chinese
    settings = DemoSettings(
        broker=broker,
        rules=rules,
        seed=seed,
        events=events,
        subscribers=subscribers,
        seconds=seconds,
        keep=keep,
    )
    sys.exit(run_demo(settings, rulebook, Console(), began))
