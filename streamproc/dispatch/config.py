"""The gateways file: YAML becomes lanes, retry and gateways, or a list of all problems with
lines."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import Meta, Struct, defstruct

from streamproc.contracts.rules_file.read.faults import Fault, faults_and
from streamproc.contracts.rules_file.read.field_lines import Lines, Path, SyntaxProblem, listed
from streamproc.contracts.rules_file.read.parse import parse
from streamproc.core.state.events import Name
from streamproc.dispatch.gateways.console import ConsoleEntry
from streamproc.dispatch.gateways.entry import (
    BreakerEntry,
    Count,
    GatewayEntry,
    GatewayFileEntry,
    GatewaysError,
    Seconds,
    out_of_order,
)
from streamproc.dispatch.gateways.registry import GATEWAYS
from streamproc.dispatch.lanes import default_lanes


class LaneFormat(GatewayFileEntry, frozen=True, kw_only=True):
    """Which reminders belong to the lane; the last lane gets all others."""

    name: Name
    kinds: tuple[Name, ...] = ()
    mandatory: bool = False
    severities: tuple[Literal["info", "warning", "critical"], ...] = ()
    urgent: bool = False


class RetryFormat(GatewayFileEntry, frozen=True, kw_only=True):
    """How long to wait between attempts after transient errors."""

    max_attempts: Count = 8
    base_seconds: Seconds = 1.0
    max_seconds: Seconds = 60.0


class GatewaysFormat(GatewayFileEntry, frozen=True, kw_only=True):
    """The whole file. It is read as :func:`gateways_format`, which knows the kinds of gateways."""

    version: Literal[1]
    gateways: Annotated[tuple[GatewayEntry, ...], Meta(min_length=1)]
    """Each is an entry of its kind, see :func:`gateways_format`."""
    lanes: Annotated[tuple[LaneFormat, ...], Meta(min_length=1, max_length=8)] | None = None
    retry: RetryFormat = RetryFormat()
    patience_seconds: Seconds = 5.0
    canary_number: Annotated[str, Meta(pattern=r"^[1-9][0-9]{6,14}\Z")] | None = None
    """The phone that gets the messages of canaries, through a gateway with ``canary``."""


def gateways_format() -> type[GatewaysFormat]:
    """The type of a file with gateways of all kinds that are registered now."""
    return _with_gateways(tuple(kind.entry for kind in GATEWAYS.values()))


@cache
def _with_gateways(kinds: tuple[type[GatewayEntry], ...]) -> type[GatewaysFormat]:
    entry: Any = Union[kinds]  # noqa: UP007
    gateways: Any = Annotated[tuple[entry, ...], Meta(min_length=1)]
    found: Any = defstruct(
        "GatewaysFormat",
        [("gateways", gateways)],
        bases=(GatewaysFormat,),
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )
    known: type[GatewaysFormat] = found
    return known


CONSOLE_ONLY = GatewaysFormat(
    version=1, gateways=(ConsoleEntry(name="console", messages_per_second=100_000.0, burst=1000),)
)
"""The configuration without a file."""


def load_gateways(source: str | bytes, filename: str) -> GatewaysFormat:
    """Raises :class:`GatewaysError` with all problems."""
    try:
        data, lines = parse(source, filename, "version, gateways")
    except SyntaxProblem as problem:
        raise GatewaysError(str(problem)) from None
    problems = listed(filename, [*lines.problems, *_problems(data, lines)])
    if problems:
        raise GatewaysError(problems)
    return msgspec.convert(data, gateways_format())


def _problems(data: dict[str, Any], lines: Lines) -> Iterable[tuple[int, Path, str]]:
    for path, problem in faults_and(data, gateways_format(), partial(_conditions, data)):
        yield lines.of(path), path, problem


def _conditions(data: dict[str, Any]) -> Iterable[Fault]:
    """What types do not show."""
    lanes = data.get("lanes")
    names = [lane.name for lane in default_lanes()]
    if isinstance(lanes, list):
        names = [str(lane.get("name")) for lane in lanes if isinstance(lane, dict)]
        yield from _twice(lanes, "lanes")
    yield from _pauses(data, ("retry",), "base_seconds", "max_seconds", RetryFormat())
    gateways = data.get("gateways")
    if not isinstance(gateways, list):
        return
    yield from _twice(gateways, "gateways")
    used: set[str] = set()
    of_canaries: set[str] = set()
    for index, gateway in enumerate(gateways):
        if not isinstance(gateway, dict):
            continue
        path: Path = ("gateways", index)
        yield from _pauses(
            gateway, (*path, "breaker"), "open_seconds", "max_open_seconds", BreakerEntry()
        )
        chosen = gateway.get("lanes") or names
        if isinstance(chosen, list):
            (of_canaries if gateway.get("canary") is True else used).update(map(str, chosen))
            for place, name in enumerate(chosen):
                if name not in names:
                    known = ", ".join(names)
                    yield (*path, "lanes", place), f"no such lane; known: {known}"
        kind = GATEWAYS.get(str(gateway.get("kind")))
        for wrong, problem in kind.problems(gateway) if kind else ():
            yield (*path, *wrong), problem
    for name in names:
        if name not in used:
            yield ("gateways",), f"no gateway takes the lane {name}"
        if of_canaries and name not in of_canaries:
            yield ("gateways",), f"no gateway of canaries takes the lane {name}"
    if data.get("canary_number") is not None and not of_canaries:
        yield ("canary_number",), "no gateway has canary: true"


def _pauses(
    entry: dict[str, Any], path: Path, least: str, greatest: str, defaults: Struct
) -> Iterable[Fault]:
    written = entry.get(str(path[-1]))
    if isinstance(written, dict):
        for wrong, problem in out_of_order(written, least, greatest, defaults):
            yield (*path, *wrong), problem


def _twice(items: list[object], name: str) -> Iterable[Fault]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        one = item.get("name") if isinstance(item, dict) else None
        if not isinstance(one, str):
            continue
        if one in seen:
            yield (name, index, "name"), f"{one!r} is used twice"
        seen.add(one)
