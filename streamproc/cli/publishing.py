"""``streamproc rules publish`` and its neighbours: versions of the rules in the log."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from streamproc.cli.durations import Instant
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.printing import echo
from streamproc.cli.rules import RulesPath, WrongRules, file_warnings, rules
from streamproc.cli.shared_options import app_id_option, approval_option
from streamproc.cli.topic_options import topic_options
from streamproc.cli.values import AnyText, Count, FilePath
from streamproc.contracts.rights import UserRole
from streamproc.contracts.topics import WorkerTopics, changelog_of
from streamproc.kafka.settings import KafkaSettings
from streamproc.printable import printable

if TYPE_CHECKING:
    from streamproc.contracts.records.rule_versions import RulesPublished
    from streamproc.contracts.records.version_history import VersionHistory
    from streamproc.contracts.rules_file.texts import Content
    from streamproc.core.rules.rulebook import Rulebook

__all__ = ["rules"]
"""With the commands of this module."""

Command = TypeVar("Command", bound=Callable[..., Any])

force_option = click.option(
    "--force", is_flag=True, help="Also if accounts hold plans, packs or allowances that are gone."
)


class Note(AnyText):
    """A text that fits into the record."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from streamproc.contracts.records.rule_versions import LONGEST_NOTE

        found = super().convert(value, param, ctx)
        if len(found) > LONGEST_NOTE:
            self.fail(f"it is longer than {LONGEST_NOTE:,} characters", param, ctx)
        return found


note_option = click.option("--note", type=Note(), default="", help="Why, for the next reader.")


class Place(NamedTuple):
    """Where the versions of an application are."""

    broker: KafkaSettings
    topic: str
    app_id: str
    needs_approval: bool

    def history(self) -> VersionHistory:
        """An empty one."""
        from streamproc.contracts.records.version_history import VersionHistory

        return VersionHistory(self.app_id, self.needs_approval)

    def read(self) -> VersionHistory:
        """All that is published. Raises ``TopicError``."""
        from streamproc.worker.version_log import VersionLog

        versions = VersionLog(self.broker, self.topic, self.history())
        try:
            versions.look()
        finally:
            versions.close()
        return versions.history


def placed(role: UserRole) -> Callable[[Command], Command]:
    """The options that name the versions; the command gets a :class:`Place`."""

    def decorated(command: Command) -> Command:
        @wraps(command)
        def with_place(
            broker: KafkaSettings,
            app_id: str,
            rule_versions: str,
            rules_approval: bool,
            **rest: Any,
        ) -> Any:
            return command(Place(broker, rule_versions, app_id, rules_approval), **rest)

        for option in (
            approval_option,
            topic_options(WorkerTopics, "rule_versions"),
            app_id_option(),
            kafka_options(role=role),
        ):
            with_place = option(with_place)
        return with_place  # type: ignore[return-value]

    return decorated


@rules.command(short_help="Publish FILE as the next version of the rules.")
@placed("operator")
@click.argument("file", type=RulesPath())
@note_option
@click.option("--valid-from", type=Instant(), help="It is not in force before this instant.")
@force_option
@click.option("--dry-run", is_flag=True, help="Show what would change; publish nothing.")
def publish(
    place: Place, file: Path, note: str, valid_from: int | None, force: bool, dry_run: bool
) -> None:
    """Check FILE, show what changes, and publish it for all workers without a rules file.

    \b
    Examples:
      streamproc rules publish --broker localhost:9092 rules.yaml --dry-run
      streamproc rules publish --broker localhost:9092 rules.yaml --note "75 % in place of 80 %"
    """
    from streamproc.contracts.records.rule_versions import version_id
    from streamproc.contracts.records.version_history import number_of
    from streamproc.tools.publishing.version_writer import VersionWriter
    from streamproc.tools.publishing.versions import Draft, author_of, new_version

    content, rulebook = _loaded(file)
    for warning in file_warnings(file):
        echo(warning, err=True)
    draft = Draft(file, content, rulebook.fingerprint, note, valid_from)
    if dry_run:
        history = place.read()
        present = history.in_force(_now_ms())
        _examine(place, present, rulebook, force)
        return
    with VersionWriter(place.broker, place.topic, place.history()) as writer:
        history, now_ms = writer.history, _now_ms()
        present = history.in_force(now_ms)
        is_last = present is not None and number_of(present) + 1 == history.next_number
        if present is not None and is_last and present.id == version_id(file.name, content):
            echo(f"version {number_of(present)} has these rules already; nothing is published")
            return
        version = new_version(history, draft, author_of(place.broker), now_ms)
        _examine(place, present, rulebook, force)
        writer.write(version)
    _tell(history, version)


@rules.command("list", short_help="List the published versions, newest first.")
@placed("reader")
def list_versions(place: Place) -> None:
    """List the published versions: number, state, time, author, approver, file and note."""
    from msgspec import UNSET

    history = place.read()
    if not history.versions and not history.unreadable:
        echo(f"no rules of {place.app_id} are published")
    for number in reversed(history.unreadable):
        echo(f"{number:>4}  cannot be read by this release")
    for one in history.newest_first:
        by = one.author if one.approver is UNSET else f"{one.author}, approved by {one.approver}"
        parts = [f"{one.number:>4}", history.state_of(one, _now_ms()), _shown(one.time), by]
        parts += [one.file, *([one.note] if one.note else [])]
        echo("  ".join(printable(str(part)) for part in parts))


@rules.command(short_help="Print a published version.")
@placed("reader")
@click.argument("number", type=Count(1))
@click.option(
    "--out",
    type=FilePath(file_okay=False),
    metavar="DIRECTORY",
    help="Write the rules file and its texts there, for instance for `verify --rules`.",
)
def show(place: Place, number: int, out: Path | None) -> None:
    """Print the rules file of version NUMBER; its texts too with --out."""
    from streamproc.private_files import make_private_directory, open_private
    from streamproc.tools.publishing.versions import version_of

    version = version_of(place.read(), number)
    if out is None:
        echo(version.rules, nl=False)
        return
    content = version.content()
    files = {version.file: content.rules, **content.texts}
    try:
        for name, text in files.items():
            make_private_directory((out / name).parent)
            with open_private(out / name, "wb") as written:
                written.write(text)
    except OSError as error:
        raise click.FileError(str(out), error.strerror or str(error)) from error
    echo(f"{printable(str(out / version.file))}: version {number}")


@rules.command(short_help="Show what differs between two versions or files, in words.")
@placed("reader")
@click.argument("old", metavar="NUMBER|FILE")
@click.argument("new", metavar="NUMBER|FILE")
def diff(place: Place, old: str, new: str) -> None:
    """Show in words what changes from OLD to NEW: numbers of versions, or rules files."""
    from streamproc.tools.publishing.changed_words import differences

    history = place.read() if old.isdecimal() or new.isdecimal() else place.history()
    lines = differences(_named(history, old), _named(history, new))
    for line in lines:
        echo(line)
    if not lines:
        echo("no difference")


@rules.command(short_help="Approve a version that somebody else has published.")
@placed("operator")
@click.argument("number", type=Count(1))
def approve(place: Place, number: int) -> None:
    """Approve version NUMBER. Look at `rules diff` first. Its author cannot approve it."""
    from streamproc.tools.publishing.version_writer import VersionWriter
    from streamproc.tools.publishing.versions import approved, author_of

    with VersionWriter(place.broker, place.topic, place.history()) as writer:
        version = approved(writer.history, number, author_of(place.broker), _now_ms())
        writer.write(version)
    _tell(writer.history, version, "approved")


@rules.command(short_help="Go back to the rules that were in force before.")
@placed("operator")
@click.argument("number", type=Count(1), required=False)
@note_option
@force_option
def revert(place: Place, number: int | None, note: str, force: bool) -> None:
    """Publish an earlier version again: NUMBER, or the one in force before the present one.

    Workers follow within seconds. Rules that were approved once need no new approval.
    """
    from streamproc.tools.publishing.version_writer import VersionWriter
    from streamproc.tools.publishing.versions import author_of, reverted
    from streamproc.worker.published_rules import rulebook_of_version

    with VersionWriter(place.broker, place.topic, place.history()) as writer:
        history, now_ms = writer.history, _now_ms()
        version = reverted(history, number, author_of(place.broker), note, now_ms)
        rulebook, present = rulebook_of_version(version), history.readable_in_force(now_ms)
        _examine(place, present, rulebook, force)
        writer.write(version)
    _tell(history, version)


@rules.command(short_help="Show which version is in force, and which one each partition has.")
@placed("reader")
def status(place: Place) -> None:
    """Show the version in force, those that wait, and the rules of each partition's last commit."""
    from streamproc.contracts.records.version_history import number_of
    from streamproc.tools.publishing.partition_rules import fingerprints

    history, now_ms = place.read(), _now_ms()
    present = history.readable_in_force(now_ms)
    if present is None:
        echo(f"no published rules of {place.app_id} are in force")
    for one in history.newest_first:
        state = history.state_of(one, now_ms)
        if not state.startswith("replaced"):
            start = f" ({_shown(one.valid_from)})" if state == "waits for its start" else ""
            by = f"{_shown(one.time)} by {one.author}"
            echo(printable(f"version {number_of(one)}: {state}{start}; published {by}"))
    for number in history.unreadable:
        echo(f"version {number}: cannot be read by this release")
    having: dict[str, list[int]] = {}
    for partition, found in fingerprints(place.broker, changelog_of(place.app_id)).items():
        having.setdefault(_rules_of(history, present, found), []).append(partition)
    for words, partitions in having.items():
        noun = "partition" if len(partitions) == 1 else "partitions"
        echo(f"{noun} {', '.join(map(str, partitions))}: {words}")


def _rules_of(
    history: VersionHistory, present: RulesPublished | None, fingerprint: int | None
) -> str:
    """Which rules a fingerprint is of; several versions may have the same rules."""
    if fingerprint is None:
        return "no commit yet"
    if present is not None and present.fingerprint == fingerprint:
        return f"version {present.number}"
    for one in history.newest_first:
        if one.fingerprint == fingerprint:
            return f"version {one.number}"
    return f"rules that are not published (fingerprint {fingerprint})"


def _loaded(file: Path) -> tuple[Content, Rulebook]:
    """The content and the rulebook of one reading of a file. A wrong file ends the command."""
    from streamproc.contracts.rules_file.load import RulesError, load_rulebook
    from streamproc.contracts.rules_file.texts import read

    try:
        content = read(file)
        return content, load_rulebook(content.rules, str(file), content.texts)
    except OSError as error:
        why = f"{file}:1: cannot be read: {error.strerror or error}"
        raise WrongRules(printable(why)) from error
    except RulesError as error:
        raise WrongRules(str(error)) from error


def _named(history: VersionHistory, name: str) -> Rulebook:
    from streamproc.tools.publishing.versions import version_of
    from streamproc.worker.published_rules import rulebook_of_version

    if name.isdecimal() and len(name) < 16:
        return rulebook_of_version(version_of(history, int(name)))
    return _loaded(RulesPath().convert(name, None, click.get_current_context()))[1]


def _examine(place: Place, present: RulesPublished | None, new: Rulebook, force: bool) -> None:
    """Show what new rules change, and refuse them if they lack what accounts hold.

    Raises ``PublishingError``.
    """
    from streamproc.contracts.records.version_history import UnreadableVersionError
    from streamproc.tools.publishing.changed_words import differences
    from streamproc.worker.published_rules import rulebook_of_version

    old = None
    if present is None:
        echo("no published rules are in force: this is the first version")
    else:
        try:
            old = rulebook_of_version(present)
        except UnreadableVersionError as error:
            echo(f"warning: it cannot be told what changes: {error}", err=True)
        else:
            lines = differences(old, new)
            echo(f"changes of version {present.number}:" if lines else "no rule changes")
            for line in lines:
                echo(f"  {line}")
    _refuse_gone(place, old, new, force)


def _refuse_gone(place: Place, old: Rulebook | None, new: Rulebook, force: bool) -> None:
    """Refuse rules that lack what accounts hold. Raises ``PublishingError``."""
    from streamproc.contracts.rules_file.load import removed
    from streamproc.tools.publishing.held_entries import holders
    from streamproc.tools.publishing.versions import PublishingError

    if old is not None and not removed(old, new):
        return  # nothing that accounts can hold is gone
    held = holders(place.broker, changelog_of(place.app_id), new)
    if not held:
        return
    words = ", ".join(f"{what} ({_accounts(count)})" for what, count in held.items())
    if not force:
        raise PublishingError(
            f"accounts hold what these rules lack: {words}. Their next cycle would grant nothing, "
            f"or a bucket would match all usage. Put it back, or publish with --force"
        )
    echo(f"warning: accounts hold what these rules lack: {words}", err=True)


def _accounts(count: int) -> str:
    return "1 account" if count == 1 else f"{count:,} accounts"


def _tell(history: VersionHistory, version: RulesPublished, what: str = "published") -> None:
    """What has happened, and what comes next."""
    number, says = version.number, ""
    if not history.is_approved(version):
        says = f"; it waits for approval: streamproc rules approve {number}"
    elif not history.is_started(version, _now_ms()):
        says = f"; it starts at {_shown(version.valid_from)}"
    echo(f"version {number} is {what}{says}")


def _shown(instant: Any) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}" if isinstance(instant, datetime) else "-"


def _now_ms() -> int:
    return int(time.time() * 1000)
