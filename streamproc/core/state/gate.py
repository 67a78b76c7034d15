"""What an account remembers of its messages; parts of ``account.Extra``."""

from __future__ import annotations

from msgspec import Struct

from streamproc.core.state.effects import Cause


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
    """A message that the gate holds back until ``until_ms``: of one rule, about one thing."""

    speaker: str
    rule: str
    marks: list[Mark]
    """One: the reason. Earlier versions kept one per bucket; the gate splits such a record."""
    since_ms: int
    until_ms: int
    cycle_start_ms: int
    """The billing cycle of the last reason; a part of the reminder's id."""
    cause: Cause
    """Of the last reason."""
    lower: list[Mark] = []
    """Reasons that it superseded and that were never told: if it is not true any more, the highest
    of them that still is takes its place."""
    told: list[str] = []
    """Those of a pool that it was sent to already, while others still wait for it."""

    @property
    def mark(self) -> Mark:
        """The reason."""
        return self.marks[0]


class RecipientMemory(Struct, array_like=True, gc=False):
    """What caps and cool-downs count of the messages to one of a pool."""

    sent_ms: list[int] = []
    """As ``Extra.sent_ms``."""
    cooling: dict[str, int] = {}
    """As ``Extra.cooling``."""


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
