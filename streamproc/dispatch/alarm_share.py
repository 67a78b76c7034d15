"""A dispatcher's share of alarms: what it counts at each commit and answer, and what is so now."""

from __future__ import annotations

from collections import Counter
from typing import Final

from streamproc.alarms.shares import SUBMITS, AlarmPart, Share, ShareCounts, joined, key_of, masked
from streamproc.alarms.table import SLOW_SUBMIT_SECONDS, WAITING_SECONDS
from streamproc.contracts.records.alarms import SAMPLE_LIMIT
from streamproc.core.instants import to_ms
from streamproc.core.subscribers import is_canary
from streamproc.dispatch.ledger import JournalTransaction
from streamproc.dispatch.router import GatewayLine
from streamproc.dispatch.scheduler import Scheduler

OF_STATUS: Final = {"expired": "MessagesExpired", "uncertain": "MessagesUncertain"}


class DispatcherShare:
    """Counts commits and answers, and makes the share of one dispatcher."""

    def __init__(self, process: str) -> None:
        self.counts = ShareCounts()
        self._process = process

    def committed(self, batch: JournalTransaction) -> None:
        """Count what a transaction has written. Its records show subscribers masked."""
        for receipt in batch.receipts:
            alarm = OF_STATUS.get(receipt.status)
            if alarm is not None and not is_canary(receipt.subscriber):
                self.counts.add(alarm, 1, [receipt.subscriber])
        for letter in batch.dead_letters:
            if letter.subscriber and is_canary(letter.subscriber):
                continue
            self.counts.add("DeadLetters", 1, [letter.subscriber] if letter.subscriber else [])

    def answered(self, gateway: str, seconds: float) -> None:
        """Count an answer of a gateway."""
        self.counts.add(key_of(SUBMITS, gateway), 1)
        if seconds > SLOW_SUBMIT_SECONDS:
            self.counts.add(key_of("GatewaySlow", gateway), 1)

    def take(self, scheduler: Scheduler, now_ms: int, stalled: set[int]) -> Share:
        """The share of now; its counts begin at 0 again. ``stalled``: lanes in which nothing is
        sent."""
        lines = scheduler.router.of_customers
        down = {line.name for line in lines if is_down(line)}
        first = {
            lane: next((line.name for line in lines if lane in line.lanes), "")
            for lane in range(len(scheduler.lanes))
        }
        waiting = _Waiting()
        for ledger in scheduler.ledgers.values():
            for message in ledger.messages.values():
                due_ms = to_ms(message.reminder.not_before)
                if message.is_canary or message.in_flight or due_ms > now_ms:
                    continue
                place = message.gateway or first[message.lane], message.lane
                waiting.add(place, due_ms, message.reminder.subscriber)
        levels = {
            key_of("GatewayDown", name): waiting.of(waiting.at(name)) for name in sorted(down)
        }
        old = {
            place
            for place, due_ms in waiting.oldest_ms.items()
            if now_ms - due_ms > WAITING_SECONDS * 1000
        }
        if old:
            levels["MessagesWaiting"] = waiting.of(old)
        if stalled:
            levels["DispatchStalled"] = waiting.of(set(waiting.counts))
        return Share(
            self._process,
            "dispatcher",
            now_ms,
            levels=levels,
            counts=self.counts.take(),
            are_gateways_down=bool(lines) and len(down) == len(lines),
        )


def is_down(line: GatewayLine) -> bool:
    """Whether a gateway takes no messages: no connection, or its breaker is open."""
    return line.down_since_ms is not None or line.breaker.state == "open"


class _Waiting:
    """Due messages that no gateway has, by gateway and lane."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, int]] = Counter()
        self.oldest_ms: dict[tuple[str, int], int] = {}
        self._some: dict[tuple[str, int], list[str]] = {}

    def add(self, place: tuple[str, int], due_ms: int, subscriber: str) -> None:
        self.counts[place] += 1
        self.oldest_ms[place] = min(self.oldest_ms.get(place, due_ms), due_ms)
        some = self._some.setdefault(place, [])
        if len(some) < SAMPLE_LIMIT:
            some.append(subscriber)

    def at(self, gateway: str) -> set[tuple[str, int]]:
        return {one for one in self.counts if one[0] == gateway}

    def of(self, places: set[tuple[str, int]]) -> AlarmPart:
        """The messages of these."""
        sample = joined(masked(self._some[one]) for one in sorted(places))
        return AlarmPart(sum(self.counts[one] for one in places), sample)
