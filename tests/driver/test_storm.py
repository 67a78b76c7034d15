"""Law 20 in small: many due at the same midnight, a rate, a deadline, crashes in between."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, time
from itertools import pairwise

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import from_ms, to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import AlertPolicy, QuietHours
from streamproc.core.state.effects import Reminder
from streamproc.core.state.events import AccountActivated, ProfileChanged
from tests.support.quota_driver import DAY, HOUR, MINUTE, SECOND, START, QuotaDriver

SUBSCRIBERS = 240
RULES = """
version: 1
currency: CNY
default_locale: en
storms: {{rate_per_second: {rate}, mandatory_window_seconds: {first}, window_seconds: {then}}}
plans: [{{id: basic, allowances: [{{id: data, granted_bytes: 1000}}]}}]
rules:
  - {{id: low, kind: usage_percent, thresholds: [80], category: balance, priority: 1,
     texts: {{en: "{{percent}} at {{as_of}}"}}}}
  - {{id: must, kind: once, date: 2026-01-06, at: "00:00", segments: [must], mandatory: true,
     misfire_grace_seconds: {grace}, category: law, texts: {{en: "{{used}} at {{as_of}}"}}}}
  - {{id: may, kind: once, date: 2026-01-06, at: "00:00", segments: [may], priority: 7,
     misfire_grace_seconds: {grace}, category: news, texts: {{en: "{{used}} at {{as_of}}"}}}}
  - {{id: over, kind: cycle_end, mandatory: true, category: law, texts: {{en: "{{used}}"}}}}
"""
MIDNIGHT_MS = to_ms(START) + DAY


def rules(rate: int = 0, first: int = 0, then: int = 0, grace: int = 21_600) -> Rulebook:
    return load_rulebook(RULES.format(rate=rate, first=first, then=then, grace=grace), "storm.yaml")


def subscribers(driver: QuotaDriver) -> None:
    """Everybody is due at the coming midnight, one in four by a mandatory rule."""
    for number in range(SUBSCRIBERS):
        name = f"86138{number:06}"
        segment = "must" if number % 4 == 0 else "may"
        driver.send_event(
            AccountActivated(f"a{number}", "crm", name, driver.now, "basic", "UTC", 1)
        )
        driver.send_event(ProfileChanged(f"p{number}", "crm", name, driver.now, segments=[segment]))
    driver.process()
    driver.commit()
    driver.now_ms = MIDNIGHT_MS - SECOND


def timed(driver: QuotaDriver) -> list[Reminder]:
    return [one for one in driver.reminders() if one.rule != "low"]


def test_law_20_reminders_are_spread_over_their_windows_mandatory_ones_first() -> None:
    with QuotaDriver(rules(first=60, then=600)) as driver:
        subscribers(driver)
        driver.advance_wall_clock(12 * MINUTE, step_ms=SECOND)
        sent = timed(driver)
        assert len({one.subscriber for one in sent}) == len(sent) == SUBSCRIBERS
        late = {
            rule: sorted(to_ms(one.as_of) - MIDNIGHT_MS for one in sent if one.rule == rule)
            for rule in ("must", "may")
        }
        assert late["must"][0] >= 0
        assert late["must"][-1] < 60 * SECOND <= late["may"][0]
        assert late["may"][-1] < 660 * SECOND
        for times, begin, length in ((late["must"], 0, 60), (late["may"], 60, 600)):
            # Evenly: no tenth of the window holds more than a third of it.
            tenths = Counter((at - begin * SECOND) * 10 // (length * SECOND) for at in times)
            assert max(tenths.values()) < len(times) / 3
            assert len(tenths) == 10


def test_law_20_a_storm_looks_the_same_in_every_run_and_with_other_partitions() -> None:
    outcomes = []
    for partitions, step_ms in ((1, SECOND), (3, 30 * SECOND)):
        with QuotaDriver(rules(first=60, then=600), partitions=partitions) as driver:
            subscribers(driver)
            driver.advance_wall_clock(12 * MINUTE, step_ms=step_ms)
            outcomes.append({(one.id, one.text, one.as_of) for one in timed(driver)})
    assert outcomes[0] == outcomes[1]


def test_law_20_figures_are_of_the_instant_at_which_it_is_sent() -> None:
    with QuotaDriver(rules(first=60, then=600)) as driver:
        subscribers(driver)
        driver.advance_wall_clock(6 * MINUTE, step_ms=SECOND)
        told = {one.subscriber for one in timed(driver)}
        names = [f"86138{number:06}" for number in range(SUBSCRIBERS)]
        assert 0 < len(told) < SUBSCRIBERS
        for name in names:
            driver.use(name, 100)
        driver.advance_wall_clock(6 * MINUTE, step_ms=SECOND)
        for one in timed(driver):
            assert one.used_bytes == (0 if one.subscriber in told else 100)


@pytest.mark.parametrize("seed", range(3))
def test_law_20_a_rate_is_kept_and_the_mandatory_go_first_through_crashes(seed: int) -> None:
    chance = random.Random(seed)
    rate, partitions = 3, 2
    with QuotaDriver(rules(rate), partitions=partitions) as driver:
        subscribers(driver)
        counts = [0]
        for _ in range(120):
            driver.now_ms += SECOND
            driver.tick()
            if chance.random() < 0.1:
                driver.restart()  # the tick's work is lost, and must be done again
            elif chance.random() < 0.1:
                driver.commit()
                driver.reload(chance.randrange(partitions))
            driver.commit()
            counts.append(len(timed(driver)))
        assert max(after - before for before, after in pairwise(counts)) <= rate * partitions
        sent = timed(driver)
        assert len({one.id for one in sent}) == len(sent) == SUBSCRIBERS
        for number in range(partitions):
            order = [
                one.rule for one in sent if driver.partition_of(one.subscriber.encode()) == number
            ]
            assert order == sorted(order, reverse=True)  # must before may


def test_law_20_what_cannot_go_out_in_time_is_audited() -> None:
    with QuotaDriver(rules(rate=1, grace=30), partitions=1) as driver:
        subscribers(driver)
        driver.advance_wall_clock(5 * MINUTE, step_ms=SECOND)
        sent, missed = timed(driver), [one for one in driver.audits() if one.decision == "missed"]
        assert {one.rule for one in sent} == {"must"}
        assert 28 <= len(sent) <= 33
        assert len(missed) == SUBSCRIBERS - len(sent)
        assert {one.subscriber for one in sent} | {one.subscriber for one in missed} == {
            f"86138{number:06}" for number in range(SUBSCRIBERS)
        }
        # Deadlines are found out when they pass, not when their turn would have come.
        assert driver.now_ms < MIDNIGHT_MS + 6 * MINUTE


def test_law_20_a_low_balance_reminder_waits_for_nobody() -> None:
    with QuotaDriver(rules(rate=1), partitions=1) as driver:
        subscribers(driver)
        driver.advance_wall_clock(10 * SECOND, step_ms=SECOND)
        assert 5 < len(timed(driver)) < 15
        for number in range(SUBSCRIBERS - 20, SUBSCRIBERS):
            driver.use(f"86138{number:06}", 900)
        alerts = [one for one in driver.reminders() if one.rule == "low"]
        assert len(alerts) == 20
        assert {one.as_of for one in alerts} == {from_ms(driver.now_ms)}
        # What was due before the usage went out with it, once.
        driver.advance_wall_clock(HOUR, step_ms=SECOND)
        assert Counter(one.subscriber for one in timed(driver)).most_common(1)[0][1] == 1
        assert len(timed(driver)) == SUBSCRIBERS


def test_law_20_a_storm_of_alerts_held_in_the_night_goes_before_summaries() -> None:
    """Both are due at the same instant in the morning."""

    plain = rules(rate=2)
    quiet = Rulebook(
        tuple(plain.plans.values()),
        (),
        plain.usage_rules,
        plain.timed_rules,
        plain.limits,
        "en",
        "CNY",
        AlertPolicy(QuietHours(time(22), time(8))),
        storms=plain.storms,
    )
    with QuotaDriver(quiet, partitions=1) as driver:
        subscribers(driver)
        driver.now_ms = MIDNIGHT_MS + HOUR
        for number in range(1, SUBSCRIBERS, 8):
            driver.use(f"86138{number:06}", 900)
        driver.advance_wall_clock(
            to_ms(datetime(2026, 1, 6, 7, 59, tzinfo=START.tzinfo)) - driver.now_ms
        )
        assert not driver.reminders()
        driver.advance_wall_clock(30 * MINUTE, step_ms=SECOND)
        order = [one.rule for one in driver.reminders()]
        alerts = [place for place, rule in enumerate(order) if rule == "low"]
        assert len(alerts) == SUBSCRIBERS // 8
        # A subscriber's own summary may come with the alert; of the others none is before it.
        assert max(alerts) < 2 * len(alerts)


def test_law_20_notices_of_closed_cycles_do_not_wait_for_all_others_to_be_closed() -> None:
    with QuotaDriver(rules(rate=50, first=100), partitions=1, due_per_tick=20) as driver:
        subscribers(driver)
        cycle_end_ms = to_ms(datetime(2026, 2, 1, tzinfo=START.tzinfo))
        driver.advance_wall_clock(cycle_end_ms - SECOND - driver.now_ms)
        told_while_closing: list[int] = []
        while len(told_while_closing) < 100:
            driver.now_ms += SECOND
            driver.tick()
            driver.commit()
            open_cycles = [driver.account(f"86138{one:06}") for one in range(SUBSCRIBERS)]
            if all(one and one.cycle_start_ms == cycle_end_ms for one in open_cycles):
                break
            told_while_closing.append(len(timed(driver)))
        before = told_while_closing[0]
        assert len(told_while_closing) > 8
        assert told_while_closing[-1] > before
        driver.advance_wall_clock(3 * MINUTE, step_ms=SECOND)
        assert Counter(one.subscriber for one in timed(driver) if one.rule == "over") == {
            f"86138{number:06}": 1 for number in range(SUBSCRIBERS)
        }
