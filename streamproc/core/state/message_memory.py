"""What an account remembers about its messages; parts of ``account.RareState``."""

from __future__ import annotations

from msgspec import Struct

from streamproc.core.state.effects import Cause


class Mark(Struct, array_like=True, frozen=True, gc=False):
    """One reason for a message: exactly what was reached, so that the gate can check later if it is
    true."""

    at_ms: int
    bucket: str = ""
    """Bucket id; empty if the reason is about the whole account."""
    threshold: int = -1
    """Threshold in the unit of the rule; -1 if there is none."""
    arming: int = 0
    """Distinguishes repetitions: the number of the grant that armed the threshold, the due instant,
    or a number of instant and event."""
    detail: str = ""
    """For speakers that need more than figures."""


class Waiting(Struct, array_like=True, gc=False):
    """A message that the gate holds back until ``until_ms``: of one rule, about one thing."""

    speaker: str
    rule: str
    marks: list[Mark]
    """One mark: the reason. Earlier versions kept one per bucket; the gate splits such a record."""
    since_ms: int
    until_ms: int
    cycle_start_ms: int
    """The billing cycle of the last reason. It is part of the reminder's id."""
    cause: Cause
    """Cause of the last reason."""
    lower: list[Mark] = []
    """Reasons that this one superseded before they were sent. If this reason is not true any more,
    the highest of them that still is true replaces it."""
    told: list[str] = []
    """The members of a pool that it was sent to already, while it still waits for others."""

    @property
    def mark(self) -> Mark:
        """The reason."""
        return self.marks[0]


class RecipientMemory(Struct, array_like=True, gc=False):
    """What caps and cool-downs remember about the messages to one member of a pool."""

    sent_ms: list[int] = []
    """Like ``RareState.sent_ms``."""
    cooling: dict[str, int] = {}
    """Like ``RareState.cooling``."""


class RememberedThreshold(Struct, array_like=True, gc=False):
    """A threshold that is reached, of a rule that remembers it: the rule counts events, has
    hysteresis, or a rule ``resolved`` reports when it is over."""

    rule: str
    bucket: str
    """Bucket id; empty if it is about the whole account."""
    threshold: int
    count: int
    """Usage events in a row with the threshold reached; at most the rule's ``for_count``. After the
    rule has fired: 0 if it fired again when its first message did not wait any more."""
    is_told: bool
