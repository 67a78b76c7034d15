"""How many messages may be in doubt: those whose answer is not durable, of all partitions."""

from __future__ import annotations

import pytest

from streamproc.contracts.records.codec import encode_effect
from streamproc.dispatch.model import Accepted, ErrorClass, Origin, Outgoing, Refused, Unknown
from streamproc.dispatch.scheduler import Scheduler
from streamproc.dispatch.shaping import Shaper
from tests.support.scheduler import START_MS, TOPIC, Table, line, reminder

WINDOW = 2


@pytest.fixture
def table() -> Table:
    """Two partitions share a gateway; two messages for each, of four subscribers."""
    table = Table(line(shaper=Shaper(1000.0, 1000, WINDOW, START_MS)))
    ledger = table.scheduler.open(1, [])
    for number in range(len(table.lanes)):
        ledger.begin((number, TOPIC), 0)
    for partition in (0, 1):
        for offset in (0, 1):
            number = 2 * partition + offset
            value = encode_effect(reminder(number + 1, f"861380000000{number}"))
            for lane in range(len(table.lanes)):
                origin = Origin(TOPIC, partition, offset, START_MS)
                table.scheduler.offer(lane, origin, value, START_MS)
    return table


def taken(scheduler: Scheduler, partition: int) -> list[Outgoing]:
    """The messages whose intents are committed now."""
    scheduler.take(START_MS)
    batch = scheduler.take_batch(partition, force=True)
    assert batch is not None
    scheduler.recorded(batch)
    return batch.release


@pytest.mark.parametrize(
    "outcome", [Accepted(), Refused(ErrorClass.TRANSIENT, "busy"), Unknown("silence")]
)
def test_a_message_keeps_its_place_until_its_answer_is_durable(
    table: Table, outcome: Accepted | Refused | Unknown
) -> None:
    scheduler, shaper = table.scheduler, table.lines[0].shaper
    first = taken(scheduler, 0)
    assert [message.origin.partition for message in first] == [0, 0]
    for message in first:
        scheduler.settle(message, outcome, START_MS)
    # A process that dies now knows nothing of these two: two more would make four in doubt.
    assert shaper.outstanding == WINDOW
    assert taken(scheduler, 1) == []
    assert taken(scheduler, 0) == []
    assert [message.origin.partition for message in taken(scheduler, 1)] == [1, 1]
    assert shaper.outstanding == WINDOW


def test_a_partition_that_goes_gives_back_the_places_of_its_answers(table: Table) -> None:
    for message in taken(table.scheduler, 0):
        table.scheduler.settle(message, Accepted(), START_MS)
    table.scheduler.close(0)
    assert table.lines[0].shaper.outstanding == 0
    assert len(taken(table.scheduler, 1)) == WINDOW
