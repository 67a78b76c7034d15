"""A month as billing systems send it, through crashes and failures, against both expectations.

The first is the core applied in log order, byte by byte; the second is the oracle, which shares no
code with it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest
from aiokafka.errors import RequestTimedOutError

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.lab.oracle import Expectation, PlacedRecord
from streamproc.lab.oracle import expect as expect_by_oracle
from streamproc.lab.workload import WorkloadRecord, WorkloadSettings, clock_records, generate
from tests.support.cluster import Record
from tests.support.expectation import Result, assert_same, expect
from tests.support.oracle import assert_agrees
from tests.support.quota_driver import QuotaDriver

NewDriver = Callable[..., QuotaDriver]

PARTITIONS = 3
STEPS = ["1", "2", "3", "4", "5", "6", "7"]


def load(driver: QuotaDriver, settings: WorkloadSettings) -> list[tuple[int, int, WorkloadRecord]]:
    """Put the month into the input topic; returns partition, offset, record of each."""
    placed = []
    for record in generate(settings, default_rulebook()):
        where = driver.send(record.key, record.value, timestamp_ms=record.timestamp_ms)
        placed.append((where.partition, where.offset, record))
    for number, record in clock_records(settings, PARTITIONS):
        driver.send(None, record.value, partition=number, timestamp_ms=record.timestamp_ms)
    return placed


def run_to_the_end(driver: QuotaDriver) -> None:
    driver.process()
    driver.commit()
    while driver.tick():
        driver.commit()


def result(driver: QuotaDriver) -> Result:
    counts = {
        name: Counter(record.value or b"" for record in driver.output(topic))
        for name, topic in driver.topics.by_field().items()
    }
    return Result(driver.committed(), counts)


def wreck(driver: QuotaDriver, chance: random.Random) -> Counter[str]:
    """Process the input in bits, with crashes, failures and commits under way; what was done."""
    done: Counter[str] = Counter()
    for _ in range(60):
        kind = chance.choice(["crash", "fail", "overlap", "restart", "tick", "tick"])
        done[kind] += 1
        driver.process(records=chance.randrange(2, 40))
        assert any(partition.is_dirty for partition in driver.partitions.values())
        if kind == "crash":
            with driver.crash_at("commit", chance.choice(STEPS)):
                driver.commit()
            driver.start()
        elif kind == "fail":
            driver.fail_commit_at(chance.choice(STEPS[1:-1]), RequestTimedOutError())
            driver.commit()
        elif kind == "overlap":
            driver.hold_commits_at(chance.choice(STEPS[1:-1]))
            driver.begin_commits()
            driver.process(records=chance.randrange(2, 40))
            if chance.random() < 0.5:
                driver.release_commits()
            else:
                driver.restart()
        elif kind == "restart":
            driver.restart()
        else:
            driver.tick()
    return done


@pytest.mark.both_ways
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_month_through_crashes_and_failures_is_exact(new_driver: NewDriver, seed: int) -> None:
    settings = WorkloadSettings(seed=seed, events=6_000, subscribers=150, malformed_share=0.02)
    driver = new_driver(
        rules=default_rulebook(), clock="event", partitions=PARTITIONS, chunk_records=50
    )
    placed = load(driver, settings)
    done = wreck(driver, random.Random(seed))
    assert set(done) == {"crash", "fail", "overlap", "restart", "tick"}
    run_to_the_end(driver)
    observed = result(driver)
    entries = tuple((partition, offset, tuple(record)) for partition, offset, record in placed)
    final_ms = max(record.timestamp_ms for _, record in clock_records(settings, PARTITIONS))
    expected, by_oracle = expectations(entries, final_ms)
    assert expected.reminders
    assert expected.rejects
    assert_same(observed, expected)
    assert_agrees(observed, by_oracle)


@cache
def expectations(
    entries: tuple[tuple[int, int, Record], ...], final_ms: int
) -> tuple[Result, Expectation]:
    """The same with and without the compiled plain case."""
    log = [PlacedRecord("events", partition, offset, *one) for partition, offset, one in entries]
    return (
        expect(entries, "events", final_clock_ms=final_ms),
        expect_by_oracle(log, default_rulebook(), final_ms),
    )
