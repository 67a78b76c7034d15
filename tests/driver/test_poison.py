"""A record, or a row's due work, at which the application itself fails, silences nothing else.

Law 17: the partition is loaded again without the half-done work, the cause is left out, and
everything around it is applied once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from streamproc.core.state.events import ToppedUp
from streamproc.core.step.transition import advance, step
from streamproc.engine.processor import PoisonError
from streamproc.worker import quota_processor
from tests.support.quota_driver import DAY, HOUR, MINUTE, Everything, QuotaDriver

NewDriver = Callable[..., QuotaDriver]

ALICE = "8613800000001"
BOB = "8613800000004"
CAROL = "8613800000002"


@pytest.fixture
def poisonous(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core fails at events whose id says so, and at the timers of Bob."""

    def failing_step(account: Any, event: Any, *rest: Any) -> Any:
        if event.id.startswith("poison"):
            account.charged_bytes += 1_000_000_000  # half-done work that must not stay
            raise ZeroDivisionError
        return step(account, event, *rest)

    def failing_advance(account: Any, subscriber: str, *rest: Any, **more: Any) -> Any:
        if subscriber == BOB:
            account.grants += 77
            raise ZeroDivisionError
        return advance(account, subscriber, *rest, **more)

    monkeypatch.setattr(quota_processor, "step", failing_step)
    monkeypatch.setattr(quota_processor, "advance", failing_advance)


def play(driver: QuotaDriver, *poisons: int) -> Everything:
    """Usage of three subscribers in one chunk, with poison before these places, or nothing."""
    for name in (ALICE, BOB, CAROL):
        driver.activate(name)
    driver.advance_wall_clock(MINUTE)
    for number in range(6):
        for place in (0, 2, 5):
            if number != place:
                continue
            if place in poisons:
                event = ToppedUp(f"poison-{place}", "shop", ALICE, driver.now, granted_bytes=9)
                driver.send_event(event)
            else:
                driver.log.skip("events", driver.partition_of(ALICE.encode()))
        for name in (ALICE, BOB, CAROL):
            driver.send_event(driver.usage(name, 100_000, f"{name}-{number}"))
    driver.process()
    driver.commit()
    return driver.everything()


def without_rejects(everything: Everything) -> Everything:
    outputs = {place: found for place, found in everything.outputs.items() if place[0] != "rejects"}
    return Everything(everything.rows, outputs)


@pytest.mark.both_ways
@pytest.mark.usefixtures("poisonous")
@pytest.mark.parametrize("poisons", [(0,), (2,), (5,), (0, 2, 5)])
def test_a_poisonous_record_is_rejected_and_the_rest_counts_once(
    new_driver: NewDriver, poisons: tuple[int, ...]
) -> None:
    clean, driver = new_driver(), new_driver()
    expected, observed = play(clean), play(driver, *poisons)
    assert without_rejects(observed) == without_rejects(expected)
    rejects = driver.rejects()
    assert {(one.reason, one.topic, one.partition) for one in rejects} == {
        ("internal_error", "events", driver.partition_of(ALICE.encode()))
    }
    assert len({one.offset for one in rejects}) == len(rejects) == len(poisons)
    poisoned = {
        record.offset
        for record in driver.log.read("events", driver.partition_of(ALICE.encode()))
        if b"poison" in (record.value or b"")
    }
    assert {one.offset for one in rejects} == poisoned
    assert len(driver.repairs) == len(poisons)
    assert driver.account(ALICE).charged_bytes == 600_000  # type: ignore[union-attr]


@pytest.mark.usefixtures("poisonous")
def test_after_a_restart_the_poisonous_record_is_not_rejected_again(driver: QuotaDriver) -> None:
    before = play(driver, 2)
    driver.restart()
    driver.process()
    driver.commit()
    assert driver.everything() == before


@pytest.mark.usefixtures("poisonous")
@pytest.mark.parametrize("step", ["1", "5", "4", "6"])
def test_a_crash_when_the_reject_is_committed(new_driver: NewDriver, step: str) -> None:
    """The new process does not know of the poison any more, and meets it again."""
    clean, driver = new_driver(), new_driver()
    expected = play(clean, 2)
    # Three activations and Carol's partition are committed before.
    with driver.crash_at("commit", step, count=5):
        play(driver, 2)
    driver.start()
    driver.process()
    driver.commit()
    assert driver.everything() == expected
    assert len(driver.rejects()) == 1


@pytest.mark.both_ways
@pytest.mark.usefixtures("poisonous")
def test_poisonous_due_work_of_one_row_leaves_the_others_theirs(driver: QuotaDriver) -> None:
    play(driver)
    before = driver.account(BOB)
    driver.advance_wall_clock(DAY, step_ms=HOUR)
    assert sorted(one.subscriber for one in driver.reminders() if one.rule == "morning") == sorted(
        [ALICE, CAROL]
    )
    assert driver.account(BOB) == before, "half-done due work must not stay"
    assert len(driver.repairs) == 1
    # Its usage still counts, and makes up for what was due.
    driver.use(BOB, 100_000)
    assert driver.account(BOB).charged_bytes == 700_000  # type: ignore[union-attr]


@pytest.mark.usefixtures("poisonous")
def test_the_rest_of_a_storm_goes_out_once_around_a_poisonous_row(new_driver: NewDriver) -> None:
    driver = new_driver(due_per_tick=7)
    names = [f"8613800{number:06d}" for number in range(100)] + [BOB]
    for name in names:
        driver.activate(name)
    driver.advance_wall_clock(DAY, step_ms=HOUR)
    reminded = [one.subscriber for one in driver.reminders()]
    assert sorted(reminded) == sorted(set(names) - {BOB})


def test_a_partition_that_cannot_be_mended_is_an_error_not_an_endless_loop(
    driver: QuotaDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget(*_: object) -> None:
        """A processor that does not leave out what failed."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(driver.processor, "set_aside", forget)
    monkeypatch.setattr(quota_processor, "step", fail)
    with pytest.raises(PoisonError, match="could not be applied"):
        driver.use(ALICE, 5)
