"""Does the due work of a row in parts, if a record arrives long after it.

A record that is stamped years ahead makes all work of these years due at once: hundreds of
thousands of messages of one subscriber. So a row advances by a week at a time, and if an outbox is
full, the record waits for a commit. The result is the same as in one step, because time between two
records is never late (``advance`` in ``core/step/transition.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from streamproc.core.instants import DAY_MS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Effect
from streamproc.core.state.events import Arrival, SubscriberEvent
from streamproc.core.step.advancing import adopt_rules
from streamproc.core.step.transition import advance
from streamproc.core.usage.dedupe import SeenEvents
from streamproc.worker.hourly import Hourly

log = structlog.get_logger(__name__)

SLICE_MS = 7 * DAY_MS
"""How far a row is advanced in one part beyond the instant at which it is due."""
WARNED_MS = 400 * DAY_MS
"""No usual pause of a partition is longer than this."""
WARNED_TOPICS = 1_000


def is_far_behind(account: Account, received_ms: int) -> bool:
    """Whether more falls due before an arrival than is done in one part."""
    return received_ms - account.next_due_ms > SLICE_MS


def catch_up(
    account: Account,
    event: SubscriberEvent,
    received_ms: int,
    rules: Rulebook,
    ids: SeenEvents,
    emit: Callable[[Account | None, list[Effect]], bool],
) -> tuple[Account | None, bool]:
    """Advance a row by parts until it is less than one part behind.

    ``emit`` takes the row and the effects of a part; it returns whether there is room for another
    one. Returns the row, and whether it is there.
    """
    # As of the arrival, as ``step`` does it.
    if account.rules_id != rules.fingerprint:
        adopt_rules(account, event.subscriber, received_ms, rules)
    current: Account | None = account
    while current is not None and is_far_behind(current, received_ms):
        until_ms = current.next_due_ms + SLICE_MS
        current, effects = advance(current, event.subscriber, until_ms, rules, ids)
        if not emit(current, effects):
            return current, False
    return current, True


class LeapWarnings:
    """Warns of records whose timestamps lie years after those before them, once an hour a topic."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._warned = Hourly(now, WARNED_TOPICS, "(others)")

    def note(self, account: Account, arrival: Arrival) -> None:
        """A record came for a row that is so far behind."""
        if arrival.received_ms - account.next_due_ms <= WARNED_MS:
            return
        due = self._warned.note(arrival.topic)
        if due is None:
            return
        log.warning(
            "a record's timestamp is years after the ones before it: the work of these years is "
            "done before it, in parts",
            topic=arrival.topic,
            partition=arrival.partition,
            offset=arrival.offset,
            records=due[1],
            advice="if the timestamp is wrong, mend the clock of the program that writes it; "
            "message.timestamp.after.max.ms of the topic refuses such records",
        )
