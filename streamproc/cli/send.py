"""``streamproc send``: sends one event of a billing system, or files of them."""

from __future__ import annotations

import hashlib
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.durations import Duration, Instant
from streamproc.cli.file_options import (
    BadRecords,
    file_options,
    left_out_told,
    numbering_of,
    reading_of,
    tell_pushed_out,
)
from streamproc.cli.headings import Headed
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.printing import echo
from streamproc.cli.process_options import http_options
from streamproc.cli.regions import Subscriber
from streamproc.cli.steering import steered
from streamproc.cli.tool_pages import tool_pages
from streamproc.cli.topic_options import events_option, refuse_output
from streamproc.cli.values import FilePath
from streamproc.contracts.records.personal import Holds, held_by
from streamproc.contracts.records.usage_fields import USAGE_FIELDS
from streamproc.core.state.events import UsageRecorded
from streamproc.input_files import naming

if TYPE_CHECKING:
    from streamproc.producer import UsageProducer
    from streamproc.producing.readers.files import FileEvents, InputFile


def _usage_options(command: Any) -> Any:
    """One option for each field of a usage event."""
    # click shows options in the reverse of the order in which they are added.
    for one in reversed(USAGE_FIELDS):
        name = f"--{one.name.replace('_', '-')}"
        kind: Any = str if one.sort == "text" else int
        if kind is str and held_by(UsageRecorded.__name__, one.name) is Holds.SUBSCRIBER:
            kind = Subscriber()
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
        "--http-port": "Metrics, with --watch",
        "--help": "Help",
    },
)
@click.argument("files", nargs=-1, type=FilePath(allow_dash=True))
@kafka_options(role="billing")
@events_option("Target topic. It must exist (`streamproc topics create`).")
@click.option(
    "--compression", type=click.Choice(["none", "gzip", "snappy", "lz4", "zstd"]), default="zstd"
)
@click.option("--event", metavar="JSON", help="The event as JSON; - reads it from standard input.")
@click.option(
    "--subscriber",
    type=Subscriber(),
    help="Send usage of this subscriber. The next options describe it.",
)
@_usage_options
@click.option(
    "--id", "event_id", help="Event id. An id is counted once per --source. Default: random."
)
@click.option("--source", default="streamproc-send", help="The system that made the id.")
@click.option("--time", "at_ms", type=Instant(), help="Time of the usage. Default: now.")
@file_options(
    sessions=(
        "File that remembers running totals of sessions from one run to the next. With --watch it "
        "is in the folder."
    ),
    bad="Invalid record: `skip` sends the other records, `stop` sends nothing after it.",
)
@click.option(
    "--watch",
    type=FilePath(exists=True, file_okay=False),
    help="Send every file that appears in this folder, each exactly once, until stopped.",
)
@click.option(
    "--state",
    type=FilePath(file_okay=False),
    help="Directory that remembers what was sent. It must not be in the folder. "
    "Default: FOLDER.streamproc, beside the folder.",
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
@http_options
def send(files: tuple[Path, ...], **options: Any) -> None:
    """Send events: one from options, or those in FILES (- is standard input).

    A number is given as - (standard input) or @FILE, so that no process list shows it.

    Files may be plain, gzip or zstd. A record without an id gets one made of the file's content and
    the line, so a file that is sent twice counts once. Returns 1 if a record was bad.

    \b
    Examples:
      streamproc send --broker localhost:9092 --subscriber - --total-bytes 1048576 < number.txt
      streamproc send --broker localhost:9092 usage.ndjson.gz
      streamproc send --broker localhost:9092 --mapping columns.yaml usage.csv
      streamproc send --broker localhost:9092 --format tmf635 --watch /var/spool/cdr
    """
    from kafka.errors import KafkaError

    from streamproc.kafka.missing_rights import said

    one = options["event"] is not None or options["subscriber"] is not None
    if sum((one, bool(files), options["watch"] is not None)) != 1:
        raise click.UsageError("give one of: FILES, --watch DIR, --event JSON, --subscriber ...")
    if options["http_port"] is not None and options["watch"] is None:
        raise click.UsageError("--http-port goes with --watch: everything else ends by itself")
    refuse_output(options["topic"])
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
        raise click.ClickException(said(error, options["broker"], "Write")) from error
    raise SystemExit(code)


def _producer(options: dict[str, Any]) -> UsageProducer:
    from streamproc.kafka.probe import refuse_unreachable
    from streamproc.producer import UsageProducer

    compression = options["compression"]
    seconds, begun = options["wait"] / 1000, time.monotonic()
    refuse_unreachable(options["broker"])
    bootstrap_seconds = max(seconds - (time.monotonic() - begun), 2.0)
    return UsageProducer(
        options["broker"],
        options["topic"],
        compression=None if compression == "none" else compression,
        spool=options["spool"],
        delivery_seconds=max(seconds, 2.0),
        block_seconds=max(seconds, 2.0),
        bootstrap_timeout_ms=int(bootstrap_seconds * 1000) if options["spool"] is None else 2_000,
        max_block_ms=int(max(min(seconds, 10.0), 2.0) * 1000),
        numbering=numbering_of(options),
    )


def _send_one(options: dict[str, Any]) -> int:
    from streamproc.contracts.records.codec import decode_event
    from streamproc.core.instants import from_ms
    from streamproc.core.state.events import ClockAdvanced
    from streamproc.producer import InvalidEventError, usage
    from streamproc.producing.events import checked_value, subscriber_of, unwrapped, with_keys_in

    text, numbering = options["event"], numbering_of(options)
    if text is not None:
        with naming("standard input"):
            value = unwrapped(sys.stdin.buffer.read() if text == "-" else text.encode())
        try:
            value = with_keys_in(value, numbering)
            key = subscriber_of(value)
            event = decode_event(checked_value(key, value, numbering.kind), key)
        except InvalidEventError as error:
            raise click.ClickException(f"--event: {error}") from error
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
            echo(f"event {event.id}: {placed.topic}/{placed.partition} at {placed.offset}")
            return 0
    echo(f"event {event.id}: {_left(producer)}")
    return 0


def _send_files(files: tuple[Path, ...], options: dict[str, Any]) -> int:
    from streamproc.producing.readers.files import FileEvents, InputFile
    from streamproc.producing.readers.sessions import Sessions

    sessions, tell_bad = Sessions(options["sessions"]), BadRecords()
    found = FileEvents(reading_of(options, sessions), tell_bad, options["on_bad"] == "stop")
    inputs = [InputFile(one) for one in files]
    # A command with a wrong file ends before it waits for a broker.
    found.reading.check()
    for file in inputs:
        file.first_bytes()
    sent = 0
    try:
        with _producer(options) as producer:
            for file in inputs:
                sent += _send_file(file, producer, found)
                if found.is_stopped:
                    break
                if options["sessions"] is not None:
                    producer.flush()  # before the memory stores that the bytes are sent
                sessions.fold(file.identity)
        unended = sessions.open_sessions() if options["sessions"] is None else 0
    finally:
        sessions.close()
    tell_bad.tell_rest()
    echo(
        f"{sent:,} events to {options['topic']}, {found.bad:,} bad records"
        f"{left_out_told(found.left_out)}; {_left(producer)}"
    )
    if unended:
        echo(
            f"{unended:,} sessions have not ended: give --sessions FILE, or the next run charges "
            "all that they used again",
            err=True,
        )
    tell_pushed_out(sessions)
    return 1 if found.bad else 0


def _send_file(file: InputFile, producer: UsageProducer, found: FileEvents) -> int:
    """Send the events of a file; returns their number."""
    from streamproc.contracts.records.codec import decode_event
    from streamproc.core.state.events import ClockAdvanced
    from streamproc.producing.readers.record_results import Doubts

    doubts, sent = Doubts(), 0
    for record in found.of(file, doubts):
        event = decode_event(record.value, record.key)
        assert not isinstance(event, ClockAdvanced)
        producer.send(event)
        sent += 1
    for said in doubts.told():
        echo(f"{file.name}: {said}", err=True)
    return sent


def _left(producer: UsageProducer) -> str:
    waiting = producer.waiting
    return f"{waiting:,} wait in the spool for the broker" if waiting else "all are in Kafka"


def _watch(options: dict[str, Any]) -> int:
    from streamproc.contracts.rights import EXACTLY_ONCE
    from streamproc.kafka.exactly_once import ExactlyOnceProducer
    from streamproc.kafka.silence import Silence, left_to_others
    from streamproc.kafka.topic_watch import TopicWatch
    from streamproc.kafka.topics import topic_facts
    from streamproc.producing.readers.dropfolder import DropFolder, state_directory
    from streamproc.producing.readers.sessions import Sessions
    from streamproc.tools.replay.pace import Control

    folder: Path = options["watch"].resolve()
    state = state_directory(folder, options["state"])
    sessions = Sessions(options["sessions"] or state / "sessions.sqlite")
    reading = reading_of(options, sessions)
    reading.check()
    facts = topic_facts(options["broker"], options["topic"], operations=EXACTLY_ONCE)
    # The folder names the run, so a second process on the folder takes over from the first.
    name = hashlib.sha256(f"{folder}\n{options['topic']}".encode()).hexdigest()[:12]
    control = Control()
    bad = sent = 0
    broker, silence = options["broker"], Silence(options["broker"], left_to_others)
    needs = {options["topic"]: EXACTLY_ONCE}
    watch = TopicWatch(broker, {options["topic"]: facts.partitions}, None, silence, needs)
    place = options["http_host"], options["http_port"]
    with (
        closing(watch),
        steered(control, keys=False),
        tool_pages("send", broker, control, lambda: sent, place) as pages,
        ExactlyOnceProducer(
            options["broker"],
            options["topic"],
            f"folder-{name}",
            partitions=facts.partitions,
            batch_bytes=facts.batch_bytes,
            compression=options["compression"],
        ) as producer,
    ):
        seconds = options["settle"] / 1000
        watched = DropFolder(folder, reading, producer, state, settle_seconds=seconds)

        def stopping() -> bool:
            control.turn()
            return control.stopping

        while not control.stopping:
            watch.look_now_and_then()
            before = time.monotonic()
            for outcome in watched.hand_over(stopping):
                bad += outcome.bad + (outcome.verdict == "failed")
                sent += outcome.events
                if pages is not None:
                    pages.file_done(outcome.verdict, outcome.bad)
                echo(
                    f"{outcome.path.name}: {outcome.verdict}, {outcome.events:,} events, "
                    f"{outcome.bad:,} bad records{left_out_told(outcome.left_out)}"
                )
                for said in outcome.doubts.told():
                    echo(f"{outcome.path.name}: {said}", err=True)
            if options["once"] and not watched.pending():
                break
            control.sleep(max(0.5 - (time.monotonic() - before), 0.05))
    return 1 if bad else 0
