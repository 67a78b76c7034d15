"""All kinds of rules, by name.

The dictionaries are filled when :mod:`streamproc.core.rules.kinds` is imported, and perhaps once
more by the command that runs, with the kinds of installed packages (``cli/extensions.py``): before
any rules file is read, and never after. Nothing in the core adds to them.
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
"""In the order of tables and messages."""
BUCKET_KINDS: Final[dict[str, BucketRuleKind]] = {}
WATCH_KINDS: Final[dict[str, WatchRuleKind]] = {}
TIMED_KINDS: Final[dict[str, TimedRuleKind]] = {}
CHECK_KINDS: Final[dict[str, CheckRuleKind]] = {}


class KindTakenError(StreamprocError, ValueError):
    """There is a kind of that name already."""


def add(kind: RuleKind) -> None:
    """Let rules files have a kind. Raises :class:`KindTakenError`."""
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
    """Take a kind out again, for tests of packages that bring one."""
    families: tuple[dict[str, Any], ...] = (BUCKET_KINDS, WATCH_KINDS, TIMED_KINDS, CHECK_KINDS)
    for kinds in (KINDS, *families):
        kinds.pop(name, None)


def kind_of(name: object) -> RuleKind | None:
    """A kind by what a rules file calls it; None if there is no such kind."""
    return KINDS.get(name) if isinstance(name, str) else None


def with_placeholder(name: str) -> list[str]:
    """The kinds whose texts may have a placeholder that only some kinds have."""
    return [kind.name for kind in KINDS.values() if name in kind.placeholders]
