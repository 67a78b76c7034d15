"""Options for the connection to Kafka, the same for every command that uses it.

They are made from ``kafka/setting_fields.py``. Most are hidden in a command's ``--help``, because
they are many and rarely typed. ``--kafka-help`` of a command lists them. While a command runs, a
broker that does not answer is reported on standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streamproc.cli.shared_options import SecretFile, SecretOption, SharedOption
from streamproc.cli.values import Addresses, FilePath
from streamproc.contracts.rights import UserRole
from streamproc.kafka.properties import read_properties
from streamproc.kafka.setting_fields import FIELDS, Field, settings_from
from streamproc.printable import printable

if TYPE_CHECKING:
    from streamproc.kafka.settings import KafkaSettings
    from streamproc.kafka.silence import Silent

Command = TypeVar("Command", bound=Callable[..., Any])


def kafka_options(
    says: str = "Kafka brokers; one is enough.",
    *,
    required: bool = True,
    on_request: bool = False,
    watches_itself: bool = False,
    others: dict[str, str] | None = None,
    role: UserRole | None = None,
) -> Callable[[Command], Command]:
    """``--broker``. The command gets it as :class:`KafkaSettings`, or None if it is not given.

    With ``on_request`` only the option itself counts, no variable and no file: such commands write
    test data, and only to the address that the user types. ``others`` are more options of this
    kind, with their help. They name brokers of another cluster that has the same settings.
    ``watches_itself``: the command reports a silent broker in its own log. ``role`` is whose rights
    the command needs (``streamproc acls``).
    """
    flags = {"--broker": says, **(others or {})}

    def decorated(command: Command) -> Command:
        @wraps(command)
        def with_settings(*args: Any, **kwargs: Any) -> Any:
            given = _with_settings(kwargs, tuple(flags))
            for name in map(_parameter, flags):
                if given[name] is not None:
                    given[name] = replace(given[name], role=role or "")
            if not watches_itself:
                _watch({given[_parameter(flag)] for flag in flags} - {None})
            return command(*args, **given)

        # click shows options in the reverse of the order in which they are added.
        brokers = [_broker(flag, text, required, on_request) for flag, text in flags.items()]
        for option in reversed([*brokers, _PROPERTIES, _HELP, *map(_option, FIELDS)]):
            option(with_settings)
        return with_settings  # type: ignore[return-value]

    return decorated


def _with_settings(kwargs: dict[str, Any], flags: tuple[str, ...]) -> dict[str, Any]:
    """Turn the connection's options into settings, one object for each of ``flags``."""
    path: Path | None = kwargs.pop("kafka_properties")
    values = {} if path is None else read_properties(path)[1]
    for field in FIELDS:
        given = kwargs.pop(_parameter(field.option))
        if given not in (None, ""):
            values[field.name] = given
    for flag in flags:
        address = kwargs[_parameter(flag)]
        kwargs[_parameter(flag)] = settings_from(address, values) if address else None
    return kwargs


def _watch(brokers: set[KafkaSettings]) -> None:
    """Report brokers that do not answer, and keep libraries from logging each attempt.

    Until the end of the command, which for a group of commands comes after its function.
    """
    if not brokers:
        return
    context = click.get_current_context()
    from streamproc.kafka.probe import told_by_us
    from streamproc.kafka.topic_watch import watched

    for library in ("kafka", "aiokafka"):
        context.with_resource(told_by_us(library))
    for broker in brokers:
        context.with_resource(watched(broker, _show))


def _show(heard: Silent) -> None:
    """One line; on a terminal it takes the place of a line of progress."""
    begin = "\r\x1b[K" if sys.stderr.isatty() else ""
    click.echo(f"{begin}{printable(str(heard))}", err=True)


class BrokerOption(SharedOption):
    """``--broker``. Its default may stand in ``client.properties``."""

    def get_default(self, ctx: click.Context, call: bool = True) -> Any:
        """The addresses in the file that ``--kafka-properties`` names."""
        path = ctx.params.get("kafka_properties")
        if not isinstance(path, Path):
            return super().get_default(ctx, call)
        return read_properties(path)[0] if call else None


def _broker(flag: str, says: str, required: bool, on_request: bool) -> Any:
    if flag == "--broker" and not on_request:
        shared: dict[str, Any] = {"cls": BrokerOption, "place": ("kafka", "broker")}
    else:
        shared = {"allow_from_autoenv": not on_request}
    return click.option(
        flag,
        type=Addresses(),
        required=required,
        metavar="HOST:PORT[,...]",
        help=says,
        **shared,
    )


def _option(field: Field) -> Any:
    flags = field.option
    kind: click.ParamType = click.STRING
    if field.kind == "secret":
        kind = SecretFile()
    elif field.kind == "path":
        kind = FilePath()
    elif field.kind == "switch":
        flags += f"/--no-{field.option[2:]}"
        kind = click.BOOL
    elif field.choices:
        kind = click.Choice(field.choices, case_sensitive=False)
    key = _parameter(field.option).removeprefix("kafka_")
    return click.option(
        flags,
        cls=SecretOption if field.kind == "secret" else SharedOption,
        place=("kafka", key),
        variable=f"kafka_{key}",
        type=kind,
        default=None,
        hidden=True,
        help=field.says,
    )


def _show_help(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if not asked:
        return
    formatter = context.make_formatter()
    formatter.write_text(
        "How to reach a Kafka with TLS or a login. Options win over variables of the environment, "
        "these over streamproc.toml, this over --kafka-properties. A secret is never an option: it "
        "is in a file or in a variable."
    )
    rows = [(f"{field.option} {_metavar(field)}", _described(field)) for field in FIELDS]
    with formatter.section("Options"):
        formatter.write_dl(rows)
    click.echo(formatter.getvalue().rstrip("\n"))
    context.exit()


def _metavar(field: Field) -> str:
    if field.kind in ("path", "secret"):
        return "FILE"
    if field.kind == "switch":
        return f"/ --no-{field.option[2:]}"
    return f"[{'|'.join(field.choices)}]" if field.choices else "TEXT"


def _described(field: Field) -> str:
    variables = field.variable
    if field.kind == "secret":
        variables = f"{variables}_FILE, or the secret itself in ${variables}"
    keys = f" Properties: {', '.join(field.properties)}." if field.properties else ""
    return f"{field.says} Variable: ${variables}.{keys}"


def _parameter(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


_PROPERTIES = click.option(
    "--kafka-properties",
    cls=SharedOption,
    place=("kafka", "properties"),
    variable="kafka_properties",
    type=FilePath(),
    is_eager=True,
    help="A client.properties of Java's clients or librdkafka, for TLS and login.",
)
_HELP = click.option(
    "--kafka-help",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_help,
    help="Show the options of TLS and login, and exit.",
)
