"""The Faust app of a worker."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from streamproc import __version__
from streamproc.alarms.decider import AlarmPlace
from streamproc.alarms.shares import Share
from streamproc.alarms.table import Bounds
from streamproc.alarms.telling import AlarmTeller
from streamproc.alarms.webhook import webhook_of
from streamproc.contracts.records.codec import MAX_RECORD_BYTES
from streamproc.contracts.topics import TABLE
from streamproc.core.state.account import Account
from streamproc.engine.engine import Engine
from streamproc.engine.faust.app import StatelessApp, attach
from streamproc.engine.faust.assignor import ReleaseAssignor
from streamproc.engine.faust.brokers import Brokers
from streamproc.engine.faust.consumer import ALIAS, register
from streamproc.engine.faust.credentials import security_settings
from streamproc.engine.faust.recovery import SafeTableManager
from streamproc.engine.faust.row_table import PartitionedTable
from streamproc.engine.life import State
from streamproc.engine.settings import EngineSettings
from streamproc.kafka.settings import settings_of
from streamproc.kafka.silence import Silence
from streamproc.metrics.figure_line import LINE_SECONDS, FigureLine
from streamproc.metrics.process import register_process
from streamproc.metrics.serving import MetricsServer
from streamproc.metrics.worker import WorkerMetrics
from streamproc.tracing.options import TracedProcess, open_tracer
from streamproc.worker.alarm_share import WorkerShare
from streamproc.worker.fetching import FetchWatch
from streamproc.worker.health import WorkerHealth
from streamproc.worker.ids_bound import IdsBound
from streamproc.worker.memory_warning import CHECK_SECONDS, MemoryWatch, limit_bytes, used_bytes
from streamproc.worker.native_bridge.loading import packer, walker
from streamproc.worker.observing import WorkerFacts, WorkerObserver
from streamproc.worker.placement import Placement
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.reject_warnings import RejectWarnings
from streamproc.worker.report import write_report
from streamproc.worker.rules import RulesSource
from streamproc.worker.settings import WorkerSettings

log = structlog.get_logger(__name__)

RULES_CHECK_SECONDS = 1.0


METADATA_MAX_AGE_MS = 5_000
"""aiokafka keeps asking a partition's former leader for offsets until it refreshes its metadata. By
default it does that only every five minutes."""
HEARTBEATS_PER_SESSION = 15
"""A worker learns about a rebalance with its next heartbeat. Until then no input flows."""


async def take_changed_rules(rules: RulesSource, processor: QuotaProcessor) -> None:
    """Look where the rules come from, and pass on new ones."""
    # In a thread: a large file, or a file system that does not answer, must not hold up the
    # worker, or it would lose its place in the group.
    changed = await asyncio.to_thread(rules.refresh)
    if changed is not None:
        processor.take_rules(changed)


def create_app(settings: WorkerSettings, rules: RulesSource, partitions: int) -> Any:
    """The Faust app: one agent for the input topics, the accounts table, two timers.

    ``partitions`` is the result of ``prepare_topics``.
    """
    register()
    app = _faust_app(settings, partitions)
    tracer = open_tracer(settings.traces, _origin_of(settings))
    processor = QuotaProcessor(
        rules.rulebook,
        settings.topics,
        settings.clock,
        settings.native,
        Placement(partitions, settings.wrong_partition, settings.topics.forwarded),
        RejectWarnings(),
        tracer,
    )
    engine_settings = _engine_settings(settings, partitions)
    metrics = WorkerMetrics(CollectorRegistry())
    register_process(metrics.registry)
    share = WorkerShare(settings.topics, settings.app_id, settings.name)
    share_told = share if settings.decides_alarms else None
    observer = WorkerObserver(metrics, share=share_told, tracer=tracer)
    engine: Engine[Account] = Engine(
        engine_settings,
        processor,
        Brokers(engine_settings, packer(processor.is_native)),
        observer=observer,
        walker=walker(processor.is_native),
    )
    attach(engine, app)
    app.tables.add(_table(app, engine, partitions))
    app.processor = processor
    app.is_running = lambda: State.RUNNING in engine.partitions.states.values()

    @app.timer(RULES_CHECK_SECONDS)
    async def check_rules() -> None:
        await take_changed_rules(rules, processor)

    silence = app.silence = Silence(settings.broker)
    fetches = app.fetches = FetchWatch(engine)
    limit = limit_bytes(settings.memory_limit_mb)

    alarms = (
        _alarm_teller(settings, engine, processor, share, rules, limit)
        if settings.decides_alarms
        else None
    )

    def refresh() -> None:
        has_refused = rules.refusal is not None
        raised = alarms.raised if alarms is not None else ()
        revealed = alarms.revealed if alarms is not None else {}
        facts = WorkerFacts(silence.seconds, limit, has_refused, raised, revealed, fetches.behind)
        observer.refresh(engine, processor, int(time.time() * 1000), facts)

    figures = FigureLine(metrics, refresh)

    @app.timer(LINE_SECONDS)
    async def tell_figures() -> None:
        log.info("figures of the last minute", **figures.take())

    app.beside = [alarms] if alarms is not None else []
    if settings.http_port is not None:
        health = WorkerHealth(engine, lambda: silence.seconds, fetches)
        app.beside.append(
            MetricsServer(
                settings.http_host,
                settings.http_port,
                metrics.registry,
                refresh,
                lambda: health.failing(time.monotonic()),
                health.unready,
                health.waiting,
            )
        )

    watch = MemoryWatch(settings.memory_limit_mb)

    @app.timer(CHECK_SECONDS)
    async def check_memory() -> None:
        watch.look(time.monotonic())

    bound = IdsBound(settings.ids_per_partition)

    @app.timer(CHECK_SECONDS)
    async def check_ids() -> None:
        bound.look_at_all(engine.partitions, processor.rules.limits)

    @app.on_before_shutdown.connect
    async def finish(*_: Any, **__: Any) -> None:
        await engine.finish_all()
        if settings.report is not None:
            write_report(settings.report, processor, engine)
        await engine.partitions.close()
        if tracer is not None:
            await asyncio.to_thread(tracer.close)

    return app


def _engine_settings(settings: WorkerSettings, partitions: int) -> EngineSettings:
    return EngineSettings(
        broker=settings.broker,
        app_id=settings.app_id,
        input_topics=settings.topics.read,
        commit_interval_seconds=settings.commit_interval_seconds,
        partitions=partitions,
        max_value_bytes=MAX_RECORD_BYTES,
        release=__version__,
    )


def _origin_of(settings: WorkerSettings) -> TracedProcess:
    return TracedProcess("streamproc-worker", settings.name, settings.app_id)


def _table(app: Any, engine: Engine[Account], partitions: int) -> PartitionedTable:
    """The accounts, by partition."""
    table = PartitionedTable(
        app, name=TABLE, partitions=partitions, key_type=bytes, value_type=bytes
    )
    table.partitions_here = engine.partitions
    return table


def _alarm_teller(
    settings: WorkerSettings,
    engine: Engine[Account],
    processor: QuotaProcessor,
    share: WorkerShare,
    rules: RulesSource,
    limit: int | None,
) -> AlarmTeller:
    """Tells this worker's share of alarms, and decides where partition 0 runs."""

    def collect() -> Share | None:
        if not engine.partitions.has_assignment:
            return None
        return share.take(
            engine,
            processor,
            int(time.time() * 1000),
            used_bytes() / limit if limit else 0.0,
            has_refused_rules=rules.refusal is not None,
        )

    topics = settings.topics
    place = AlarmPlace(
        settings.broker,
        topics.alarms,
        topics.alarm_shares,
        settings.app_id,
        settings.name,
        topics.reveals,
    )
    return AlarmTeller(
        place,
        collect,
        share.counts.give_back,
        lambda: engine.partitions.states.get(0) is State.RUNNING,
        Bounds(settings.alarm_orange, settings.alarm_red),
        webhook_of(settings.alarm_webhook, settings.alarm_webhook_key),
    )


def _faust_app(settings: WorkerSettings, partitions: int) -> Any:
    """Faust's part, with its own settings."""
    return StatelessApp(
        settings.app_id,
        broker=[f"{ALIAS}://{address}" for address in settings_of(settings.broker).addresses],
        **security_settings(settings.broker),
        autodiscover=False,
        store="memory://",
        datadir=str(settings.datadir),
        web_enabled=False,
        topic_partitions=partitions,
        topic_replication_factor=settings.replication_factor,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=settings.standbys,
        TableManager=SafeTableManager,
        PartitionAssignor=ReleaseAssignor,
        stream_buffer_maxsize=64,  # chunks
        stream_wait_empty=False,  # the engine itself finishes its work before a revocation
        consumer_max_fetch_size=4_000_000,
        broker_max_poll_records=20_000,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=METADATA_MAX_AGE_MS,
        broker_commit_interval=0.5,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / HEARTBEATS_PER_SESSION,
        consumer_group_instance_id=settings.instance_id,
        canonical_url=f"http://{settings.name}" if settings.name else None,  # known to its peers
    )
