"""Which message is next: lanes, due times, and the order of one subscriber's messages.

A due message never overtakes an earlier one of the same subscriber, except one in a less urgent
lane. A message that waits for a retry keeps its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from streamproc.core.state.effects import Reminder
from streamproc.dispatch.model import Origin, Outgoing
from streamproc.dispatch.urgency import is_urgent

Ready = tuple[int, int, Outgoing]
"""Rule priority (1 first), place in the log, message: the order of a heap."""


@dataclass(frozen=True)
class Lane:
    """Which reminders belong to the lane: those that match any of the fields. The last lane of a
    list gets all others."""

    name: str
    kinds: frozenset[str] = frozenset()
    mandatory: bool = False
    severities: frozenset[str] = frozenset()
    urgent: bool = False
    """Reminders that are urgent by themselves, see ``urgency``."""

    def takes(self, reminder: Reminder) -> bool:
        return (
            reminder.kind in self.kinds
            or (self.mandatory and reminder.mandatory)
            or reminder.severity in self.severities
            or (self.urgent and is_urgent(reminder))
        )


def default_lanes() -> tuple[Lane, ...]:
    """The lanes of a gateways file without lanes: urgent reminders, and the rest."""
    return Lane("urgent", urgent=True), Lane("bulk")


def lane_of(reminder: Reminder, lanes: tuple[Lane, ...]) -> int:
    """The first lane that matches the reminder, else the last. It depends on the record alone."""
    for number, lane in enumerate(lanes[:-1]):
        if lane.takes(reminder):
            return number
    return len(lanes) - 1


class LaneQueues:
    """Waiting messages, by lane and subscriber. It holds every message until it is finished."""

    def __init__(self, lanes: int) -> None:
        self._queues: list[dict[str, deque[Outgoing]]] = [{} for _ in range(lanes)]
        self._ready: list[list[Ready]] = [[] for _ in range(lanes)]
        self._later: list[tuple[int, int, Outgoing]] = []
        self.held = [0] * lanes
        """Messages per lane, in any state."""

    def add(self, message: Outgoing, now_ms: int) -> None:
        """A new message: it is queued now, or when it falls due."""
        self.held[message.lane] += 1
        if message.ready_ms > now_ms:
            heappush(self._later, (message.ready_ms, message.sequence, message))
        else:
            self._enter(message)

    def awake(self, now_ms: int) -> None:
        """Queue the messages that have fallen due."""
        while self._later and self._later[0][0] <= now_ms:
            message = heappop(self._later)[2]
            if message.settled:
                continue
            if not message.queued:
                self._enter(message)
            elif self._queues[message.lane][message.subscriber][0] is message:
                self._push(message)  # it was at the head of its queue and waited for a retry

    def next_due_ms(self) -> int | None:
        """When :meth:`awake` will have something to do."""
        return self._later[0][0] if self._later else None

    def candidates(self, lane: int, now_ms: int) -> Iterator[Outgoing]:
        """Messages that may be sent now, best first. The caller must take each or put it back."""
        heap = self._ready[lane]
        while heap:
            message = heappop(heap)[2]
            # The heap can hold outdated entries: messages that were settled, or that wait for a
            # retry. They are dropped here, which is cheaper than to search the heap at each change.
            if message.settled or message.in_flight or message.ready_ms > now_ms:
                continue
            if self._queues[lane][message.subscriber][0] is not message or self._must_wait(message):
                continue  # finish() of the earlier message brings it back
            yield message

    def put_back(self, message: Outgoing) -> None:
        """The message could not be sent; it stays a candidate."""
        self._push(message)

    def retry(self, message: Outgoing, ready_ms: int) -> None:
        """The message failed and keeps its place until ``ready_ms``."""
        message.in_flight = False
        message.ready_ms = ready_ms
        heappush(self._later, (ready_ms, message.sequence, message))

    def finish(self, message: Outgoing) -> None:
        """The message is settled: the subscriber's next one may be sent."""
        message.settled = True
        message.in_flight = False
        self.held[message.lane] -= 1
        if not message.queued:
            return  # it never fell due
        queue = self._queues[message.lane][message.subscriber]
        was_head = queue[0] is message
        queue.remove(message)
        if not queue:
            del self._queues[message.lane][message.subscriber]
        elif was_head:
            self._push(queue[0])
        # Messages of less urgent lanes may have waited for this one.
        for lane in range(message.lane + 1, len(self._queues)):
            blocked = self._queues[lane].get(message.subscriber)
            if blocked:
                self._push(blocked[0])

    def _enter(self, message: Outgoing) -> None:
        queue = self._queues[message.lane].setdefault(message.subscriber, deque())
        place = len(queue)
        # A message that falls due late, for example after a retry, still takes its place in the
        # order of the log.
        while place and _comes_after(queue[place - 1], message):
            place -= 1
        queue.insert(place, message)
        message.queued = True
        if place == 0:
            self._push(message)

    def _push(self, message: Outgoing) -> None:
        entry = (message.reminder.priority, message.sequence, message)
        heappush(self._ready[message.lane], entry)

    def _must_wait(self, message: Outgoing) -> bool:
        """Whether an earlier message of a more urgent lane has not been sent yet."""
        for lane in range(message.lane):
            queue = self._queues[lane].get(message.subscriber)
            if queue and _precedes(queue[0].origin, message.origin):
                return True
        return False


def _comes_after(one: Outgoing, other: Outgoing) -> bool:
    """The order within a lane: the order of the log. A message that is being sent is never
    overtaken."""
    return not one.in_flight and one.sequence > other.sequence


def _precedes(one: Origin, other: Origin) -> bool:
    """Compares the places of one subscriber's records, which are in one partition."""
    return one.topic == other.topic and one.offset < other.offset
