"""Who a long-running process is: the facts of its first log line, and of every line as JSON."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from streamproc import __version__
from streamproc.cli import logs

log = structlog.get_logger(__name__)


def process_name(instance_id: str | None) -> str:
    """The name of this process among its peers: its fixed one, or host and process number."""
    return instance_id or f"{socket.gethostname()}-{os.getpid()}"


def tell_who_starts(
    role: str,
    name: str,
    facts: Callable[[], Mapping[str, Any]] = dict,
    **more: Any,
) -> None:
    """Write the first line. ``facts`` may change while the process runs; ``more`` is of the start.

    With ``--log-format json`` every line from now on has role and name, host, version and facts.
    """

    def always() -> dict[str, Any]:
        return {role: name, "host": socket.gethostname(), "version": __version__, **facts()}

    log.info(f"{role} starts", **always(), **more)
    logs.on_every_line(always)
