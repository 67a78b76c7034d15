"""Every alarm that workers decide, with its bounds.

These numbers have one home. The rules of ``ops/`` are tested against them
(tests/house/test_alarm_table.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Tier = Literal["orange", "red"]
TIERS: Final[tuple[Tier, ...]] = ("orange", "red")
"""The less urgent first."""

ORANGE_SUBSCRIBERS: Final = 10
RED_SUBSCRIBERS: Final = 1_000
"""From so many concerned subscribers on an alarm has a tier, unless an option says otherwise."""

USAGE_PROMISE_SECONDS: Final = 10
"""A reminder of usage can be read so soon after the arrival of the usage."""
TIMED_PROMISE_SECONDS: Final = 60
"""A timed or held reminder can be read so soon after its instant."""
BEHIND_SECONDS: Final = 60
STORM_BEHIND_SECONDS: Final = 300
WAITING_SECONDS: Final = 60
SLOW_SUBMIT_SECONDS: Final = 5
SLOW_SHARE: Final = 0.01
"""More than this share of slow answers: the 99th percentile is slow."""
REJECTS_SHARE: Final = 0.01
FAILED_TRANSACTIONS: Final = 3
FAILED_WINDOW_SECONDS: Final = 300
MEMORY_SHARE: Final = 0.85
CLOCK_SECONDS: Final = 5
REVEALED: Final = "DataRevealed"
"""The alarm about the reveals topic. Its figure comes from there, not from shares."""


@dataclass(frozen=True)
class Alarm:
    """One alarm. Its name is that of the alert in ``ops/`` and of its page in docs/runbooks."""

    name: str
    summary: str
    """A sentence, with ``{concerned}`` and, of alarms by gateway, ``{gateway}``."""
    hold_seconds: int = 0
    """It must last so long before it is raised."""
    window_seconds: int = 0
    """What happened within so long is counted; 0: how many are concerned now."""
    is_by_gateway: bool = False
    tier: Tier | None = None
    """Its only tier, if the number of subscribers does not decide it."""


ALARMS: Final[Mapping[str, Alarm]] = {
    one.name: one
    for one in (
        Alarm(
            "RemindersLate",
            "{concerned} reminders of the last 5 minutes came later than promised",
            30,
            300,
        ),
        Alarm(
            "RemindersMissed",
            "{concerned} timed messages of the last 5 minutes were not sent: too late to be useful",
            0,
            300,
        ),
        Alarm(
            "PartitionsAway", "no worker runs the partitions of about {concerned} subscribers", 45
        ),
        Alarm(
            "InputBehind",
            "the usage of {concerned} subscribers is applied more than a minute late",
            30,
        ),
        Alarm(
            "DueWorkBehind",
            "timed work is more than a minute behind in partitions of {concerned} subscribers",
            30,
        ),
        Alarm(
            "StormPastItsWindow",
            "{concerned} messages of a storm wait more than 5 minutes past their instant",
            30,
        ),
        Alarm(
            "RejectsShare",
            "{concerned} records of the last 5 minutes were rejected, more than 1 % of all",
            30,
            300,
        ),
        Alarm(
            "WrongPartition",
            "{concerned} records of the last 5 minutes were in the partition of another key",
            0,
            300,
        ),
        Alarm(
            "WorkSetAside",
            "the program failed at the records or due work of {concerned} subscribers and leaves "
            "them out",
            0,
            900,
        ),
        Alarm(
            "TransactionsFailing", "commits keep failing in workers of {concerned} subscribers", 30
        ),
        Alarm(
            "MemoryNear", "the memory of workers of {concerned} subscribers is nearly used up", 30
        ),
        Alarm(
            "RulesRefused",
            "a changed rules file is refused: {concerned} subscribers keep the old rules",
        ),
        Alarm(
            "ClockWrong",
            "the clock of workers of {concerned} subscribers is wrong by more than 5 s",
            15,
        ),
        Alarm(
            "GatewayDown",
            "{concerned} messages wait for the gateway {gateway}, which is down",
            30,
            is_by_gateway=True,
        ),
        Alarm(
            "GatewaySlow",
            "the gateway {gateway} answers after more than 5 s; {concerned} messages of 5 minutes",
            30,
            300,
            is_by_gateway=True,
        ),
        Alarm(
            "MessagesWaiting",
            "{concerned} messages wait for a gateway, the oldest for more than a minute",
            30,
        ),
        Alarm("DispatchStalled", "nothing is sent though {concerned} messages are due"),
        Alarm(
            "DeadLetters",
            "{concerned} reminders of the last 15 minutes became dead letters",
            0,
            900,
        ),
        Alarm(
            "MessagesExpired",
            "{concerned} messages of the last 15 minutes expired before a gateway took them",
            0,
            900,
        ),
        Alarm(
            "MessagesUncertain",
            "of {concerned} messages of the last 15 minutes nobody knows whether they were sent",
            0,
            900,
        ),
        Alarm(
            REVEALED,
            "numbers or texts of {concerned} subscribers were shown to people within 15 minutes",
            0,
            900,
        ),
        Alarm("ProcessDown", "no dispatcher tells anything: nothing is sent", 30, tier="red"),
        Alarm("AllGatewaysDown", "no gateway takes messages", 30, tier="red"),
    )
}
"""By name."""

LONGEST_WINDOW_SECONDS: Final = max(one.window_seconds for one in ALARMS.values())


@dataclass(frozen=True)
class Bounds:
    """From how many concerned subscribers on an alarm is orange, and red."""

    orange: int = ORANGE_SUBSCRIBERS
    red: int = RED_SUBSCRIBERS

    def tier_of(self, concerned: int) -> Tier | None:
        """The tier of so many; None: too few."""
        if concerned >= self.red:
            return "red"
        return "orange" if concerned >= self.orange else None
