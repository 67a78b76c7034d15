"""``streamproc verify-outputs``: compares what a worker wrote about a topic with the oracle."""

from __future__ import annotations

from typing import Any

import click

from streamproc.cli.durations import Duration
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.printing import echo
from streamproc.cli.rules import read_rules, rules_option
from streamproc.cli.topic_options import taken, topic_options
from streamproc.cli.values import TopicName
from streamproc.contracts.topics import WorkerTopics
from streamproc.kafka.settings import KafkaSettings


@click.command("verify-outputs", short_help="Compare a worker's output topics with the oracle.")
@click.argument("topic", type=TopicName())
@kafka_options(role="reader")
@rules_option("The worker's rules file. Default: the packaged rules.")
@topic_options(WorkerTopics)
@click.option("--wait", type=Duration(), default="60s", help="How long to wait for the worker.")
def verify_outputs(broker: KafkaSettings, topic: str, **options: Any) -> None:
    """Compare everything that a worker wrote about the input TOPIC with the oracle.

    The oracle is a second, independent calculation (docs/replay.md). It reads the topic from its
    first record on, as the worker must have done, under --clock event. It changes nothing. Returns
    1 if anything differs. `verify` compares states instead, under any clock.

    \b
    streamproc verify-outputs usage --broker localhost:9092 --rules rules.yaml
    """
    from streamproc.lab.replay_check import verify

    outputs = taken(WorkerTopics, options)
    rules = read_rules(options["rules"])
    expected, lines = verify(broker, topic, outputs, rules, options["wait"] / 1000)
    for line in lines:
        echo(line, err=True)
    echo(
        f"{'differs from' if lines else 'equal to'} the oracle: "
        f"{expected.reminders.total():,} reminders, {expected.rejects.total():,} rejects expected"
    )
    raise SystemExit(1 if lines else 0)
