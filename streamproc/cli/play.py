"""``streamproc play``: the effect of rules on files of events, without a broker."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.durations import Instant
from streamproc.cli.file_options import (
    SHOWN_BAD,
    file_options,
    left_out_told,
    reading_of,
    tell_others,
)
from streamproc.cli.printing import console, echo
from streamproc.cli.regions import STDIN, asked_for, refuse_second_reader, subscribers_option
from streamproc.cli.rules import RulesPath, read_rules
from streamproc.cli.values import FilePath
from streamproc.cli.virtual import input_records
from streamproc.core.privacy import mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamproc.core.rules.rulebook import Rulebook
    from streamproc.core.state.account import Account
    from streamproc.kafka.recording import LogRecord
    from streamproc.tools.play.playing import Played
    from streamproc.tools.play.reading import BadLine, EventFiles, EventLine
    from streamproc.worker.virtual import VirtualWorker

PLAIN_WIDTH, LEAST_WIDTH, MOST_WIDTH = 80, 40, 110
_RULES_SUFFIXES = frozenset({".yaml", ".yml", ".toml"})


class _Engine:
    """The worker in memory."""

    def __init__(self, worker: VirtualWorker) -> None:
        self._worker = worker

    def next_due_ms(self, partition: int) -> int:
        return self._worker.next_due_ms(partition)

    def reach(self, partition: int, now_ms: int) -> None:
        self._worker.reach(partition, now_ms)

    def apply(self, record: LogRecord) -> None:
        self._worker.apply(input_records([record]))

    def account(self, partition: int, key: bytes) -> Account | None:
        return self._worker.account(partition, key)


@click.command(short_help="Show what rules do with a file of events.")
@click.argument("files", nargs=-1, required=True, metavar="[RULES] EVENTS...")
@click.option(
    "--until",
    "until_ms",
    type=Instant(),
    help=(
        "Let time pass until this instant, such as 2026-02-03T00:00:00+08:00. Default: a "
        "day after the last billing cycle that has an event."
    ),
)
@click.option(
    "--locale", metavar="TAG", help="All subscribers read texts in this language, such as en."
)
@subscribers_option("Show only")
@click.option(
    "--view",
    type=click.Choice(["timeline", "phone"]),
    default="timeline",
    help="Show everything that happens, or only what each phone shows.",
)
@click.option("--all", "every", is_flag=True, help="Show each usage event separately.")
@click.option(
    "--sender", metavar="NAME", default="", show_default=False,
    help="Sender of the messages. Default: the brand in RULES.",
)  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="Write JSON, one object on each line, for programs."
)
@click.option(
    "--picture",
    type=FilePath(dir_okay=False),
    metavar="FILE",
    help="Draw timelines (.png, .svg, .pdf). Needs streamproc[pictures].",
)
@file_options(
    sessions="File in which `streamproc send` remembers running totals; it is only read.",
    bad="Invalid record: `skip` plays the other records, `stop` plays nothing after it.",
)
def play(files: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Play EVENTS under RULES: every SMS, every held or dropped message and why, and balances.

    EVENTS are files as `streamproc send` takes them; - is standard input. RULES is a rules file or
    pack:NAME; without it the packaged rules are used. An event arrives at its own time. It needs no
    broker and stores nothing. Returns 1 if a record is not an event or an event was rejected.

    \b
    streamproc play rules.yaml events.ndjson
    streamproc play pack:us events.ndjson --view phone
    streamproc play rules.yaml events.ndjson --locale ar --picture lives.png
    streamproc play rules.yaml activations.ndjson usage.csv --mapping columns.yaml
    """
    if STDIN in files:
        refuse_second_reader(click.get_current_context(), "EVENTS")
    rules_path, events_paths = _paths(files)
    # A missing library is reported before the play, which may take long.
    if options["picture"] is not None:
        _check_pictures()
    rules = read_rules(rules_path)
    read, lines = _events(events_paths, options)
    if not lines:
        raise click.ClickException(
            f"{read.name}: none of its records is an event{left_out_told(read.left_out)}"
        )
    played = _played(rules, lines, options["until_ms"])
    if not played.events:
        raise click.ClickException("--until is before the first event: nothing was played")
    subscribers = _chosen(played, options["subscribers"])
    _tell_rejected(played, rules)
    _make_printable()
    if as_json:
        _print_json(played, read.bad, rules, subscribers)
    else:
        _print(played, read, rules, subscribers, options)
    if options["picture"] is not None:
        _draw(played, subscribers, options["picture"])
    raise SystemExit(1 if read.bad or played.rejects() else 0)


def _check_pictures() -> None:
    from streamproc.tools.pictures import check

    check()


def _paths(files: tuple[str, ...]) -> tuple[Path | None, list[Path]]:
    """The rules file, if there is one, and the files of events."""
    first, *others = files
    if _is_rules(first) or (others and first != "-" and not Path(first).suffix):
        if not others:
            raise click.UsageError(f"EVENTS are missing: streamproc play {first} events.ndjson")
        rules = RulesPath().convert(first, None, None)
    else:
        rules, others = None, [first, *others]
    for events in others:
        if _is_rules(events) and rules is not None:
            raise click.UsageError("give one file of RULES")
        if _is_rules(events):
            moved = " ".join(one for one in others if one != events)
            raise click.UsageError(f"RULES come first: streamproc play {events} {moved}")
        if events != "-":
            _refuse_no_file(events)
    return rules, [FilePath(allow_dash=True).convert(one, None, None) for one in others]


def _refuse_no_file(events: str) -> None:
    path = FilePath().convert(events, None, None)
    try:
        if path.is_file():
            return
        path.stat()
        what = "is a folder" if path.is_dir() else "is not a file"
    except FileNotFoundError:
        what = "is not there"
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
    raise click.ClickException(f"{events} {what}; give a file of events")


def _is_rules(name: str) -> bool:
    return name.startswith("pack:") or Path(name).suffix.lower() in _RULES_SUFFIXES


def _events(paths: list[Path], options: dict[str, Any]) -> tuple[EventFiles, list[EventLine]]:
    """The files, read to their end, and their lines."""
    from streamproc.producing.readers.files import InputFile
    from streamproc.producing.readers.sessions import Sessions
    from streamproc.tools.play.reading import EventFiles, in_locale

    sessions = Sessions() if options["sessions"] is None else Sessions.copy_of(options["sessions"])
    locale = None if options["locale"] is None else _known_locale(options["locale"])
    reading = reading_of(options, sessions)
    read = EventFiles([InputFile(one) for one in paths], reading, options["on_bad"] == "stop")
    lines = list(read.lines())
    tell_others(read, sessions)
    return read, lines if locale is None else [in_locale(one, locale) for one in lines]


def _known_locale(tag: str) -> str:
    from streamproc.contracts.rules_file.format.locales import locale_problem

    problem = locale_problem(tag)
    if problem:
        raise click.BadParameter(problem, param_hint="--locale")
    return tag


def _tell_rejected(played: Played, rules: Rulebook) -> None:
    from streamproc.tools.play.happening_words import reject_words

    rejects = played.rejects()
    for line, reject in rejects[:SHOWN_BAD]:
        told = reject_words(reject, line.event, rules)
        echo(f"{line.file}:{line.number}: rejected: {told}", err=True)
    if len(rejects) > SHOWN_BAD:
        echo(f"{len(rejects) - SHOWN_BAD:,} more rejected events", err=True)


def _played(rules: Rulebook, lines: list[EventLine], until_ms: int | None) -> Played:
    from streamproc.tools.play.playing import Play
    from streamproc.worker.virtual import VirtualWorker

    run = Play(rules)
    worker = VirtualWorker(rules, lambda _topic, _key, value: run.take(value), "off")
    played = run.run(_Engine(worker), lines, until_ms)
    _tell_failures(worker)
    return played


def _tell_failures(worker: VirtualWorker) -> None:
    """An author of rule kinds learns where they fail (docs/extending.md)."""
    import traceback

    for failure in worker.failures[:1]:
        cause = failure.__cause__ or failure
        where = traceback.extract_tb(cause.__traceback__)[-1]
        echo(
            f"the code failed {len(worker.failures):,} times; first in {where.filename}:"
            f"{where.lineno}: {type(cause).__name__}: {cause}",
            err=True,
        )


def _chosen(played: Played, wanted: tuple[str, ...]) -> list[str]:
    """The subscribers to show, in the order of the file."""
    known = played.subscribers
    wanted = tuple(asked_for(one, None) for one in wanted)
    for one in wanted:
        if one not in known:
            raise click.ClickException(f"no event has the subscriber {mask(one)}")
    return [one for one in known if not wanted or one in wanted]


def _print_json(
    played: Played, bad: Sequence[BadLine], rules: Rulebook, subscribers: list[str]
) -> None:
    import msgspec

    from streamproc.tools.play.document import documents

    for one in documents(played, bad, rules, set(subscribers)):
        echo(msgspec.json.encode(one).decode())


def _print(
    played: Played,
    read: EventFiles,
    rules: Rulebook,
    subscribers: list[str],
    options: dict[str, Any],
) -> None:
    from streamproc.tools.play.showing import PlayLook, PlayView
    from streamproc.tools.wrapping import lines_of

    terminal = console()
    is_terminal = terminal.is_terminal and not terminal.is_dumb_terminal
    width = min(max(terminal.width, LEAST_WIDTH), MOST_WIDTH) if is_terminal else PLAIN_WIDTH
    shown = PlayView(
        played, rules, PlayLook(width, is_terminal, options["sender"], options["every"])
    )
    is_timeline = options["view"] == "timeline"
    lines = shown.timeline(subscribers) if is_timeline else shown.phones(subscribers)
    for line in chain(lines, shown.no_events(read.bad) if is_timeline else ()):
        # A pipe or a file gets plain lines, without colours.
        if is_terminal:
            terminal.print(line, soft_wrap=True, highlight=False)
        else:
            echo(line.plain)
    for sentence in shown.summary(len(read.bad), read.left_out):
        for told in lines_of(sentence, width):
            echo(told)


def _draw(played: Played, subscribers: list[str], path: Path) -> None:
    from streamproc.tools.play.picture import draw

    try:
        draw(played, subscribers, path)
    except ValueError as error:
        raise click.ClickException(f"{path}: {error}") from error


def _make_printable() -> None:
    """Replace characters that the output cannot show, so that they do not stop the command."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
