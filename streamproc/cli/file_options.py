"""Options of commands that read files of a billing system: the same for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from streamproc.cli.printing import echo
from streamproc.cli.regions import Region
from streamproc.cli.values import FilePath

if TYPE_CHECKING:
    from streamproc.contracts.numbers import Numbering
    from streamproc.producing.readers.files import FileReading
    from streamproc.producing.readers.record_results import BadRecord
    from streamproc.producing.readers.sessions import Sessions
    from streamproc.tools.play.reading import BadLine, EventFiles

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


def file_options(sessions: str, bad: str) -> Any:
    """``sessions`` and ``bad`` say what ``--sessions`` and ``--on-bad`` mean for the command."""

    def decorate(command: Any) -> Any:
        # click shows options in the reverse of the order in which they are added.
        for option, keywords in reversed(_options(sessions, bad).items()):
            command = click.option(option, _DEST.get(option, option[2:]), **keywords)(command)
        return command

    return decorate


_DEST: Final = {"--format": "form", "--on-bad": "on_bad", "--subscribers": "subscriber_kind"}
"""Names of parameters that differ from the option."""


def _options(sessions: str = "", bad: str = "") -> dict[str, dict[str, Any]]:
    """The options in the order of the help, with the arguments of ``click.option``."""
    return {
        "--region": {
            "type": Region(),
            "help": "Country of phone numbers without country code, such as CN. Default: they are "
            "refused.",
        },
        "--subscribers": {
            "type": click.Choice(["any", "numbers", "ids"]),
            "default": "any",
            "help": "`numbers`: refuse text that is not a phone number. `ids`: accept any text "
            "unchanged.",
        },
        "--format": {
            "type": FormName(),
            "default": "auto",
            "help": "Format of the files. `auto` chooses by their names (see docs/producer.md).",
        },
        "--mapping": {
            "type": FilePath(exists=True, dir_okay=False),
            "help": "YAML file that maps columns to fields. Needed for csv and json.",
        },
        "--sessions": {"type": FilePath(dir_okay=False), "help": sessions},
        "--on-bad": {"type": click.Choice(["skip", "stop"]), "default": "skip", "help": bad},
    }


def given_file_options(options: dict[str, Any]) -> list[str]:
    """The names of those options that are not at their defaults."""
    return [
        option
        for option, keywords in _options().items()
        if options[_DEST.get(option, option[2:])] != keywords.get("default")
    ]


def numbering_of(options: dict[str, Any]) -> Numbering:
    """How the options read phone numbers."""
    from streamproc.contracts.numbers import Numbering

    return Numbering(options["region"], options["subscriber_kind"])


def reading_of(options: dict[str, Any], sessions: Sessions) -> FileReading:
    """How the options read files."""
    from streamproc.producing.readers.files import FileReading

    return FileReading(options["form"], options["mapping"], numbering_of(options), sessions)


class BadRecords:
    """Reports the first bad records, one line each, as they come."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, name: str, record: BadRecord | BadLine) -> None:
        """Report one, unless there were many."""
        self._told += 1
        if self._told <= SHOWN_BAD:
            echo(f"{name}:{record.line}: {record.reason}", err=True)

    def tell_rest(self) -> None:
        """Report how many more there were."""
        if self._told > SHOWN_BAD:
            echo(f"{self._told - SHOWN_BAD:,} more bad records", err=True)


def left_out_told(left_out: int) -> str:
    """The end of a sentence about records."""
    return f", {left_out:,} left out by the mapping" if left_out else ""


def tell_others(read: EventFiles, sessions: Sessions) -> None:
    """Report everything in files that is not an event."""
    tell_bad = BadRecords()
    for bad in read.bad:
        tell_bad(bad.file, bad)
    tell_bad.tell_rest()
    for note in read.notes:
        echo(note, err=True)
    tell_pushed_out(sessions)


def tell_pushed_out(sessions: Sessions) -> None:
    """Report how many sessions were forgotten because there were too many."""
    if sessions.pushed_out:
        echo(
            f"{sessions.pushed_out:,} sessions were forgotten, because there are too many "
            "(running_totals.kept_sessions)",
            err=True,
        )
