"""A timed reminder and its instants."""

from __future__ import annotations

from msgspec import Struct

from streamproc.core.rules.rulebook import TimedRule
from streamproc.core.state.account import Bucket


class Due(Struct, frozen=True, gc=False):
    """A timed rule at an instant, for one bucket or (None) for the whole account."""

    at_ms: int
    """When it is sent."""
    rule: TimedRule
    bucket: Bucket | None
    planned_ms: int
    """When it would be sent if nothing was spread."""
    number: int
    """What tells it from the rule's others in the cycle (of the bucket): ``planned_ms``, or a
    number less than 0 where another local time may have been the same instant."""
