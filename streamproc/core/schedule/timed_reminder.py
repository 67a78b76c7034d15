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
    """When it would be sent without a spread."""
    number: int
    """Distinguishes it from other occurrences of the rule in the cycle (or of the bucket):
    ``planned_ms``, or a number less than 0 if another local time can be the same instant."""
