"""``streamproc record``: records live topics into a file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.durations import Duration, Instant
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.printing import echo
from streamproc.cli.process_options import http_options
from streamproc.cli.replay_options import pseudonymiser_of
from streamproc.cli.reveals import reveals_option, warn
from streamproc.cli.rules import RulesPath
from streamproc.cli.steering import shown_progress, steered
from streamproc.cli.tool_pages import tool_pages
from streamproc.cli.values import FilePath, TopicName
from streamproc.kafka.settings import KafkaSettings
from streamproc.printable import printed_name

if TYPE_CHECKING:
    from streamproc.tools.revealing import Reveals


class Start(Instant):
    """``latest``, ``earliest``, or an instant in ms."""

    name = "latest|earliest|time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value in ("latest", "earliest") else super().convert(value, param, ctx)


class RevealedToRecord:
    """Writes down whose records are about to be in the file, as far as the broker takes it.

    A recording can also be of a cluster without streamproc: it is not refused there.
    """

    def __init__(self, broker: KafkaSettings, topic: str) -> None:
        self._broker = broker
        self._topic = topic
        self._reveals: Reveals | None = None
        self._is_failing = False

    def __call__(self, keys: Collection[bytes]) -> None:
        """``keys``: of the records of the next frame."""
        from streamproc.kafka.errors import TopicError
        from streamproc.tools.revealing import Reveals

        if self._is_failing or not keys:
            return
        try:
            if self._reveals is None:
                self._reveals = Reveals(self._broker, self._topic, "record")
            self._reveals.write([key.decode(errors="replace") for key in keys])
        except TopicError as error:
            self._is_failing = True
            warn(f"whole numbers are recorded, and {error}")

    def close(self) -> None:
        """Give the connection back."""
        if self._reveals is not None:
            self._reveals.close()


@click.command(short_help="Record topics into a file.")
@click.argument("topics", nargs=-1, required=True, type=TopicName(), metavar="TOPIC...")
@kafka_options(role="reader")
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    required=True,
    metavar="FILE.zst",
    help="The recording. If it is there already, it is continued.",
)
@click.option("--start", type=Start(), default="latest", help="Where a new recording begins.")
@click.option("--to-end", is_flag=True, help="Stop at the present end of the topics.")
@click.option("--for", "duration_ms", type=Duration(), help="Stop after this time.")
@click.option(
    "--pseudonymise",
    type=FilePath(exists=True, dir_okay=False),
    metavar="KEYFILE",
    help="Replace numbers, ids and texts of people. The key is in this file.",
)
@click.option(
    "--rules",
    type=RulesPath(),
    help="With --pseudonymise: whose commands in SMS stay. Default: the packaged rules.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@reveals_option
@http_options
def record(
    topics: tuple[str, ...],
    broker: KafkaSettings,
    out: Path,
    start: str | int,
    to_end: bool,
    duration_ms: int | None,
    pseudonymise: Path | None,
    rules: Path | None,
    quiet: bool,
    reveals: str,
    http_host: str,
    http_port: int | None,
) -> None:
    """Record TOPICs into a file, for `streamproc replay` and `streamproc simulate`.

    It stops on Ctrl-C, after --for, or at the present end with --to-end. If it is killed, the same
    command continues after the last whole frame. If nothing replaces the numbers, it is written
    down whose records are taken.

    \b
    Examples:
      streamproc record live --broker localhost:9092 --out live.ndjson.zst
      streamproc record live --broker localhost:9092 --out hidden.ndjson.zst \\
          --start earliest --to-end --pseudonymise secret.key
    """
    from kafka.errors import KafkaError

    from streamproc.kafka.missing_rights import said
    from streamproc.tools.replay.capture import Capture
    from streamproc.tools.replay.pace import Control

    hiding = pseudonymiser_of(pseudonymise, rules)
    control = Control()
    seconds = None if duration_ms is None else duration_ms / 1000
    try:
        transform = hiding.applied_to if hiding else None
        taken = None if hiding else RevealedToRecord(broker, reveals)
        capture = Capture(broker, list(topics), out, start, transform, taken)
        if capture.resumed:
            echo(f"continuing {printed_name(out)}", err=True)
        with (
            steered(control, keys=False),
            tool_pages("record", broker, control, lambda: capture.records, (http_host, http_port)),
            shown_progress(
                "recording", lambda: 0, None, lambda: capture.records, lambda: False, quiet
            ),
        ):
            capture.run(control, to_end=to_end, seconds=seconds)
        if taken is not None:
            taken.close()
    except KafkaError as error:
        raise click.ClickException(said(error, broker, "Read")) from error
    echo(f"{capture.records:,} records to {printed_name(out)}")
    if hiding is not None and hiding.withheld:
        told = f"{hiding.withheld:,} values were left out: they are no records of the contract"
        echo(told, err=True)
