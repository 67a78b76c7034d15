"""``streamproc worker``: runs the Faust application until it is stopped."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import structlog

from streamproc.cli.configuration.defaults import config_in_use
from streamproc.cli.identity import process_name, tell_who_starts
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.logs import Format, configure
from streamproc.cli.process_options import http_options, log_options, traces_options
from streamproc.cli.rules import rules_option
from streamproc.cli.shared_options import (
    app_id_option,
    approval_option,
    clock_option,
    key_file_option,
)
from streamproc.cli.topic_options import (
    create_topics_option,
    inputs_option,
    making_options,
    taken,
    topic_options,
)
from streamproc.cli.values import AnyText, Count, FilePath, Name, Number
from streamproc.contracts.topics import WorkerTopics
from streamproc.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from streamproc.worker.published_rules import PublishedRules
    from streamproc.worker.rules import KeptRules, RulesFile

log = structlog.get_logger(__name__)


@click.command()
@kafka_options(watches_itself=True, role="worker")
@rules_option("Rules file. Default: the published rules (`streamproc rules publish`).")
@approval_option
@click.option(
    "--last-good-rules",
    is_flag=True,
    help=(
        "A start with a wrong or missing rules file uses the rules that a worker of this --app-id "
        "took last; they are in the topic --rule-versions. Default: such a start fails."
    ),
)
@key_file_option(
    "worker",
    "id-key",
    "The key of the ids of reminders and orders, the same for all workers. Without it, who has "
    "the rules file can test numbers against ids (docs/security.md).",
)
@app_id_option("Prefix for the consumer group, the changelog topic and the transactional ids.")
@inputs_option
@topic_options(WorkerTopics)
@create_topics_option
@making_options
@click.option(
    "--start-empty",
    is_flag=True,
    help=(
        "Start with an empty state although output topics hold records: every message that follows "
        "from the input is written again."
    ),
)
@clock_option("Clock of timed reminders: the wall clock, or the record timestamps (for a replay).")
@click.option(
    "--wrong-partition",
    type=click.Choice(["refuse", "forward"]),
    default="refuse",
    help=(
        "A record that is not in the partition of its key (murmur2): refuse it, or take it over "
        "to the right partition through --forwarded."
    ),
)
@click.option(
    "--standbys", default=0, type=Count(), help="Number of warm copies of each partition."
)
@click.option(
    "--instance-id",
    type=Name(),
    help=(
        "Fixed, unique name of this worker. If it restarts within the session timeout, it "
        "gets its partitions back without a rebalance."
    ),
)
@click.option(
    "--session-timeout-seconds",
    type=Number(1),
    default=10.0,
    help="After this time without a heartbeat other workers take over.",
)
@click.option(
    "--commit-interval-seconds",
    type=Number(0),
    default=WorkerSettings.commit_interval_seconds,
    help="Time between commits of a partition that has input.",
)
@click.option(
    "--memory-limit-mb",
    type=Count(1),
    help=(
        "Memory limit in MB. The worker warns at 85 % of it. Default: limit of the "
        "container, else of the machine."
    ),
)
@click.option(
    "--ids-per-partition",
    type=Count(1000),
    default=WorkerSettings.ids_per_partition,
    help=(
        "How many ids of events a partition remembers at most, of about 12 bytes each. The worker "
        "warns at 80 % of it. Beyond it, late events of the earliest day are rejected."
    ),
)
@click.option("--embedded", is_flag=True, help="The broker is the in-memory broker of the demo.")
@click.option(
    "--datadir",
    type=FilePath(),
    default=Path(".faust-data"),
    hidden=True,
    help="Faust's; nothing is written there.",
)
@click.option(
    "--native",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    help="Use the compiled (Rust) code for simple usage events. Results do not change.",
)
@click.option(
    "--alarm-orange",
    type=Count(1),
    default=WorkerSettings.alarm_orange,
    help="From so many concerned subscribers on an alarm is orange (docs/alarms.md).",
)
@click.option(
    "--alarm-red",
    type=Count(1),
    default=WorkerSettings.alarm_red,
    help="From so many concerned subscribers on an alarm is red.",
)
@click.option(
    "--alarm-webhook",
    metavar="URL",
    type=AnyText(),
    help="Each change of an alarm is posted there, signed; with --alarm-webhook-key-file.",
)
@key_file_option(
    "worker",
    "alarm-webhook-key",
    "The keys that sign what is posted to --alarm-webhook, as Standard Webhooks writes them.",
)
@log_options
@http_options
@traces_options
@click.option(
    "--report",
    type=FilePath(),
    help="Write totals as JSON to this file when the worker stops in order.",
)
def worker(
    inputs: tuple[str, ...],
    rules: Path | None,
    last_good_rules: bool,
    rules_approval: bool,
    log_level: str,
    log_format: Format,
    **options: Any,
) -> None:
    """Run a worker until it is stopped."""
    from streamproc.engine import crashpoints
    from streamproc.engine.faust.ending import BoundedWorker
    from streamproc.engine.housekeeping import relax_collector
    from streamproc.kafka.topic_watch import watched
    from streamproc.worker.app import create_app
    from streamproc.worker.guarding import TopicGuard
    from streamproc.worker.native_bridge.loading import is_native
    from streamproc.worker.newer_state import refuse_newer_state
    from streamproc.worker.published_rules import PublishedRules
    from streamproc.worker.rule_versions import RulesKeeper, RuleVersions
    from streamproc.worker.topics import prepare_topics

    logging = configure(log_level, log_format)
    name = process_name(options["instance_id"])
    settings = WorkerSettings(
        rules=rules,
        name=name,
        topics=taken(WorkerTopics, options, inputs=tuple(inputs)),
        retention_ms=dict(options.pop("retention")),
        **options,
    )
    versions = RuleVersions(settings.broker, settings.topics.rule_versions, settings.app_id, name)
    source = _source(settings, versions.last_good if last_good_rules else None, rules_approval)
    native = "yes" if is_native(settings.native) else "no"
    tell_who_starts(
        "worker",
        name,
        lambda: {"native": native, "rules": source.rulebook.fingerprint},
        app_id=settings.app_id,
        config=config_in_use(),
        pid=os.getpid(),
    )
    if native == "no" and settings.native == "auto":
        log.warning(
            "the compiled part is not installed: usage is applied in Python, which is slower",
            advice="docs/packages.md says which platforms have it, or --native off",
        )
    with watched(settings.broker):
        topics = prepare_topics(settings)
        refuse_newer_state(settings, topics[settings.changelog])
        if isinstance(source, PublishedRules):
            source.begin()
    app = create_app(settings, source, topics[settings.changelog])
    if crashpoints.VARIABLE in os.environ:
        crashpoints.arm(crashpoints.CrashPlan.parse(os.environ[crashpoints.VARIABLE]))
    keeper: list[Any] = []
    if isinstance(source, PublishedRules):
        keeper.append(source)
    elif not settings.embedded:  # the embedded broker ends with the demo
        keeper.append(RulesKeeper(source, versions, app.is_running))
    runner = BoundedWorker(
        app,
        beside=[TopicGuard(app, settings, topics, app.silence, app.fetches), *keeper, *app.beside],
        loglevel=log_level,
        logging_config=logging,
        redirect_stdouts=False,
        quiet=True,
    )
    relax_collector()
    sys.exit(runner.execute_from_commandline())


def _source(
    settings: WorkerSettings, last_good: Callable[[], KeptRules | None] | None, needs_approval: bool
) -> RulesFile | PublishedRules:
    """Where the rules come from: a file, or what is published."""
    from streamproc.contracts.records.version_history import VersionHistory
    from streamproc.worker.id_keys import id_key_of
    from streamproc.worker.published_rules import PublishedRules
    from streamproc.worker.rules import RulesFile
    from streamproc.worker.version_log import VersionLog

    id_key = id_key_of(settings.id_key)
    if settings.rules is not None or settings.embedded:
        return RulesFile(settings.rules, last_good, id_key)
    history = VersionHistory(settings.app_id, needs_approval)
    return PublishedRules(
        VersionLog(settings.broker, settings.topics.rule_versions, history), id_key
    )
