"""What receipts say is true under lost answers, crashes and reports in any order, also repeated.

Each world has a message center that remembers which parts arrived. Every receipt is compared with
that: none may say accepted or delivered of a message of which a part never arrived.
"""

from __future__ import annotations

import random
from collections import defaultdict

from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.elsewhere import Elsewhere
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    Outcome,
    Outgoing,
    Refused,
    Unknown,
)
from tests.support.scheduler import HASHES, Table, line, reminder

WORLDS = 60
REMINDERS = 14
STEPS = 90
NUMBERS = ("8613800000001", "8613800000002")
PARTITIONS = 2
HOURS_26_MS = 26 * 3_600_000


class Center:
    """The message center of both gateways."""

    def __init__(self, chance: random.Random, is_hexadecimal: bool) -> None:
        self._chance = chance
        self._is_hexadecimal = is_hexadecimal
        self._ids = 1_000_000
        self.arrived: dict[str, set[int]] = defaultdict(set)
        self.waiting: list[DeliveryReport] = []
        self.answers: list[tuple[Outgoing, Outcome, str]] = []
        """Late ones, with their gateway."""

    def submit(self, message: Outgoing, now_ms: int) -> Outcome:
        """Part by part; the answer may be lost, or late."""
        chance, taken = self._chance, dict[int, str]()
        left = [one for one in range(1, message.part_count + 1) if one not in message.parts]
        for place, part in enumerate(left):
            drawn = chance.random()
            if drawn < 0.1:
                return Refused(ErrorClass.TRANSIENT, "busy", dict(taken))
            if drawn < 0.15:
                return Refused(ErrorClass.PERMANENT, "wrong", dict(taken))
            if drawn < 0.25:
                return Unknown("the connection was lost before it arrived", dict(taken))
            given = self._take(message, part, now_ms)
            if drawn < 0.45:
                if drawn < 0.3:
                    rest = {part: given}
                    late: Outcome = Accepted(rest)
                    if place + 1 < len(left):
                        late = Refused(ErrorClass.UNREACHABLE, "rest_not_sent", rest)
                    self.answers.append((message, late, message.gateway))
                return Unknown("no answer", dict(taken))
            taken[part] = given if drawn < 0.97 else ""
        return Accepted(taken)

    def _take(self, message: Outgoing, part: int, now_ms: int) -> str:
        self._ids += self._chance.randrange(1, 9)
        self.arrived[message.id].add(part)
        state = self._chance.choice(["delivered", "delivered", "failed"])
        shown = f"{self._ids:X}" if self._is_hexadecimal else str(self._ids)
        peer = HASHES.of(message.subscriber)
        # Receipts go to any session of the account.
        gateway = message.gateway if self._chance.random() < 0.9 else "second"
        report = DeliveryReport(gateway, str(self._ids), state, "0", now_ms, peer)  # type: ignore[arg-type]
        if self._chance.random() < 0.9:
            self.waiting += [report] * self._chance.choice([1, 1, 2])
        return shown


class World:
    """Dispatchers, one after the other, with one message center."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        policy = self.chance.choice(["at_most_once", "at_most_once", "at_least_once"])
        lines = [
            line(
                name,
                reports=True,
                on_unknown=policy,
                on_unknown_mandatory=self.chance.choice(["at_most_once", "at_least_once"]),
            )
            for name in ("main", "second")
        ]
        backoff = Backoff(base_ms=100, max_ms=300, max_attempts=4)
        self.table = Table(*lines, backoff=backoff, partitions=PARTITIONS)
        self.center = Center(self.chance, is_hexadecimal=self.chance.random() < 0.3)
        self.log: list[DeliveryReport] = []
        self.read = 0
        self.placed = 0
        """How often the journals of others settled something."""

    def run(self) -> None:
        numbers = list(range(1, REMINDERS + 1))
        for _ in range(STEPS):
            if numbers and self.chance.random() < 0.4:
                self._put(numbers.pop())
            out = self.table.step(self.chance.choice([0, 20, 400]))
            self.chance.shuffle(out)
            if self.chance.random() < 0.06:
                for message in out[: self.chance.randrange(len(out) + 1)]:
                    self.center.submit(message, self.table.now_ms)
                self._crash()
                continue
            for message in out:
                outcome = self.center.submit(message, self.table.now_ms)
                self._hear()
                self.table.scheduler.settle(message, outcome, self.table.now_ms)
                if self.chance.random() < 0.5:
                    self.table.commit()
            self._late()
            self._hear()
            if self.chance.random() < 0.3:
                self._ask_elsewhere()
        self._ask_elsewhere()
        for partition in range(PARTITIONS):
            if partition not in self.table.scheduler.ledgers:
                self.table.open(partition)
        for _ in range(20):
            for message in self.table.step(400):
                self.table.scheduler.settle(message, Unknown("the end"), self.table.now_ms)
            self._hear()
        self.table.step(self.chance.choice([0, HOURS_26_MS]))
        self._hear()
        self.table.step()

    def _ask_elsewhere(self) -> None:
        """The journals of the partitions that are not open here are read."""
        deliveries = self.table.scheduler.deliveries
        keys, elsewhere = deliveries.unplaced(), Elsewhere()
        for partition in set(range(PARTITIONS)) - self.table.scheduler.ledgers.keys():
            elsewhere.add(partition, self.table.entries(partition))
        before = len(self.table.receipts)
        self.table.commit()
        deliveries.place(keys, elsewhere, self.table.now_ms)
        self.table.commit()
        self.placed += bool(keys) and len(self.table.receipts) > before

    def _put(self, number: int) -> None:
        to = self.chance.choice(NUMBERS)
        fields: dict[str, object] = {"subscriber": to}
        partition = NUMBERS.index(to)
        if self.chance.random() < 0.3:  # a pool's reminder: its partition is not the number's
            fields, partition = {"subscriber": "family-4711", "recipient": to}, 1
        fields["mandatory"] = self.chance.random() < 0.4
        fields["segments"] = self.chance.choice([1, 1, 1, 2, 3])
        fields["kind"] = self.chance.choice(["usage_percent", "usage_summary"])
        self.table.put(reminder(number, **fields), partition=partition)  # type: ignore[arg-type]

    def _crash(self) -> None:
        self.center.answers.clear()  # their sessions are over
        starts = [one.reports.get(0, 0) for one in self.table.stored]
        self.read = min(starts)
        own = self.chance.choice([[0, 1], [0, 1], [1, 0], [0], [1]])
        self.table.restart(own[:1], reads=False)
        # Another dispatcher may have written down what the message center says.
        for one in own[1:]:
            if self.chance.random() < 0.5:
                self._hear()
            self.table.open(one, reads=False)
        if self.chance.random() < 0.5:
            self._hear()
        for one in own:
            self.table.read(one)

    def _late(self) -> None:
        while self.center.answers and self.chance.random() < 0.3:
            message, outcome, gateway = self.center.answers.pop(0)
            self.table.scheduler.settle_late(message, outcome, self.table.now_ms, gateway)

    def _hear(self) -> None:
        """Some reports of the message center come, in any order, and are read."""
        self.chance.shuffle(self.center.waiting)
        while self.center.waiting and self.chance.random() < 0.5:
            self.log.append(self.center.waiting.pop())
        for offset in range(self.read, len(self.log)):
            self.table.scheduler.report(self.log[offset], (0, offset), self.table.now_ms)
        self.read = len(self.log)


def test_no_receipt_says_more_than_the_message_center_knows() -> None:
    settled = uncertain = placed = 0
    for seed in range(WORLDS):
        world = World(seed)
        world.run()
        placed += world.placed
        told: dict[str, list[str]] = defaultdict(list)
        for one in world.table.receipts:
            told[one.reminder_id].append(one.status)
            if one.status in ("accepted", "delivered"):
                parts = set(range(1, one.parts + 1))
                arrived = world.center.arrived[one.reminder_id]
                assert arrived == parts, f"seed {seed}: {one}"
        for statuses in told.values():
            assert len(set(statuses)) == len(statuses), f"seed {seed}: {statuses}"
            uncertain += statuses[0] == "uncertain"
            settled += statuses[:2] == ["uncertain", "accepted"]
    assert uncertain > WORLDS
    assert settled > WORLDS / 4
    assert placed > 0
