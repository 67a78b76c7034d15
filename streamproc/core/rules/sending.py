"""Sending settings of the rules file: for each rule, and for all messages of a subscriber."""

from __future__ import annotations

from datetime import time
from typing import Final, Literal, Protocol

from msgspec import Struct

from streamproc.core.instants import NEVER_MS

Severity = Literal["info", "warning", "critical"]

Audience = Literal["device_user", "account_holder", "both"]

SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
"""Ascending."""


class Policy(Struct, frozen=True, gc=False):
    """How the messages of one rule go out; the default is at once."""

    severity: Severity = "info"
    audience: Audience = "device_user"
    in_quiet_hours: Literal["hold", "send"] = "hold"
    cool_down_ms: int = 0
    """From one message of the rule to its next one."""
    coalesce_ms: int = 0
    """A message waits that long for others that it can be told together with."""
    group: str = ""
    """Rules of one group say the same thing at different strength: what is to go out at once is one
    message, the most urgent. Without a group a rule is alone."""
    for_count: int = 1
    """Fires with the so-manieth usage event in a row after which its threshold is reached."""
    hysteresis: int = 0
    """How far a figure must fall below its threshold before that is armed again; in the unit of the
    rule's thresholds."""
    evaluate_on_create: bool = False
    """What is reached already when the rule begins to be valid is reminded of then."""
    valid_from_ms: int = 0
    valid_until_ms: int = NEVER_MS
    """Exclusive. Outside of its validity a rule is as if it were not there."""


PLAIN: Final = Policy()


def leaves_no_trace(policy: Policy) -> bool:
    """Whether a message alone goes out at once, and the account keeps nothing of it.

    That is where subscribers have no quiet hours and no caps.
    """
    alike = Policy(policy.severity, policy.audience, policy.in_quiet_hours, group=policy.group)
    return policy == alike


class QuietHours(Struct, frozen=True, gc=False):
    """From ``start`` (inclusive) to ``end`` on the subscriber's clocks, also over midnight."""

    start: time
    end: time


class Cap(Struct, frozen=True, gc=False):
    """At most so many messages to a subscriber within a sliding window."""

    messages: int
    window_ms: int


class AlertPolicy(Struct, frozen=True, gc=False):
    """What holds for all messages of a subscriber together."""

    quiet_hours: QuietHours | None = None
    caps: tuple[Cap, ...] = ()


UNRESTRICTED: Final = AlertPolicy()


class Spoken(Protocol):
    """What the gate must know of a rule, a schedule or a notice."""

    @property
    def id(self) -> str:
        """Unique among all that speak through one speaker."""

    @property
    def kind(self) -> str:
        """What it is about, in the words of the rules file."""

    @property
    def category(self) -> str:
        """What subscribers opt out of."""

    @property
    def mandatory(self) -> bool:
        """Demanded by regulation: neither opting out nor a cap stops it."""

    @property
    def priority(self) -> int:
        """Lower goes first."""

    @property
    def policy(self) -> Policy:
        """How it goes out."""


def urgency(rule: Spoken) -> tuple[bool, int, int]:
    """Sorts the most urgent first: mandatory, then severity, then priority."""
    severity = SEVERITIES.index(rule.policy.severity)
    return not rule.mandatory, -severity, rule.priority
