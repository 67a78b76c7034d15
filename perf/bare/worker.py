"""Runs the bare or the full form of streamproc as a peer of ``perf.compare``.

``python -m perf.bare.worker FORM BOOTSTRAP APP_ID INPUT OUTPUT EVENTS DIRECTORY [OPTION=VALUE...]``
with FORM ``bare`` (``perf.bare.counter`` on the engine) or ``full`` (the app of ``streamproc
worker``). Options: ``commit`` (seconds), ``native`` (auto, on, off), ``clock`` (wall, event),
``standbys`` (warm copies), ``session`` (timeout in seconds),
``timed`` (START:COUNT, in epoch seconds: packs are reminded of at COUNT successive seconds),
``port`` (of ``/metrics``), ``counted`` (``no``: what is counted for metrics is left out),
``traces`` (``on``: spans are sent) and ``traces_per_second``.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from perf.bare.counter import CountUsage
from perf.compare_task import morning_offset_hours
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.rules.rulebook import Rulebook, TimedRule
from streamproc.engine.engine import Engine
from streamproc.engine.faust.ending import BoundedWorker
from streamproc.engine.housekeeping import relax_collector
from streamproc.engine.observer import UNOBSERVED
from streamproc.tracing.options import PER_SECOND, TraceSettings
from streamproc.worker import quota_processor as processor_module
from streamproc.worker.app import create_app
from streamproc.worker.rules import RulesFile
from streamproc.worker.settings import WorkerSettings
from streamproc.worker.topics import prepare_topics

RULES = Path(__file__).with_name("common.yaml")
COUNTING = ("note_reminder", "note_since", "note_transport", "_count_outcome")
"""What the processor calls to count."""
GROUP_OFFSETS_SECONDS = 0.05
"""The end of a run is read from the group's offsets, which Faust commits beside the transactions
that count; the worker's own half second would be measured as work."""


def main() -> None:
    form, bootstrap, app_id, source, output, _events, directory, *rest = sys.argv[1:]
    options = dict(option.split("=", 1) for option in rest)
    settings = WorkerSettings(
        broker=bootstrap,
        app_id=app_id,
        rules=RULES,
        topics=replace(WorkerTopics.under(f"{output}.", inputs=(source,)), reminders=output),
        clock=options.get("clock", "event"),  # type: ignore[arg-type]
        native=options.get("native", "auto"),  # type: ignore[arg-type]
        commit_interval_seconds=float(
            options.get("commit", WorkerSettings.commit_interval_seconds)
        ),
        session_timeout_seconds=float(options.get("session", "30")),
        standbys=int(options.get("standbys", "0")),
        datadir=Path(directory),
        create_topics=True,
        start_empty=True,
        http_port=int(options["port"]) if "port" in options else None,
        traces=TraceSettings(
            options.get("traces", "off"),  # type: ignore[arg-type]
            int(options.get("traces_per_second", PER_SECOND)),
        ),
    )
    prepare_topics(settings)
    rules = RulesFile(settings.rules)
    if "timed" in options:
        rules.rulebook = _with_timed_rules(rules.rulebook, options["timed"])
    app = create_app(settings, rules, partitions=4)
    app.conf.broker_commit_interval = GROUP_OFFSETS_SECONDS
    if form == "bare":
        # The app of the worker around another processor: all of the engine, nothing of the core.
        app.processor = app.engine.partitions.processor = CountUsage(output)
    if options.get("counted") == "no":
        leave_out_counting(app.engine)
    _say_first(app.engine)
    relax_collector()
    BoundedWorker(app, beside=app.beside, loglevel="info").execute_from_commandline()


def leave_out_counting(engine: Engine[Any]) -> None:
    """For ``perf.watching``: the same worker as if nothing were counted for metrics."""
    for name in COUNTING:
        setattr(processor_module, name, _do_nothing)
    engine.partitions.processor._told_counts.note = _do_nothing  # type: ignore[attr-defined]
    engine.partitions.observer = engine.partitions._opener._observer = UNOBSERVED


def _do_nothing(*_: Any, **__: Any) -> None:
    pass


def _with_timed_rules(rulebook: Rulebook, when: str) -> Rulebook:
    """One rule per second, which a rules file cannot say: its times of day are whole minutes."""
    start, count = map(int, when.split(":"))
    hours = morning_offset_hours(start)
    rules = tuple(
        TimedRule(
            id=f"timed-{number}",
            kind="before_expiry",
            at=datetime.fromtimestamp(start + number + hours * 3600, UTC).time(),
            texts={"en": "{bucket} expires {expires}; {remaining} left."},
            category="summary",
            mandatory=False,
            priority=5,
            ttl_ms=86_400_000,
            misfire_grace_ms=21_600_000,
        )
        for number in range(count)
    )
    return Rulebook(
        tuple(rulebook.plans.values()),
        tuple(rulebook.packs.values()),
        rulebook.usage_rules,
        rules,
        rulebook.limits,
        rulebook.default_locale,
        rulebook.currency,
    )


def _say_first(engine: Engine[Any]) -> None:
    """Print ``first`` at the first chunk, then be out of the way."""
    processor: Any = engine.partitions.processor
    apply = processor.apply

    def first(*arguments: Any) -> Any:
        print("first", file=sys.__stdout__, flush=True)
        processor.apply = apply
        return apply(*arguments)

    processor.apply = first


if __name__ == "__main__":
    main()
