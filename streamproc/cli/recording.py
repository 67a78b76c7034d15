"""``streamproc replay --record``: records live topics into a file."""

from __future__ import annotations

from typing import Any

import click

from streamproc.cli.durations import Instant
from streamproc.cli.replay_options import pseudonyms_of
from streamproc.cli.steering import shown_progress, steered


def record(sources: tuple[str, ...], options: dict[str, Any]) -> int:
    """Capture until it is stopped; returns the exit code."""
    from streamproc.tools.replay.capture import Capture
    from streamproc.tools.replay.pace import Control

    broker = options["from_broker"] or options["broker"]
    if broker is None:
        raise click.UsageError("give --broker HOST:PORT")
    topics = [one.removeprefix("topic:") for one in sources if one.startswith("topic:")]
    if len(topics) != len(sources):
        raise click.UsageError("--record captures topics; write each SOURCE as topic:NAME")
    start = options["start"]
    if start not in ("latest", "earliest"):
        start = Instant().convert(start, None, None)
    pseudonyms = pseudonyms_of(options["pseudonymise"])
    capture = Capture(
        broker, topics, options["record"], start, pseudonyms.applied_to if pseudonyms else None
    )
    if capture.resumed:
        click.echo(f"continuing {options['record']}", err=True)
    control = Control()
    seconds = None if options["seconds"] is None else options["seconds"] / 1000
    with (
        steered(control, keys=False),
        shown_progress(
            "recording", lambda: 0, None, lambda: capture.records, lambda: False, options["quiet"]
        ),
    ):
        capture.run(control, to_end=options["to_end"], seconds=seconds)
    click.echo(f"{capture.records:,} records to {options['record']}")
    return 0
