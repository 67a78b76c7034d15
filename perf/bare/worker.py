"""Runs the bare or the full form of streamproc as a peer of ``perf.compare``.

``python -m perf.bare.worker FORM BOOTSTRAP APP_ID INPUT OUTPUT EVENTS DIRECTORY [OPTION=VALUE...]``
with FORM ``bare`` (``perf.bare.counter`` on the engine) or ``full`` (the app of ``streamproc
worker``). Options: ``commit`` (seconds), ``native`` (auto, on, off), ``clock`` (wall, event).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import faust

from perf.bare.counter import CountUsage
from streamproc.app.rules import RulesFile
from streamproc.app.settings import Topics, WorkerSettings
from streamproc.app.worker import create_app
from streamproc.engine.lane import Lane

RULES = Path(__file__).with_name("common.yaml")
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
        topics=Topics((source,), output, f"{output}.audit", f"{output}.rejects"),
        clock=options.get("clock", "event"),  # type: ignore[arg-type]
        native=options.get("native", "auto"),  # type: ignore[arg-type]
        commit_interval_seconds=float(options.get("commit", "0.15")),
        session_timeout_seconds=30.0,
        datadir=Path(directory),
    )
    app = create_app(settings, RulesFile(settings.rules), partitions=4)
    app.conf.broker_commit_interval = GROUP_OFFSETS_SECONDS
    if form == "bare":
        # The app of the worker around another processor: all of the engine, nothing of the core.
        app.processor = app.lane.owner.processor = CountUsage(output)
    _say_first(app.lane)
    faust.Worker(app, loglevel="info").execute_from_commandline()


def _say_first(lane: Lane[Any]) -> None:
    """Print ``first`` at the first chunk, then be out of the way."""
    processor: Any = lane.owner.processor
    apply = processor.apply

    def first(*arguments: Any) -> Any:
        print("first", file=sys.__stdout__, flush=True)
        processor.apply = apply
        return apply(*arguments)

    processor.apply = first


if __name__ == "__main__":
    main()
