"""The gateways file: YAML to lanes, retry and gateways, or every problem with file and line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from streamproc.contracts.rules_file.read import yaml_reader
from streamproc.contracts.rules_file.read.faults import faults
from streamproc.contracts.rules_file.read.lines import Lines, Path, SyntaxProblem, field_name
from streamproc.core.state.events import Name
from streamproc.dispatch.lanes import default_lanes
from streamproc.dispatch.model import Policy
from streamproc.errors import StreamprocError

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
GatewayName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}\Z",
        description="1 to 64 lower-case letters, digits, dots, dashes",
    ),
]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Url = Annotated[str, Meta(pattern=r"^https?://[^\s/]+", description="an http:// or https:// URL")]
Sender = Annotated[
    str,
    Meta(pattern=r"^([0-9]{1,15}|[ -~]{1,11})\Z", description="digits, or up to 11 characters"),
]
SystemId = Annotated[str, Meta(pattern=r"^[!-~]{0,15}\Z", description="up to 15 ASCII characters")]


class GatewaysError(StreamprocError, ValueError):
    """The gateways file is wrong; the message lists every problem as FILE:LINE: field: problem."""


class _Strict(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    pass


class LaneFormat(_Strict, frozen=True, kw_only=True):
    """Which reminders go here; the last lane takes the rest."""

    name: Name
    kinds: tuple[Name, ...] = ()
    mandatory: bool = False


class RetryFormat(_Strict, frozen=True, kw_only=True):
    """Waits between attempts after transient errors."""

    max_attempts: Count = 8
    base_seconds: Seconds = 1.0
    max_seconds: Seconds = 60.0


class BreakerFormat(_Strict, frozen=True, kw_only=True):
    """When a failing gateway is left alone, and for how long."""

    failures: Count = 5
    open_seconds: Seconds = 5.0
    max_open_seconds: Seconds = 120.0


class _Gateway(_Strict, frozen=True, kw_only=True, tag_field="kind"):
    name: GatewayName
    lanes: tuple[Name, ...] = ()
    messages_per_second: Annotated[float, Meta(gt=0, le=100_000)] = 20.0
    burst: Count = 1
    window: Count = 20
    on_unknown: Policy = "at_most_once"
    on_unknown_mandatory: Policy | None = None
    breaker: BreakerFormat = BreakerFormat()


class _Channel(_Gateway, frozen=True, kw_only=True):
    channel: Name | None = None
    """Reminders that have other words for this channel go out with them."""


class ConsoleFormat(_Channel, frozen=True, kw_only=True, tag="console"):
    """Prints to standard output."""


class FileFormat(_Channel, frozen=True, kw_only=True, tag="file"):
    """Appends to a file."""

    path: Annotated[str, Meta(min_length=1)]


class WebhookFormat(_Channel, frozen=True, kw_only=True, tag="webhook"):
    """Posts to a URL."""

    url: Url
    secret_env: str | None = None
    secret_file: str | None = None
    timeout_seconds: Seconds = 10.0


class SmppFormat(_Gateway, frozen=True, kw_only=True, tag="smpp"):
    """Submits to a message center."""

    host: Annotated[str, Meta(min_length=1, max_length=255)]
    port: Port = 2775
    system_id: SystemId
    password_env: str | None = None
    password_file: str | None = None
    system_type: Annotated[str, Meta(pattern=r"^[!-~]{0,12}\Z")] = ""
    source: Sender
    tls: bool = False
    response_seconds: Seconds = 10.0
    enquire_link_seconds: Seconds = 30.0


GatewayFormat = ConsoleFormat | FileFormat | WebhookFormat | SmppFormat


class GatewaysFormat(_Strict, frozen=True, kw_only=True):
    """The whole file."""

    version: Literal[1]
    gateways: Annotated[tuple[GatewayFormat, ...], Meta(min_length=1)]
    lanes: Annotated[tuple[LaneFormat, ...], Meta(min_length=1, max_length=8)] | None = None
    retry: RetryFormat = RetryFormat()
    patience_seconds: Seconds = 5.0


CONSOLE_ONLY = GatewaysFormat(
    version=1, gateways=(ConsoleFormat(name="console", messages_per_second=100_000.0, burst=1000),)
)
"""What is used without a file."""


def load_gateways(text: str, filename: str) -> GatewaysFormat:
    """Raises :class:`GatewaysError` with all problems."""
    try:
        data, lines = yaml_reader.parse(text, filename)
    except SyntaxProblem as problem:
        raise GatewaysError(str(problem)) from None
    if not isinstance(data, dict):
        raise GatewaysError(f"{filename}:1: must be a mapping with the fields version, gateways")
    problems = [*lines.problems, *_problems(data, lines)]
    if problems:
        seen: dict[Path, tuple[int, Path, str]] = {}
        for found in problems:
            seen.setdefault(found[1], found)
        listed = sorted(
            (line, f"{field_name(path)}: {problem}" if path else problem)
            for line, path, problem in seen.values()
        )
        raise GatewaysError("\n".join(f"{filename}:{line}: {text}" for line, text in listed))
    return msgspec.convert(data, GatewaysFormat)


def secret_of(
    gateway: WebhookFormat | SmppFormat, base: FilePath, environment: dict[str, str] | None = None
) -> str:
    """The gateway's secret from where the file says it is. Raises :class:`GatewaysError`."""
    found = os.environ if environment is None else environment
    if isinstance(gateway, WebhookFormat):
        word, name, file = "secret", gateway.secret_env, gateway.secret_file
    else:
        word, name, file = "password", gateway.password_env, gateway.password_file
    if name is not None:
        if name not in found:
            raise GatewaysError(f"gateway {gateway.name}: the environment has no {name}; set it")
        return found[name]
    path = base / str(file)
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        problem = f"gateway {gateway.name}: {word}_file {file}: {error.strerror}"
        raise GatewaysError(problem) from None


def _problems(data: dict[str, object], lines: Lines) -> Iterable[tuple[int, Path, str]]:
    for wrong, problem in faults(data, GatewaysFormat):
        yield lines.of(wrong), wrong, problem
    lanes = data.get("lanes")
    names = [lane.name for lane in default_lanes()]
    if isinstance(lanes, list):
        names = [str(lane.get("name")) for lane in lanes if isinstance(lane, dict)]
        yield from _twice(lanes, "lanes", lines)
    gateways = data.get("gateways")
    if not isinstance(gateways, list):
        return
    yield from _twice(gateways, "gateways", lines)
    used: set[str] = set()
    for index, gateway in enumerate(gateways):
        if not isinstance(gateway, dict):
            continue
        path: Path = ("gateways", index)
        chosen = gateway.get("lanes") or names
        if isinstance(chosen, list):
            used.update(map(str, chosen))
            for place, name in enumerate(chosen):
                if name not in names:
                    where: Path = (*path, "lanes", place)
                    yield lines.of(where), where, f"no such lane; known: {', '.join(names)}"
        word = {"webhook": "secret", "smpp": "password"}.get(str(gateway.get("kind")))
        if word and (f"{word}_env" in gateway) == (f"{word}_file" in gateway):
            problem = f"give either {word}_env or {word}_file"
            yield lines.of(path), (*path, f"{word}_env"), problem
    for name in names:
        if name not in used:
            yield lines.of(("gateways",)), ("gateways",), f"no gateway takes the lane {name}"


def _twice(items: list[object], name: str, lines: Lines) -> Iterable[tuple[int, Path, str]]:
    seen: set[object] = set()
    for index, item in enumerate(items):
        one = item.get("name") if isinstance(item, dict) else None
        if one is not None and one in seen:
            path: Path = (name, index, "name")
            yield lines.of(path), path, f"{one!r} is used twice"
        seen.add(one)
