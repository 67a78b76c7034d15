"""``streamproc send``: sends one event of a billing system, or files of them."""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.durations import Duration, Instant
from streamproc.cli.headings import Headed
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.steering import steered
from streamproc.contracts.records.usage_fields import USAGE_FIELDS
from streamproc.contracts.topics import EVENTS

if TYPE_CHECKING:
    from streamproc.producer import UsageProducer
    from streamproc.producing.readers import Reader

SHOWN_BAD = 20


class FormName(click.ParamType):
    """The name of a form of files, also of one that an installed package brings along."""

    name = "form"

    def get_metavar(self, *args: Any, **more: Any) -> str:
        return f"[{'|'.join(self._known())}]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self._known():
            self.fail(f"{value!r} is none of {', '.join(self._known())}", param, ctx)
        return value

    def _known(self) -> list[str]:
        from streamproc.producing.readers import FORMS

        return ["auto", *FORMS]


def _usage_options(command: Any) -> Any:
    """One option for each field of a usage event."""
    # click shows options in the reverse of the order in which they are added.
    for one in reversed(USAGE_FIELDS):
        name = f"--{one.name.replace('_', '-')}"
        kind = str if one.sort == "text" else int
        command = click.option(name, type=kind, default=one.default, help=one.says)(command)
    return command


@click.command(
    cls=Headed,
    short_help="Send events of a billing system: one, or files of them.",
    headings={
        "--event": "One event",
        "--format": "Files",
        "--watch": "A drop folder",
        "--spool": "While the broker is away",
        "--help": "Help",
    },
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@kafka_options()
@click.option(
    "--topic",
    default=EVENTS.default,
    help="Target topic. It must exist (a worker creates it).",
)
@click.option(
    "--compression", type=click.Choice(["none", "gzip", "snappy", "lz4", "zstd"]), default="zstd"
)
@click.option("--event", metavar="JSON", help="The event as JSON; - reads it from standard input.")
@click.option("--subscriber", help="Send usage of this subscriber. The next options describe it.")
@_usage_options
@click.option(
    "--id", "event_id", help="Event id. An id is counted once per --source. Default: random."
)
@click.option("--source", default="streamproc-send", help="The system that made the id.")
@click.option("--time", "at_ms", type=Instant(), help="Time of the usage. Default: now.")
@click.option(
    "--format",
    "form",
    type=FormName(),
    default="auto",
    help="Format of the files. `auto` chooses by their names (see docs/producer.md).",
)
@click.option(
    "--mapping",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML file that maps columns to fields. Needed for csv and json.",
)
@click.option(
    "--on-bad",
    type=click.Choice(["skip", "stop"]),
    default="skip",
    help="Invalid record: `skip` sends the other records, `stop` sends nothing after it.",
)
@click.option(
    "--watch",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Send every file that appears in this folder, each exactly once, until stopped.",
)
@click.option("--once", is_flag=True, help="Stop when no file is left.")
@click.option(
    "--settle",
    type=Duration(),
    default="2s",
    help="Read a file when it has not changed for this time.",
)
@click.option(
    "--spool",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory in which events wait. They are sent in order when the broker is back.",
)
@click.option(
    "--wait", type=Duration(), default="60s", help="Without a spool: fail after this time."
)
def send(files: tuple[Path, ...], **options: Any) -> None:
    """Send events: one from options, or those in FILES (- is standard input).

    Files may be plain, gzip or zstd. A record without an id gets one made of the file's content and
    the line, so a file that is sent twice counts once. Returns 1 if a record was bad.

    \b
    Examples:
      streamproc send --broker localhost:9092 --subscriber 8613800000001 --total-bytes 1048576
      streamproc send --broker localhost:9092 usage.ndjson.gz
      streamproc send --broker localhost:9092 --mapping columns.yaml usage.csv
      streamproc send --broker localhost:9092 --format tmf635 --watch /var/spool/cdr
    """
    from kafka.errors import KafkaError

    one = options["event"] is not None or options["subscriber"] is not None
    if sum((one, bool(files), options["watch"] is not None)) != 1:
        raise click.UsageError("give one of: FILES, --watch DIR, --event JSON, --subscriber ...")
    try:
        if options["watch"] is not None:
            code = _watch(options)
        elif files:
            code = _send_files(files, options)
        else:
            code = _send_one(options)
    except FileNotFoundError as error:
        raise click.ClickException(f"there is no file {error.filename}") from error
    except (KafkaError, TimeoutError) as error:
        raise click.ClickException(str(error)) from error
    raise SystemExit(code)


def _producer(options: dict[str, Any]) -> UsageProducer:
    from streamproc.producer import UsageProducer

    compression = options["compression"]
    seconds = options["wait"] / 1000
    return UsageProducer(
        options["broker"],
        options["topic"],
        compression=None if compression == "none" else compression,
        spool=options["spool"],
        delivery_seconds=max(seconds, 2.0),
        block_seconds=max(seconds, 2.0),
        bootstrap_timeout_ms=int(max(seconds, 2.0) * 1000) if options["spool"] is None else 2_000,
        max_block_ms=int(max(min(seconds, 10.0), 2.0) * 1000),
    )


def _send_one(options: dict[str, Any]) -> int:
    from streamproc.contracts.records.codec import decode_event
    from streamproc.core.instants import from_ms
    from streamproc.core.state.events import ClockAdvanced
    from streamproc.producer import InvalidEventError, usage
    from streamproc.producing.events import checked_value, subscriber_of, unwrapped

    text = options["event"]
    if text is not None:
        value = unwrapped(sys.stdin.buffer.read() if text == "-" else text.encode())
        key = subscriber_of(value)
        event = decode_event(checked_value(key, value), key)
        if isinstance(event, ClockAdvanced):
            raise InvalidEventError("a clock record belongs to no subscriber; replay writes it")
    else:
        event = usage(
            options["subscriber"],
            source=options["source"],
            id=options["event_id"],
            time=None if options["at_ms"] is None else from_ms(options["at_ms"]),
            **{one.name: options[one.name] for one in USAGE_FIELDS},
        )
    with _producer(options) as producer:
        delivery = producer.send(event)
        if options["spool"] is None:
            placed = delivery.wait(options["wait"] / 1000)
            click.echo(f"event {event.id}: {placed.topic}/{placed.partition} at {placed.offset}")
            return 0
    click.echo(f"event {event.id}: {_left(producer)}")
    return 0


def _send_files(files: tuple[Path, ...], options: dict[str, Any]) -> int:
    from streamproc.contracts.records.codec import decode_event
    from streamproc.core.state.events import ClockAdvanced
    from streamproc.producing.readers import BadRecord, LeftOut

    sent = bad = left_out = 0
    with _producer(options) as producer:
        for path in files:
            for record in _records(path, options):
                if isinstance(record, BadRecord):
                    bad += 1
                    if bad <= SHOWN_BAD:
                        click.echo(f"{path}:{record.line}: {record.reason}", err=True)
                    if options["on_bad"] == "stop":
                        break
                    continue
                if isinstance(record, LeftOut):
                    left_out += 1
                    continue
                event = decode_event(record.value, record.key)
                assert not isinstance(event, ClockAdvanced)
                producer.send(event)
                sent += 1
            if bad and options["on_bad"] == "stop":
                break
    click.echo(
        f"{sent:,} events to {options['topic']}, {bad:,} bad records{_not_taken(left_out)}; "
        f"{_left(producer)}"
    )
    return 1 if bad else 0


def _not_taken(left_out: int) -> str:
    return f", {left_out:,} left out by the mapping" if left_out else ""


def _left(producer: UsageProducer) -> str:
    waiting = producer.waiting
    return f"{waiting:,} wait in the spool for the broker" if waiting else "all are in Kafka"


def _records(path: Path, options: dict[str, Any]) -> Any:
    from streamproc.producing.readers.records import file_id, read_file

    if str(path) != "-":
        return read_file(path, _reader(path, options), file_id(path))
    # Read whole: its id is needed before its first event.
    import io

    import xxhash

    from streamproc.producing.readers.records import decompressed

    content = sys.stdin.buffer.read()
    identity = xxhash.xxh3_128_hexdigest(content)
    return _reader(path, options)(decompressed(io.BytesIO(content)), identity)


def _reader(path: Path, options: dict[str, Any]) -> Reader:
    from streamproc.producing.readers import form_by_name, open_reader

    form, mapping = options["form"], options["mapping"]
    if form == "auto":
        form = form_by_name(path, has_mapping=mapping is not None)
    return open_reader(form, mapping)


def _watch(options: dict[str, Any]) -> int:
    from streamproc.kafka.exactly_once import ExactlyOnceProducer
    from streamproc.kafka.topics import topic_facts
    from streamproc.producing.readers.dropfolder import DropFolder
    from streamproc.tools.replay.pace import Control

    folder: Path = options["watch"].resolve()
    form = Path("x.csv" if options["form"] == "auto" and options["mapping"] else "x.ndjson")
    reader = _reader(form, options)
    facts = topic_facts(options["broker"], options["topic"])
    # The folder names the run: a second process on it takes over, it does not send besides.
    name = hashlib.sha256(f"{folder}\n{options['topic']}".encode()).hexdigest()[:12]
    control = Control()
    bad = 0
    with (
        steered(control, keys=False),
        ExactlyOnceProducer(
            options["broker"],
            options["topic"],
            f"folder-{name}",
            partitions=facts.partitions,
            batch_bytes=facts.batch_bytes,
            compression=options["compression"],
        ) as producer,
    ):
        watched = DropFolder(folder, reader, producer, settle_seconds=options["settle"] / 1000)
        while not control.stopping:
            before = time.monotonic()
            for outcome in watched.hand_over(lambda: control.stopping):
                bad += outcome.bad + (outcome.verdict == "failed")
                click.echo(
                    f"{outcome.path.name}: {outcome.verdict}, {outcome.events:,} events, "
                    f"{outcome.bad:,} bad records{_not_taken(outcome.left_out)}"
                )
            if options["once"] and not watched.pending():
                break
            control.sleep(max(0.5 - (time.monotonic() - before), 0.05))
    return 1 if bad else 0
