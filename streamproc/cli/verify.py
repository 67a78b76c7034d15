"""``streamproc verify``: compares every stored state with a recalculation from the input."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.printing import echo
from streamproc.cli.regions import asked_for, subscribers_option
from streamproc.cli.rules import read_rules, rules_option
from streamproc.cli.shared_options import app_id_option, clock_option
from streamproc.cli.topic_options import inputs_option, named_topics, taken, topic_options
from streamproc.cli.values import Count, FilePath, Number
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.privacy import mask
from streamproc.errors import StreamprocError
from streamproc.printable import printable

if TYPE_CHECKING:
    from streamproc.core.rules.rulebook import Rulebook
    from streamproc.tools.verify.verify import PartitionReport
    from streamproc.worker.settings import WorkerSettings

DIFFERENT, NOT_VERIFIED = 1, 3


@click.command(short_help="Compare the stored states with a recalculation.")
@kafka_options(role="reader")
@rules_option()
@app_id_option()
@inputs_option
@topic_options(WorkerTopics, "forwarded", "reminders")
@clock_option()
@click.option(
    "--partition",
    "only",
    multiple=True,
    type=Count(),
    help="Verify only this partition. May be repeated. Default: all.",
)
@subscribers_option("Verify only", " Only the partitions that they belong in are read.")
@click.option(
    "--share",
    type=Number(0.0, 1.0, min_open=True),
    default=1.0,
    help="Verify only this share of the subscribers, such as 0.01; each time the same ones.",
)
@click.option(
    "--checkpoint",
    "checkpoints",
    type=FilePath(file_okay=False),
    help="Directory that keeps the recalculated states: the next run continues from there.",
)
@click.option(
    "--checkpoint-every-seconds",
    type=Number(0.01),
    default=60.0,
    help="How often to write into that directory within a partition, so that a run that was killed "
    "continues there.",
)
@click.option(
    "--show",
    default=10,
    type=Count(),
    help="How many differing subscribers to show for each partition.",
)
@click.option(
    "--native",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    help="Recalculate simple usage with the compiled (Rust) code. Results do not change.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def verify(
    inputs: tuple[str, ...],
    rules: Path | None,
    only: tuple[int, ...],
    subscribers: tuple[str, ...],
    share: float,
    checkpoints: Path | None,
    checkpoint_every_seconds: float,
    show: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Recalculate every state from the input and compare it with the changelog.

    It only reads, and workers may continue: each partition is compared at its last commit. It needs
    memory for two copies of the largest partition, and the input from its beginning: input that
    retention has deleted cannot be verified. Exit status: 0 all equal, 1 something differs or an
    account is in a wrong partition, 3 nothing differs but not everything could be verified, or a
    topic loses records: input or reminders are missing in the middle of it (compaction), or its
    cleanup.policy will remove some.

    Some subscribers that differ are reported separately as not comparable: those of partitions
    that were calculated under other rules, and with --clock wall those whose state depends on the
    order of an event and a timer.

    For a sample (--share, --subscriber) it needs memory for these subscribers alone, and reads no
    reminders without a directory for checkpoints. With one it reads all input and reminders once;
    later runs read what has come since. A run that was killed in the middle of a partition
    continues there.
    """
    from streamproc.worker.settings import WorkerSettings

    rulebook = read_rules(rules)
    topics = taken(WorkerTopics, options, inputs=tuple(inputs))
    settings = WorkerSettings(topics=topics, **options)
    named = set(named_topics("inputs", "forwarded", "reminders"))
    keys = frozenset(asked_for(one, None).encode() for one in subscribers)
    task = _Task(
        *(settings, rulebook, only, keys, share, checkpoints),
        *(checkpoint_every_seconds, show, quiet, named),
    )
    sys.exit(_conclude(asyncio.run(_verify(task))))


class VerifyError(StreamprocError, click.ClickException):
    """The comparison could not be made; the message says why."""

    exit_code = NOT_VERIFIED


@dataclass(frozen=True)
class _Task:
    """What is to be compared, and how it is shown."""

    settings: WorkerSettings
    rules: Rulebook
    only: tuple[int, ...]
    subscribers: frozenset[bytes]
    share: float
    checkpoints: Path | None
    checkpoint_every_seconds: float
    show: int
    quiet: bool
    named: set[str]
    """Topics that somebody named. All others have their usual names."""

    def partitions(self, count: int) -> list[int]:
        """The partitions to read."""
        from streamproc.partitioner import partition_of

        if self.only or not self.subscribers:
            return list(self.only or range(count))
        return sorted({partition_of(key, count) for key in self.subscribers})


@dataclass
class _Result:
    """What was found in all partitions."""

    reports: list[PartitionReport] = field(default_factory=list)
    doubled: set[bytes] = field(default_factory=set)
    """Subscribers with two accounts."""
    unknown: int = 0
    """Subscribers who were named and have no account."""
    losing: int = 0
    """Topics that lose records by their settings, and partitions that have lost some."""


async def _verify(task: _Task) -> _Result:
    from aiokafka.errors import KafkaError

    from streamproc.tools.verify.checkpoint import in_use
    from streamproc.tools.verify.verify import with_two_accounts

    settings, result = task.settings, _Result()
    try:
        count = await asyncio.to_thread(_partitions, task)
        reminders = await _tell_losing_settings(task, result)
        with in_use(task.checkpoints, settings.app_id):
            for number in task.partitions(count):
                await _verify_partition(task, number, count, reminders, result)
        result.doubled = await with_two_accounts(settings, result.reports)
    except VerifyError:
        raise
    except StreamprocError as error:
        raise VerifyError(str(error)) from error
    except (KafkaError, OSError, TimeoutError) as error:
        raise VerifyError(f"{type(error).__name__}: {error}") from error
    _tell_misplaced(result.reports, result.doubled, task.show)
    _tell_unknown(task, result)
    return result


def _partitions(task: _Task) -> int:
    """The number of partitions, after everything that is known before they are read is checked."""
    from streamproc.worker.native_bridge.loading import is_native
    from streamproc.worker.topics import changelog_partitions

    settings = task.settings
    is_native(settings.native)
    count = changelog_partitions(settings)
    if not count:
        raise VerifyError(
            f"there is no topic {settings.changelog} at {settings.broker}; correct --app-id"
        )
    unknown = [number for number in task.only if number >= count]
    if unknown:
        raise VerifyError(
            f"{settings.changelog} has the partitions 0 to {count - 1}; "
            f"correct --partition {unknown[0]}"
        )
    return count


async def _tell_losing_settings(task: _Task, result: _Result) -> int:
    """Returns the number of partitions of reminders."""
    from streamproc.tools.verify.losses import look_at_topics

    looked = await asyncio.to_thread(look_at_topics, task.settings)
    mistyped = [name for name in looked.missing if name in task.named]
    if mistyped:
        raise VerifyError(
            f"there is no topic {', '.join(mistyped)} at {task.settings.broker}; correct the "
            "option that names it"
        )
    for fault in looked.losing:
        echo(f"critical: {fault}")
        result.losing += 1
    return looked.reminders


async def _verify_partition(
    task: _Task, number: int, count: int, reminders: int, result: _Result
) -> None:
    from streamproc.tools.verify.losses import in_words
    from streamproc.tools.verify.sample import SubscriberSample
    from streamproc.tools.verify.verify import missing_reminders, verify_partition

    sample = SubscriberSample(task.subscribers, task.share)
    progress = _Progress(number, count, task.quiet)
    report = await verify_partition(
        *(task.settings, task.rules, number, int(time.time() * 1000), progress.advanced),
        *(count, sample, task.checkpoints, task.checkpoint_every_seconds),
    )
    lost, why = None, "it does not exist, or this user may not read it"
    if not sample.is_all and task.checkpoints is None:
        why = "this is a sample; everything or --checkpoint finds records that it has lost"
    elif number < reminders:
        lost = await missing_reminders(task.settings, number, task.checkpoints)
    report.missing |= lost or {}
    progress.end()
    _tell(report, task.show)
    if lost is None and not result.reports:
        echo(f"{task.settings.topics.reminders}: not looked at; {why}")
    for topic, missing in sorted(report.missing.items()):
        echo(f"  critical: {in_words(topic, missing)}")
    result.losing += bool(report.missing)
    result.reports.append(report)


class _Progress:
    """A line on standard error from time to time."""

    def __init__(self, partition: int, count: int, quiet: bool) -> None:
        self._name = f"partition {partition} of {count}"
        self._records = 0
        self._told_at = time.monotonic()
        self._is_quiet = quiet
        self._has_told = False
        self._is_terminal = sys.stderr.isatty()
        self._every_seconds = 1.0 if self._is_terminal else 5.0

    def advanced(self, records: int) -> None:
        self._records += records
        if self._is_quiet or time.monotonic() - self._told_at < self._every_seconds:
            return
        said = f"{printable(self._name)}: {self._records:,} records"
        click.echo(f"\r{said}" if self._is_terminal else said, nl=not self._is_terminal, err=True)
        self._told_at, self._has_told = time.monotonic(), True

    def end(self) -> None:
        if self._has_told and self._is_terminal:
            click.echo("", err=True)


def _tell(report: PartitionReport, show: int) -> None:
    if report.obstacle:
        echo(f"partition {report.partition}: not verified: {report.obstacle}")
        return
    echo(
        f"partition {report.partition}: {report.records:,} records, {report.equal:,} subscribers "
        f"equal, {len(report.differences):,} differ"
    )
    if report.continued_at:
        echo(f"  continued an interrupted run after {report.continued_at:,} records")
    if report.begun_anew:
        echo(f"  the checkpoint was not used: {report.begun_anew}")
    for reason, count in sorted(report.not_comparable.items()):
        echo(f"  {count:,} not comparable: {reason}")
    if report.ids:
        echo(f"  ids of events: {report.ids}")
    if report.elsewhere:
        echo(
            f"  {report.elsewhere:,} records are in a wrong partition: refused, or forwarded "
            "(docs/contracts.md)"
        )
    for one in report.differences[:show]:
        echo(f"  {one}")
    if len(report.differences) > show:
        echo(f"  and {len(report.differences) - show:,} more")


def _tell_misplaced(reports: list[PartitionReport], doubled: set[bytes], show: int) -> None:
    """List the accounts that are in a wrong partition; subscribers with two accounts come first."""
    found = sorted(
        (key not in doubled, report.partition, key, right)
        for report in reports
        for key, right in report.misplaced.items()
    )
    for is_single, partition, key, right in found[:show]:
        name = mask(key.decode(errors="replace"))
        there = "" if is_single else ", where the subscriber has another account"
        echo(f"  {name} is in partition {partition} and belongs in {right}{there}")
    if len(found) > show:
        echo(f"  and {len(found) - show:,} more")


def _tell_unknown(task: _Task, result: _Result) -> None:
    """Nothing was compared of a subscriber whose number was mistyped."""
    if any(one.obstacle for one in result.reports):
        return  # their accounts may be in a partition that was not compared
    unknown = sorted(task.subscribers.difference(*(one.found for one in result.reports)))
    result.unknown = len(unknown)
    read = "in the partitions that were read" if task.only else "in the partition of this key"
    for key in unknown[: task.show]:
        echo(f"  {mask(key.decode(errors='replace'))}: not verified: no account {read}")


def _conclude(result: _Result) -> int:
    reports, doubled = result.reports, len(result.doubled)
    equal = sum(report.equal for report in reports)
    different = sum(len(report.differences) for report in reports)
    open_ones = sum(report.not_comparable.total() for report in reports)
    obstacles = sum(bool(report.obstacle) for report in reports)
    echo(
        f"{equal:,} subscribers equal, {different:,} different, {open_ones:,} not comparable; "
        f"{obstacles} of {len(reports)} partitions not verified"
    )
    misplaced = sum(len(report.misplaced) for report in reports)
    if misplaced:
        echo(
            f"{misplaced:,} accounts are in a wrong partition, {doubled:,} of them beside another "
            "account of the same subscriber (docs/operations.md)"
        )
    if result.losing:
        echo(f"{result.losing:,} critical: records were lost or will be (see above)")
    if different or misplaced:
        return DIFFERENT
    return NOT_VERIFIED if open_ones or obstacles or result.losing or result.unknown else 0
