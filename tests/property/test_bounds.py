"""What is bounded is so in the oracle, too: parts of an account, instants of records."""

from __future__ import annotations

import json
import random

import pytest

from streamproc.core.instants import DAY_MS, LAST_ARRIVAL_MS, LAST_MS, to_ms
from streamproc.core.step import account_events
from streamproc.lab.oracle import contract, differences, expect, observed
from streamproc.worker.settings import Native
from tests.property import rulebooks
from tests.property.test_laws_log import NATIVE, TOPICS, Run, log_of
from tests.property.world import World
from tests.support.line import day

NAME = "861380000001"
START_MS = to_ms(day(0))


@pytest.mark.parametrize("seed", range(2))
def test_an_account_that_is_full_takes_no_more_and_takes_again_when_it_is_not(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Core and oracle agree after each event; ended buckets count for as long as they stay."""
    assert account_events.MAX_PARTS == contract.MAX_PARTS
    monkeypatch.setattr(account_events, "MAX_PARTS", 40)
    monkeypatch.setattr(contract, "MAX_PARTS", 40)
    chance = random.Random(seed)
    world = World(rulebooks.make(), START_MS)
    common = {"source": "t", "subscriber": NAME}
    world.send(
        {
            **common, "id": "a", "time": START_MS, "type": "account.activated", "plan": "same",
            "time_zone": "UTC", "billing_anchor_day": 1,
        }
    )  # fmt: skip
    reasons = []
    for number in range(120):
        world.clock_ms += 60_000
        event = {**common, "id": f"e{number}", "time": world.clock_ms}
        draw = chance.random()
        if draw < 0.2:
            event |= {"type": "account.opted_out", "category": f"c{number}"}
        elif draw < 0.23:
            event |= {"type": "account.plan_changed", "plan": chance.choice(["one", "same", "odd"])}
        elif draw < 0.26:
            event |= {"type": "usage.recorded", "total_bytes": chance.randrange(60)}
        else:
            until_ms = world.clock_ms + chance.choice([1, 3, 40 * 24]) * rulebooks.HOUR_MS + number
            event |= {"type": "account.topped_up", "granted_bytes": 5, "expires_time": until_ms}
        world.send(event)
        reasons.append(world.found[NAME].rejects["account_full"])
    assert reasons[-1] > 0
    world.clock_ms = START_MS + 33 * DAY_MS  # a new cycle: what ended is forgotten
    event = {**common, "id": "last", "time": world.clock_ms}
    world.send({**event, "type": "account.topped_up", "granted_bytes": 5})
    world.finish()
    assert world.found[NAME].rejects["account_full"] == reasons[-1]


@pytest.mark.parametrize("native", NATIVE)
def test_records_and_events_beyond_the_calendar_are_rejected_alike(native: Native) -> None:
    records = log_of(5, 200)
    usage = {"type": "usage.recorded", "source": "t", "subscriber": NAME, "total_bytes": 1}
    for number, (stamp_ms, time) in enumerate(
        [
            (LAST_ARRIVAL_MS, "2026-01-05T00:00:00Z"),
            (LAST_MS, "2026-01-05T00:00:00Z"),
            (1_767_571_200_000_000_000, "2026-01-05T00:00:00Z"),
            (-1, "2026-01-05T00:00:00Z"),
            (START_MS, "9999-12-31T23:59:59-12:00"),
            (START_MS, "0001-01-01T00:00:00+14:00"),
        ]
    ):
        value = json.dumps({**usage, "id": f"x{number}", "time": time}).encode()
        record = records[0]._replace(key=NAME.encode(), value=value, timestamp_ms=stamp_ms)
        records.insert(100, record)
    records = [record._replace(offset=number) for number, record in enumerate(records)]
    rules = rulebooks.make(timed_rules=())
    expected = expect(records, rules)
    run = Run(rules, native)
    run.apply(records)
    run.finish()
    outputs: dict[str, list[bytes]] = {
        topic: [] for topic in (TOPICS.reminders, TOPICS.audit, TOPICS.rejects)
    }
    for (topic, _), values in run.outputs.items():
        outputs.setdefault(topic, []).extend(values)
    found = observed(
        outputs[TOPICS.reminders],
        outputs[TOPICS.audit],
        outputs[TOPICS.rejects],
        len(records),
        expected.charged_bytes,
    )
    problems = differences(found, expected)
    assert not problems, "\n".join(problems)
    assert expected.rejects["time_in_future"] >= 4
    assert expected.rejects["time_in_past"] >= 1
