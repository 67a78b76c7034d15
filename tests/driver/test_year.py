"""Law 18 over a whole year: the worker's parts under a virtual clock, and the oracle, agree.

Subscribers in every sort of time zone, with moves, choices, plan changes and packs; every reminder,
audit decision and account is compared. The year 2028 has a 29th of February. Ten thousand of them
with HYPOTHESIS_PROFILE=deep, on all cores; sixty else.
"""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import pytest

from streamproc.lab.oracle import Expectation, PlacedRecord, differences, expect, observed
from tests.property.budget import IS_DEEP
from tests.property.world import figures_of
from tests.support.quota_driver import QuotaDriver
from tests.support.yearly import END_MS, HOUR_MS, START_MS, Entry, events, rules

SUBSCRIBERS = 10_000 if IS_DEEP else 60
SHARE = 2500 if IS_DEEP else 60
"""Subscribers have nothing to do with one another: so many are a process's task."""
STEP_MS = 6 * HOUR_MS
"""Timers look that seldom, which no rule's grace minds: what they send is the same."""


def run(driver: QuotaDriver, entries: list[Entry], wreck: random.Random | None = None) -> None:
    """Feed the year in steps; ``wreck`` loses memory and processes now and then."""
    at = 0
    for now_ms in range(START_MS + STEP_MS, END_MS + STEP_MS, STEP_MS):
        while at < len(entries) and entries[at][0] <= now_ms:
            arrival_ms, subscriber, value = entries[at]
            driver.send(subscriber.encode(), value, timestamp_ms=arrival_ms)
            at += 1
        driver.process()
        if wreck is not None and wreck.random() < 0.02:
            if wreck.random() < 0.5:
                driver.commit()
                driver.reload(wreck.randrange(driver.log.partitions))
            else:
                driver.restart()
                driver.process()
        driver.advance_wall_clock(now_ms - driver.now_ms)


def expectation(driver: QuotaDriver) -> Expectation:
    records = [
        PlacedRecord(one.topic, one.partition, one.offset, one.key, one.value, one.timestamp)
        for one in driver.output("events")
    ]
    return expect(records, driver.rules, until_ms=END_MS)


def outcome(driver: QuotaDriver, expected: Expectation) -> Expectation:
    accounts = {
        key.decode(): driver.processor.unpack(data[8:]) for key, data in driver.committed().items()
    }
    values = {
        topic: [one.value or b"" for one in driver.output(topic)] for topic in driver.topics.outputs
    }
    return observed(
        values["reminders"],
        values["audit"],
        values["rejects"],
        records=expected.records,
        charged_bytes=sum(account.charged_bytes for account in accounts.values()),
        accounts={name: figures_of(account, driver.rules) for name, account in accounts.items()},
    )


def year_of(share: int) -> tuple[list[str], Counter[str]]:
    """A share of the subscribers by itself: where run and oracle differ, and reminders by kind."""
    entries = list(events(SHARE, seed=2028 + share, first=share * SHARE))
    with QuotaDriver(rules(), partitions=4, now_ms=START_MS) as driver:
        run(driver, entries, random.Random(share))
        expected = expectation(driver)
        return differences(outcome(driver, expected), expected), expected.reminders_by_kind


@pytest.mark.timeout(3600)
def test_law_18_a_year_of_many_subscribers() -> None:
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as processes:
        apply = processes.map if SUBSCRIBERS > SHARE else map
        for problems, by_kind in apply(year_of, range(SUBSCRIBERS // SHARE)):
            assert not problems, "\n".join(problems)
            counts += by_kind
    kinds = {rule.kind for rule in rules().timed_rules}
    assert all(counts[kind] > SUBSCRIBERS // 20 for kind in kinds)
