"""All kinds of rules, by name.

The dictionaries are filled when :mod:`streamproc.core.rules.kinds` is imported. A command adds the
kinds of installed packages (``cli/extensions.py``) before it reads a rules file. Nothing is added
later, and the core itself never adds a kind.
"""

from __future__ import annotations

from typing import Any, Final

from streamproc.core.rules.kinds.base import RuleKind
from streamproc.core.rules.kinds.bucket import BucketRuleKind
from streamproc.core.rules.kinds.check import CheckRuleKind
from streamproc.core.rules.kinds.timed import TimedRuleKind
from streamproc.core.rules.kinds.watch import WatchRuleKind
from streamproc.errors import StreamprocError

KINDS: Final[dict[str, RuleKind]] = {}
"""The kinds in the order of tables and error messages."""
BUCKET_KINDS: Final[dict[str, BucketRuleKind]] = {}
WATCH_KINDS: Final[dict[str, WatchRuleKind]] = {}
TIMED_KINDS: Final[dict[str, TimedRuleKind]] = {}
CHECK_KINDS: Final[dict[str, CheckRuleKind]] = {}


class KindTakenError(StreamprocError, ValueError):
    """Another kind has that name already."""


def add(kind: RuleKind) -> None:
    """Accept a kind in rules files. Raises :class:`KindTakenError`."""
    if kind.name in KINDS:
        raise KindTakenError(f"there is a rule kind {kind.name!r} already")
    KINDS[kind.name] = kind
    if isinstance(kind, BucketRuleKind):
        BUCKET_KINDS[kind.name] = kind
    elif isinstance(kind, WatchRuleKind):
        WATCH_KINDS[kind.name] = kind
    elif isinstance(kind, TimedRuleKind):
        TIMED_KINDS[kind.name] = kind
    elif isinstance(kind, CheckRuleKind):
        CHECK_KINDS[kind.name] = kind


def remove(name: str) -> None:
    """Remove a kind, for tests of packages that bring one."""
    families: tuple[dict[str, Any], ...] = (BUCKET_KINDS, WATCH_KINDS, TIMED_KINDS, CHECK_KINDS)
    for kinds in (KINDS, *families):
        kinds.pop(name, None)


def kind_of(name: object) -> RuleKind | None:
    """The kind with that name in a rules file; None if there is no such kind."""
    return KINDS.get(name) if isinstance(name, str) else None


def with_placeholder(name: str) -> list[str]:
    """The kinds whose texts can use a placeholder that only some kinds have."""
    return [kind.name for kind in KINDS.values() if name in kind.placeholders]
