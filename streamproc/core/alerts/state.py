"""What an account remembers of its messages; parts of ``model.Extra``."""

from __future__ import annotations

from msgspec import Struct

from streamproc.core.effects import Cause


class Mark(Struct, array_like=True, frozen=True, gc=False):
    """One reason to speak: what exactly was reached, so that its truth can be judged later."""

    at_ms: int
    bucket: str = ""
    """Its id; empty if it is about the whole account."""
    threshold: int = -1
    """In the unit of the rule's thresholds; -1 if it is about none."""
    arming: int = 0
    """What tells repetitions apart: the grant that armed it, or the instant that was due."""
    detail: str = ""
    """For speakers that need more than figures."""


class Waiting(Struct, array_like=True, gc=False):
    """A message that the gate holds back until ``until_ms``; one per speaker and rule."""

    speaker: str
    rule: str
    marks: list[Mark]
    """At most one per bucket: a later one takes its place."""
    since_ms: int
    until_ms: int
    cycle_start_ms: int
    """The billing cycle of the last reason; a part of the reminder's id."""
    cause: Cause
    """Of the last reason."""


class Alarm(Struct, array_like=True, gc=False):
    """A threshold that is reached, of a rule whose further course depends on that: it counts, has
    hysteresis, or somebody wants to know when it is over."""

    rule: str
    bucket: str
    """Its id; empty if it is about the whole account."""
    threshold: int
    count: int
    """Usage events in a row after which it was reached; at most the rule's ``for_count``."""
    is_told: bool
