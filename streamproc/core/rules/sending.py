"""Sending settings of the rules file: for each rule, and for all messages of a subscriber."""

from __future__ import annotations

from datetime import time
from typing import Final, Literal, Protocol

from msgspec import Struct

from streamproc.core.instants import NEVER_MS

Severity = Literal["info", "warning", "critical"]

Audience = Literal["device_user", "account_holder", "both"]

SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
"""Severities, ascending."""


class Policy(Struct, frozen=True, gc=False):
    """How the messages of one rule are sent; the default is at once."""

    severity: Severity = "info"
    audience: Audience = "device_user"
    in_quiet_hours: Literal["hold", "send"] = "hold"
    cool_down_ms: int = 0
    """Shortest time between two messages of the rule."""
    coalesce_ms: int = 0
    """How long a message waits for others of its group, so that they are sent as one."""
    group: str = ""
    """Rules of one group say the same thing at different strengths. If several are to be sent at
    once, one message is sent, the most urgent. Without a group a rule is alone."""
    for_count: int = 1
    """After how many usage events in a row, all with the threshold reached, the rule fires."""
    hysteresis: int = 0
    """How far a figure must fall below its threshold before the threshold is armed again, in the
    unit of the rule's thresholds."""
    evaluate_on_create: bool = False
    """Whether a reminder is sent for what is already reached when the validity of the rule
    begins."""
    valid_from_ms: int = 0
    valid_until_ms: int = NEVER_MS
    """End of the validity, exclusive. Outside its validity a rule is ignored."""


PLAIN: Final = Policy()


def leaves_no_trace(policy: Policy) -> bool:
    """Whether a single message is sent at once and the account keeps no memory of it.

    This holds only for subscribers without quiet hours and caps.
    """
    alike = Policy(policy.severity, policy.audience, policy.in_quiet_hours, group=policy.group)
    return policy == alike


class QuietHours(Struct, frozen=True, gc=False):
    """From ``start`` (inclusive) to ``end`` on the subscriber's clocks; may pass midnight."""

    start: time
    end: time


class Cap(Struct, frozen=True, gc=False):
    """At most a number of messages to a subscriber within a sliding window."""

    messages: int
    window_ms: int


class AlertPolicy(Struct, frozen=True, gc=False):
    """Settings for all messages of a subscriber together."""

    quiet_hours: QuietHours | None = None
    caps: tuple[Cap, ...] = ()


UNRESTRICTED: Final = AlertPolicy()


class Spoken(Protocol):
    """What the gate must know about a rule, a schedule or a notice."""

    @property
    def id(self) -> str:
        """Unique among everything that one speaker sends."""

    @property
    def kind(self) -> str:
        """What it is about, as the rules file names it."""

    @property
    def category(self) -> str:
        """The category that subscribers can opt out of."""

    @property
    def mandatory(self) -> bool:
        """Required by regulation: an opt-out or a cap does not stop it."""

    @property
    def priority(self) -> int:
        """Messages with a smaller number are sent first."""

    @property
    def policy(self) -> Policy:
        """How its messages are sent."""


def urgency(rule: Spoken) -> tuple[bool, int, int]:
    """Sorts the most urgent first: mandatory, then severity, then priority."""
    severity = SEVERITIES.index(rule.policy.severity)
    return not rule.mandatory, -severity, rule.priority
