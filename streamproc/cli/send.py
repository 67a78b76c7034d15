"""``streamproc send``: sends one event of a billing system, or files of them."""

from __future__ import annotations

import hashlib
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.durations import Duration, Instant
from streamproc.cli.headings import Headed
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.regions import Region
from streamproc.cli.steering import steered
from streamproc.cli.values import FilePath, TopicName
from streamproc.contracts.records.usage_fields import USAGE_FIELDS
from streamproc.contracts.topics import EVENTS

if TYPE_CHECKING:
    from streamproc.contracts.numbers import Numbering
    from streamproc.producer import UsageProducer
    from streamproc.producing.readers import Reader
    from streamproc.producing.readers.sessions import Sessions

SHOWN_BAD = 20


class FormName(click.ParamType):
    """The name of a form of files. Installed packages can add forms."""

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
        "--region": "Phone numbers",
        "--format": "Files",
        "--watch": "A drop folder",
        "--spool": "While the broker is away",
        "--help": "Help",
    },
)
@click.argument("files", nargs=-1, type=FilePath(allow_dash=True))
@kafka_options()
@click.option(
    "--topic",
    type=TopicName(),
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
    "--region",
    type=Region(),
    help="Country of phone numbers without country code, such as CN. Default: they are refused.",
)
@click.option(
    "--subscribers",
    type=click.Choice(["any", "numbers", "ids"]),
    default="any",
    help="`numbers`: refuse text that is not a phone number. `ids`: accept any text unchanged.",
)
@click.option(
    "--format",
    "form",
    type=FormName(),
    default="auto",
    help="Format of the files. `auto` chooses by their names (see docs/producer.md).",
)
@click.option(
    "--mapping",
    type=FilePath(exists=True, dir_okay=False),
    help="YAML file that maps columns to fields. Needed for csv and json.",
)
@click.option(
    "--sessions",
    type=FilePath(dir_okay=False),
    help="File that remembers running totals of sessions from one run to the next. "
    "With --watch it is in the folder.",
)
@click.option(
    "--on-bad",
    type=click.Choice(["skip", "stop"]),
    default="skip",
    help="Invalid record: `skip` sends the other records, `stop` sends nothing after it.",
)
@click.option(
    "--watch",
    type=FilePath(exists=True, file_okay=False),
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
    type=FilePath(file_okay=False),
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

    from streamproc.kafka.rights import said

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
        raise click.ClickException(said(error)) from error
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
        numbering=_numbering(options),
    )


def _numbering(options: dict[str, Any]) -> Numbering:
    from streamproc.contracts.numbers import Numbering

    return Numbering(options["region"], options["subscribers"])


def _send_one(options: dict[str, Any]) -> int:
    from streamproc.contracts.records.codec import decode_event
    from streamproc.core.instants import from_ms
    from streamproc.core.state.events import ClockAdvanced
    from streamproc.producer import InvalidEventError, usage
    from streamproc.producing.events import checked_value, subscriber_of, unwrapped, with_keys_in

    text, numbering = options["event"], _numbering(options)
    if text is not None:
        value = unwrapped(sys.stdin.buffer.read() if text == "-" else text.encode())
        value = with_keys_in(value, numbering)
        key = subscriber_of(value)
        event = decode_event(checked_value(key, value, numbering.kind), key)
        if isinstance(event, ClockAdvanced):
            raise InvalidEventError("a clock record belongs to no subscriber; replay writes it")
    else:
        event = usage(
            options["subscriber"],
            source=options["source"],
            id=options["event_id"],
            time=None if options["at_ms"] is None else from_ms(options["at_ms"]),
            numbering=numbering,
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
    from streamproc.producing.readers.sessions import Sessions

    tally = _Tally()
    sessions = Sessions(options["sessions"])
    try:
        with _producer(options) as producer:
            for path in files:
                identity = _send_file(path, producer, sessions, options, tally)
                if identity is None:
                    break
                if options["sessions"] is not None:
                    producer.flush()  # before the memory stores that the bytes are sent
                sessions.fold(identity)
        unended = sessions.open_sessions() if options["sessions"] is None else 0
    finally:
        sessions.close()
    click.echo(
        f"{tally.sent:,} events to {options['topic']}, {tally.bad:,} bad records"
        f"{_not_taken(tally.left_out)}; {_left(producer)}"
    )
    if unended:
        click.echo(
            f"{unended:,} sessions have not ended: give --sessions FILE, or the next run charges "
            "all that they used again",
            err=True,
        )
    if sessions.pushed_out:
        click.echo(
            f"{sessions.pushed_out:,} sessions were forgotten, because there are too many "
            "(running_totals.kept_sessions)",
            err=True,
        )
    return 1 if tally.bad else 0


@dataclass
class _Tally:
    """Counts of the results of records."""

    sent: int = 0
    bad: int = 0
    left_out: int = 0


def _send_file(
    path: Path,
    producer: UsageProducer,
    sessions: Sessions,
    options: dict[str, Any],
    tally: _Tally,
) -> str | None:
    """Send the events of a file; returns its identity, or None if a bad record ends the command."""
    from streamproc.contracts.records.codec import decode_event
    from streamproc.core.state.events import ClockAdvanced
    from streamproc.producing.readers import BadRecord, LeftOut
    from streamproc.producing.readers.records import Doubts

    identity, records = _records(path, sessions, options)
    doubts = Doubts()
    for record in records:
        if isinstance(record, BadRecord):
            tally.bad += 1
            if tally.bad <= SHOWN_BAD:
                click.echo(f"{path}:{record.line}: {record.reason}", err=True)
            if options["on_bad"] == "stop":
                return None
            continue
        if isinstance(record, LeftOut):
            tally.left_out += 1
            continue
        doubts.count(record)
        event = decode_event(record.value, record.key)
        assert not isinstance(event, ClockAdvanced)
        producer.send(event)
        tally.sent += 1
    for said in doubts.told():
        click.echo(f"{path}: {said}", err=True)
    return identity


def _not_taken(left_out: int) -> str:
    return f", {left_out:,} left out by the mapping" if left_out else ""


def _left(producer: UsageProducer) -> str:
    waiting = producer.waiting
    return f"{waiting:,} wait in the spool for the broker" if waiting else "all are in Kafka"


def _records(path: Path, sessions: Sessions, options: dict[str, Any]) -> tuple[str, Any]:
    """The identity of a file, and its records."""
    from streamproc.producing.readers.records import file_id, read_file

    reader = _reader(path, sessions, options)
    if str(path) != "-":
        identity = file_id(path)
        return identity, read_file(path, reader, identity)
    # The whole file is read first, because its id is needed before its first event.
    import io

    import xxhash

    from streamproc.producing.readers.records import decompressed

    content = sys.stdin.buffer.read()
    identity = xxhash.xxh3_128_hexdigest(content)
    return identity, reader(decompressed(io.BytesIO(content)), identity)


def _reader(path: Path, sessions: Sessions, options: dict[str, Any]) -> Reader:
    from streamproc.producing.readers import form_by_name, open_reader

    form, mapping = options["form"], options["mapping"]
    if form == "auto":
        form = form_by_name(path, has_mapping=mapping is not None)
    return open_reader(form, mapping, _numbering(options), sessions)


def _watch(options: dict[str, Any]) -> int:
    from streamproc.kafka.exactly_once import ExactlyOnceProducer
    from streamproc.kafka.topic_watch import TopicWatch
    from streamproc.kafka.topics import topic_facts
    from streamproc.producing.readers.dropfolder import MEMORY, DropFolder
    from streamproc.producing.readers.sessions import Sessions
    from streamproc.tools.replay.pace import Control

    folder: Path = options["watch"].resolve()
    form = Path("x.csv" if options["form"] == "auto" and options["mapping"] else "x.ndjson")
    (folder / MEMORY).mkdir(parents=True, exist_ok=True)
    sessions = Sessions(options["sessions"] or folder / MEMORY / "sessions.sqlite")
    reader = _reader(form, sessions, options)
    facts = topic_facts(options["broker"], options["topic"])
    # The folder names the run, so a second process on the folder takes over from the first.
    name = hashlib.sha256(f"{folder}\n{options['topic']}".encode()).hexdigest()[:12]
    control = Control()
    bad = 0
    watch = TopicWatch(options["broker"], {options["topic"]: facts.partitions})
    with (
        closing(watch),
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
        watched = DropFolder(
            folder, reader, producer, sessions, settle_seconds=options["settle"] / 1000
        )
        while not control.stopping:
            watch.look_now_and_then()
            before = time.monotonic()
            for outcome in watched.hand_over(lambda: control.stopping):
                bad += outcome.bad + (outcome.verdict == "failed")
                click.echo(
                    f"{outcome.path.name}: {outcome.verdict}, {outcome.events:,} events, "
                    f"{outcome.bad:,} bad records{_not_taken(outcome.left_out)}"
                )
                for said in outcome.doubts.told():
                    click.echo(f"{outcome.path.name}: {said}", err=True)
            if options["once"] and not watched.pending():
                break
            control.sleep(max(0.5 - (time.monotonic() - before), 0.05))
    return 1 if bad else 0
