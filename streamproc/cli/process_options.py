"""Options of long-running processes: their log, and the port of their metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from streamproc.cli.shared_options import SharedOption
from streamproc.cli.values import Count
from streamproc.metrics.options import LOOPBACK
from streamproc.tracing.options import PER_SECOND, TraceSettings

Command = TypeVar("Command", bound=Callable[..., Any])


def log_options(command: Command) -> Command:
    """``--log-level`` and ``--log-format``, which ``logs.configure`` takes."""
    # click shows options in the reverse of the order in which they are added.
    form = click.option(
        "--log-format", cls=SharedOption, type=click.Choice(["text", "json"]), default="text"
    )
    level = click.option(
        "--log-level",
        cls=SharedOption,
        type=click.Choice(["debug", "info", "warning", "error"]),
        default="info",
    )
    return level(form(command))


def traces_options(command: Command) -> Command:
    """``--traces`` and ``--traces-per-second``; the command gets ``traces``."""

    @wraps(command)
    def with_settings(*args: Any, **kwargs: Any) -> Any:
        mode, per_second = kwargs.pop("traces"), kwargs.pop("traces_per_second")
        return command(*args, traces=TraceSettings(mode, per_second), **kwargs)

    given = click.option(
        "--traces-per-second",
        cls=SharedOption,
        type=Count(1),
        default=PER_SECOND,
        help="Of more traced events or reminders than these in a second, the others get no spans.",
    )(with_settings)
    return click.option(
        "--traces",
        cls=SharedOption,
        type=click.Choice(["auto", "on", "off"]),
        default="auto",
        help=(
            "Send spans of sampled traces by OTLP (docs/tracing.md); auto: if the variables of "
            "OpenTelemetry name a collector."
        ),
    )(given)  # type: ignore[return-value]


def http_options(command: Command) -> Command:
    """``--http-port`` and ``--http-host``."""
    command = click.option(
        "--http-host",
        default=LOOPBACK,
        help="Address for --http-port. Nobody is asked for a password: keep it inside.",
    )(command)
    return click.option(
        "--http-port",
        type=Count(0, 65535),
        help=(
            "Serve /metrics (Prometheus), /livez and /readyz on this port; 0: any free one. "
            "Default: nothing is served."
        ),
    )(command)
