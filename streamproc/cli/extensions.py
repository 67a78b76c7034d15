"""Extensions in installed packages: rule kinds, gateways and forms of files (docs/extending.md).

A package names its extensions in its entry points. They are loaded here, at the composition root,
before the command reads a file of rules or gateways. So the core only sees complete registries.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from streamproc.errors import StreamprocError

RULE_KINDS: Final = "streamproc.rule_kinds"
GATEWAYS: Final = "streamproc.gateways"
READERS: Final = "streamproc.readers"

_READ_NO_RULES: Final = frozenset(
    (
        *("canary", "completion", "config", "dead-letters", "receipts", "record", "retract"),
        *("send", "top", "topics"),
    )
)
_loaded: set[str] = set()
"""Groups that this process has loaded."""


class ExtensionError(StreamprocError):
    """An extension of a package cannot be used. The message names both."""


def load_for(command: str) -> None:
    """Load the extensions that a command can need, once. Raises :class:`ExtensionError`."""
    if command in ("send", "play", "simulate"):
        load(READERS)
    if command == "dispatch":
        load(GATEWAYS)
    if command not in _READ_NO_RULES:
        load(RULE_KINDS)


def load(group: str) -> None:
    """Load the entry points of a group, in the order of their names, once per process."""
    if group in _loaded:
        return
    found = sorted(entry_points(group=group), key=lambda one: one.name)
    for one in found:
        _bring(one, *_REGISTRIES[group]())
    _loaded.add(group)


def forget() -> None:
    """Look for entry points again at the next command; for tests that install packages."""
    _loaded.clear()


def _bring(one: EntryPoint, wanted: type[Any], add: Callable[[Any], None]) -> None:
    try:
        brought = one.load()
    except Exception as error:  # the package's own code can raise anything
        reason = f"cannot be loaded: {type(error).__name__}: {error}"
        raise ExtensionError(f"{_called(one)} {reason}") from error
    if not isinstance(brought, wanted):
        raise ExtensionError(f"{_called(one)} is not a {wanted.__name__}, but {brought!r}")
    if brought.name != one.name:
        raise ExtensionError(f"{_called(one)} calls itself {brought.name!r}")
    try:
        add(brought)
    except StreamprocError as error:
        raise ExtensionError(f"{_called(one)}: {error}") from error


def _called(one: EntryPoint) -> str:
    package = f"{one.dist.name} {one.dist.version}" if one.dist is not None else one.module
    return f"the entry point {one.name!r} of {one.group} in the package {package}"


def _rule_kinds() -> tuple[type[Any], Callable[[Any], None]]:
    from streamproc.core.rules.kinds import RuleKind, add

    return RuleKind, add


def _gateways() -> tuple[type[Any], Callable[[Any], None]]:
    from streamproc.dispatch.gateways.entry import GatewayKind
    from streamproc.dispatch.gateways.registry import add

    return GatewayKind, add


def _readers() -> tuple[type[Any], Callable[[Any], None]]:
    from streamproc.producing.readers.formats import InputForm, add

    return InputForm, add


_REGISTRIES: Final = {RULE_KINDS: _rule_kinds, GATEWAYS: _gateways, READERS: _readers}
