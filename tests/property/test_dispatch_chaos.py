"""The promise under random crashes, answers and silence: many small worlds, each from its seed."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import timedelta

import pytest

from streamproc.core.instants import from_ms, to_ms
from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.breaker import Breaker
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    Outcome,
    Outgoing,
    Policy,
    Refused,
    Unknown,
)
from streamproc.dispatch.shaping import Shaper
from streamproc.dispatch.watermark import Watermark
from tests.support.scheduler import HASHES, START_MS, TOPIC, Table, line, reminder

WORLDS = 30
REMINDERS = 24
FIRST = {"accepted", "failed", "expired", "uncertain"}


class World:
    """A scheduler and the truth about what reached a gateway."""

    def __init__(self, seed: int, policy: Policy) -> None:
        self.chance = random.Random(seed)
        lines = [
            line(
                name,
                shaper=Shaper(200.0, 5, 4, START_MS),
                breaker=Breaker(failures=4, open_ms=500, max_open_ms=2_000),
                on_unknown=policy,
                on_unknown_mandatory=policy,
                reports=True,
            )
            for name in ("first", "second")
        ]
        backoff = Backoff(base_ms=100, max_ms=1_000, max_attempts=6)
        self.table = Table(*lines, backoff=backoff)
        self.taken: Counter[str] = Counter()
        """How often a gateway may have taken each message."""
        self.ids = 0
        self.crashes = 0

    def put(self) -> None:
        for number in range(1, REMINDERS + 1):
            delay_ms = self.chance.choice([0, 0, 0, 700])
            life_ms = self.chance.choice([1_500, 3_600_000, 3_600_000])
            begin = from_ms(self.table.now_ms + delay_ms)
            self.table.put(
                reminder(
                    number,
                    f"86138{self.chance.randrange(6):08}",
                    self.chance.choice(["usage_percent", "usage_summary"]),
                    priority=5,
                    segments=self.chance.choice([1, 1, 3]),
                    not_before=begin,
                    expires_time=begin + timedelta(milliseconds=life_ms),
                )
            )

    def run(self) -> None:
        self.put()
        for _ in range(3_000):
            out = self.table.step(self.chance.choice([0, 5, 50]))
            self.chance.shuffle(out)
            if self.chance.random() < 0.02 and self.crashes < 6:
                self._crash(out)
                continue
            for message in out:
                self._submit(message)
                self.table.scheduler.settle(message, self._outcome(message), self.table.now_ms)
                if self.chance.random() < 0.5:
                    self.table.commit()
            if len({one.reminder_id for one in self.table.receipts}) == REMINDERS:
                break
        self.table.step()

    def _crash(self, out: list[Outgoing]) -> None:
        """Some of what was released had left, nothing of it had an answer that was kept."""
        self.crashes += 1
        for message in out[: self.chance.randrange(len(out) + 1)]:
            self._submit(message)
            self.taken[message.id] += 1
        self.table.restart()

    def _submit(self, message: Outgoing) -> None:
        now_ms = self.table.now_ms
        assert message.ready_ms <= now_ms, "before its time"
        assert now_ms < message.expires_ms, "after its time"
        for other in self.table.scheduler.ledgers[0].messages.values():
            if other.subscriber == message.subscriber and other.lane <= message.lane:
                earlier = other.origin.offset < message.origin.offset
                due = to_ms(other.reminder.not_before) <= now_ms
                assert not (earlier and due), "an earlier one is not out yet"

    def _outcome(self, message: Outgoing) -> Outcome:
        drawn = self.chance.random()
        if drawn < 0.5:
            self.taken[message.id] += 1
            parts = {}
            for number in range(1, message.reminder.segments + 1):
                if number not in message.parts:
                    self.ids += 1
                    parts[number] = str(self.ids)
            if self.chance.random() < 0.5:
                for part in parts.values():
                    self._report(message, part)
            return Accepted(parts)
        if drawn < 0.6:
            self.taken[message.id] += 1
            return Unknown("silence")
        if drawn < 0.65:
            return Refused(ErrorClass.PERMANENT, "wrong")
        if drawn < 0.8:
            return Refused(ErrorClass.TRANSIENT, "busy")
        if drawn < 0.9:
            return Refused(ErrorClass.UNREACHABLE, "away")
        return Refused(ErrorClass.THROTTLED, "slower")

    def _report(self, message: Outgoing, part: str) -> None:
        peer = HASHES.of(message.subscriber)
        report = DeliveryReport(message.gateway, part, "delivered", "", self.table.now_ms, peer)
        self.table.scheduler.report(report, None, self.table.now_ms)


@pytest.mark.parametrize("policy", ["at_most_once", "at_least_once"])
def test_the_promise_holds_in_every_world(policy: Policy) -> None:
    crashes = uncertain = doubled = 0
    for seed in range(WORLDS):
        world = World(seed, policy)
        world.run()
        crashes += world.crashes
        found: dict[str, list[str]] = defaultdict(list)
        for one in world.table.receipts:
            found[one.reminder_id].append(one.status)

        given_up = {one.reminder_id for one in world.table.dead_letters}
        receipts = world.table.receipts
        too_late = {one.reminder_id for one in receipts if one.error_code == "expired"}

        assert len(found) == REMINDERS, f"seed {seed}: some were lost"
        for reminder_id, statuses in found.items():
            counts = Counter(statuses)
            assert max(counts.values()) == 1, f"seed {seed}: {statuses}"
            assert statuses[0] in FIRST, f"seed {seed}: {statuses}"
            assert len(statuses) == 1 or statuses == ["accepted", "delivered"]
            taken = world.taken[reminder_id]
            uncertain += statuses == ["uncertain"]
            doubled += taken > 1
            if policy == "at_most_once":
                assert taken <= 1, f"seed {seed}: sent {taken} times"
            elif statuses == ["uncertain"]:
                # An attempt without an answer, then refused for good, tried too often, or expired.
                assert reminder_id in given_up | too_late, f"seed {seed}"
            if statuses[0] == "failed":
                assert taken == 0, f"seed {seed}: failed, and sent {taken} times"
            if statuses[0] == "accepted":
                assert taken >= 1
        assert world.table.positions[0, TOPIC] == REMINDERS

    assert crashes > WORLDS
    assert (uncertain > WORLDS) is (policy == "at_most_once")
    assert (doubled > 0) is (policy == "at_least_once")


def test_a_watermark_is_the_first_unfinished_offset() -> None:
    chance = random.Random(7)
    for _ in range(200):
        mark, unfinished, offset = Watermark(), set[int](), 0
        for _ in range(40):
            if unfinished and chance.random() < 0.5:
                one = chance.choice(sorted(unfinished))
                unfinished.discard(one)
                mark.done(one)
            else:
                offset += chance.randrange(3)  # offsets have gaps
                if chance.random() < 0.3:
                    mark.skip(offset)
                else:
                    mark.begin(offset)
                    unfinished.add(offset)
                offset += 1
            assert mark.value == min(unfinished, default=offset)
