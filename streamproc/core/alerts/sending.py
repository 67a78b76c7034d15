"""The gate with all who speak through it. A new kind of messages is added to ``SPEAKERS``."""

from __future__ import annotations

from typing import Final

from streamproc.core.alerts import gate
from streamproc.core.alerts.gate import Message
from streamproc.core.alerts.timed import TIMED
from streamproc.core.alerts.usage import USAGE
from streamproc.core.effects import Effect
from streamproc.core.model import Account
from streamproc.core.notices.speaking import NOTICE
from streamproc.core.quota.corrected import CORRECTED
from streamproc.core.rulebook import Rulebook

SPEAKERS: Final = {one.name: one for one in (USAGE, TIMED, NOTICE, CORRECTED)}


def submit(
    account: Account,
    subscriber: str,
    messages: list[Message],
    at_ms: int,
    rules: Rulebook,
    wall_ms: int = 0,
) -> list[Effect]:
    """Let messages of one instant through the gate; see :func:`gate.submit`."""
    return gate.submit(account, subscriber, messages, at_ms, rules, SPEAKERS, wall_ms)


def release(
    account: Account, subscriber: str, at_ms: int, wall_ms: int, rules: Rulebook
) -> list[Effect]:
    """Send what was held until an instant; see :func:`gate.release`."""
    return gate.release(account, subscriber, at_ms, wall_ms, rules, SPEAKERS)
