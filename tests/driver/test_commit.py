"""Nothing is lost or doubled, whatever happens around a commit (laws 1 to 4).

Every run with a fault is compared, byte by byte, with the same run without one.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from aiokafka.errors import KafkaError, RequestTimedOutError

from streamproc.core.state.events import UsageRecorded
from streamproc.engine.changelog import PROGRESS_KEY, decode_progress
from streamproc.engine.errors import TakenOverError
from tests.support.quota_driver import DAY, HOUR, MINUTE, Everything, QuotaDriver

NewDriver = Callable[..., QuotaDriver]

SUBSCRIBERS = [f"861380000000{number}" for number in range(1, 9)]
ALICE = SUBSCRIBERS[0]
BEFORE_COMMITTED = ["1", "2", "3", "4", "5"]
AFTER_COMMITTED = ["6", "7"]
STEPS = [*BEFORE_COMMITTED, *AFTER_COMMITTED]


def activate_all(driver: QuotaDriver) -> None:
    for name in SUBSCRIBERS:
        driver.activate(name)
    driver.advance_wall_clock(MINUTE)


def send_some(driver: QuotaDriver, seed: int, count: int = 40) -> None:
    """Usage that crosses thresholds, duplicates, and records that are rejected."""
    chance = random.Random(seed)
    sent: list[UsageRecorded] = []
    for number in range(count):
        name = chance.choice(SUBSCRIBERS)
        kind = chance.random()
        if kind < 0.1:
            driver.send(name.encode(), b"{")
        elif kind < 0.2 and sent:
            driver.send_event(chance.choice(sent))
        else:
            sent.append(driver.usage(name, chance.randrange(120_000), f"{seed}-{number}"))
            driver.send_event(sent[-1])


def finish(driver: QuotaDriver) -> Everything:
    driver.process()
    driver.commit()
    return driver.everything()


def scene(driver: QuotaDriver) -> None:
    """Everyone is active, some usage is committed, some waits in the input topic."""
    activate_all(driver)
    send_some(driver, 1)
    driver.process()
    driver.commit()
    send_some(driver, 2)


@pytest.fixture
def expected(new_driver: NewDriver) -> Everything:
    clean = new_driver()
    scene(clean)
    everything = finish(clean)
    assert clean.reminders()
    assert clean.rejects()
    assert "duplicate" in clean.decisions()
    return everything


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("count", [1, 2], ids=["first partition", "second partition"])
def test_a_crash_after_any_step_of_a_commit(
    new_driver: NewDriver, expected: Everything, step: str, count: int
) -> None:
    driver = new_driver()
    scene(driver)
    before = driver.committed()
    driver.process()
    with driver.crash_at("commit", step, count):
        driver.commit()
    # Of two partitions, the first one's commit was over when the second one's was cut off.
    committed = driver.committed()
    assert (committed != before) == (step in AFTER_COMMITTED or count == 2)
    driver.start()
    assert driver.stored() == committed
    assert finish(driver) == expected
    assert driver.committed() == driver.stored()


@pytest.mark.both_ways
@pytest.mark.parametrize("step", ["a", "b", "c"])
def test_a_crash_while_partitions_are_opened(
    new_driver: NewDriver, expected: Everything, step: str
) -> None:
    driver = new_driver()
    scene(driver)
    driver.crash()
    with driver.crash_at("open", step, count=2):
        driver.start()
    driver.start()
    assert finish(driver) == expected


def test_crash_after_crash_after_crash(new_driver: NewDriver) -> None:
    """Forty crashes at random places; in between, at times, no progress at all."""
    clean = new_driver()
    activate_all(clean)
    driver = new_driver()
    activate_all(driver)
    chance = random.Random(5)
    for seed in range(40):
        for one in (clean, driver):
            send_some(one, seed, count=10)
        clean.process()
        clean.commit()
        with driver.crash_at("commit", chance.choice(STEPS)):
            for _ in range(50):
                driver.process(records=chance.randrange(1, 8))
                if chance.random() < 0.5:
                    driver.commit()
        driver.start()
    assert finish(driver) == finish(clean)


@pytest.mark.both_ways
@pytest.mark.both_ways
@pytest.mark.parametrize("step", ["2", "3", "4", "5", "6"])
@pytest.mark.parametrize(
    "error",
    [RequestTimedOutError(), TimeoutError(), ConnectionResetError(), KafkaError()],
    ids=repr,
)
def test_a_failed_commit_loads_the_partition_again(
    new_driver: NewDriver, expected: Everything, step: str, error: Exception
) -> None:
    driver = new_driver()
    scene(driver)
    driver.process()
    driver.fail_commit_at(step, error)
    assert finish(driver) == expected
    assert [why for _, why in driver.repairs] == [error]


@pytest.mark.both_ways
def test_memory_after_a_failed_commit_is_what_was_committed(driver: QuotaDriver) -> None:
    activate_all(driver)
    send_some(driver, 1)
    driver.process()
    driver.commit()
    before = driver.committed()
    send_some(driver, 2)
    driver.process()
    assert driver.stored() != before
    for number in list(driver.partitions):
        driver.reload(number)
    assert driver.stored() == before == driver.committed()
    assert not any(partition.is_dirty for partition in driver.partitions.values())
    assert [len(partition.rows) for partition in driver.partitions.values()] == [
        sum(driver.partition_of(key) == number for key in before) for number in driver.partitions
    ]


def test_what_is_applied_while_a_commit_is_under_way_is_thrown_away_with_it(
    new_driver: NewDriver, expected: Everything
) -> None:
    driver = new_driver()
    scene(driver)
    driver.process(records=7)
    driver.hold_commits_at("4")
    driver.begin_commits()
    driver.process()
    driver.fail_commit_at("4", TimeoutError())
    driver.release_commits()
    failed = [p.number for p in driver.partitions.values() if p.commit_failure is not None]
    assert len(failed) == 1
    assert finish(driver) == expected
    assert [number for number, _ in driver.repairs] == failed


def test_what_is_applied_while_a_commit_is_under_way_belongs_to_the_next(
    new_driver: NewDriver, expected: Everything
) -> None:
    driver = new_driver()
    scene(driver)
    before = driver.committed()
    driver.process(records=7)
    first = driver.stored()
    driver.hold_commits_at("4")
    driver.begin_commits()
    driver.process()
    assert driver.committed() == before
    driver.release_commits()
    assert driver.committed() == first != driver.stored()
    assert finish(driver) == expected
    assert driver.repairs == []


def test_a_crash_while_a_commit_is_under_way(new_driver: NewDriver, expected: Everything) -> None:
    driver = new_driver()
    scene(driver)
    before = driver.committed()
    driver.process()
    driver.hold_commits_at("5")
    driver.begin_commits()
    driver.restart()
    assert driver.committed() == driver.stored() == before
    assert finish(driver) == expected


def test_input_is_acknowledged_after_its_commit_and_never_before(driver: QuotaDriver) -> None:
    activate_all(driver)
    acknowledged = dict(driver.group_offsets)
    assert acknowledged == {("events", n): driver.log.end("events", n) for n in range(2)}
    send_some(driver, 1)
    driver.process()
    driver.hold_commits_at("6")
    driver.begin_commits()
    assert driver.group_offsets == acknowledged
    driver.release_commits()
    assert driver.group_offsets == {("events", n): driver.log.end("events", n) for n in range(2)}


def test_the_position_in_the_changelog_is_that_of_the_rows(driver: QuotaDriver) -> None:
    scene(driver)
    for _ in range(5):
        driver.process(records=3)
        driver.commit()
        for number in range(2):
            written = driver.log.read("changelog", number)
            last = [one for one in written if one.key == PROGRESS_KEY][-1]
            progress = decode_progress(last.value or b"")
            assert progress == driver.partitions[number].progress
            assert progress.positions["events"] == driver.group_offsets["events", number]


def test_lost_group_offsets_do_no_harm(new_driver: NewDriver, expected: Everything) -> None:
    driver = new_driver()
    scene(driver)
    driver.group_offsets.clear()
    driver.restart()
    assert finish(driver) == expected


@pytest.mark.parametrize("chunk_records", [1, 7, 1000])
def test_input_that_comes_again_is_not_applied_again(
    new_driver: NewDriver, expected: Everything, chunk_records: int
) -> None:
    """Chunks may lie before the position in the changelog, or across it."""
    driver = new_driver(chunk_records=chunk_records)
    scene(driver)
    for _ in range(4):
        driver.process(records=5)
        for number in range(2):
            driver.rewind(
                number, max(0, driver.partitions[number].progress.positions["events"] - 9)
            )
    assert finish(driver) == expected
    for number in range(2):
        driver.rewind(number, 0)
    assert finish(driver) == expected


def test_a_paused_worker_that_was_replaced_writes_nothing_more(
    new_driver: NewDriver, expected: Everything
) -> None:
    old = new_driver()
    scene(old)
    old.process()
    old.hold_commits_at("5")
    old.begin_commits()
    new = new_driver(log=old.log, now_ms=old.now_ms)
    before = old.log.end("changelog", 0), old.log.end("reminders", 0)
    old.release_commits()
    assert all(isinstance(p.commit_failure, TakenOverError) for p in old.partitions.values())
    assert (old.log.end("changelog", 0), old.log.end("reminders", 0)) == before
    assert finish(new) == expected
    assert new.repairs == []


def test_a_compacted_changelog_holds_all_that_is_needed(
    new_driver: NewDriver, expected: Everything
) -> None:
    driver = new_driver()
    scene(driver)
    before = driver.stored()
    driver.crash()
    driver.log.compact("changelog")
    driver.start()
    assert driver.stored() == before
    assert finish(driver) == expected


@pytest.mark.both_ways
def test_the_due_queue_after_a_restart_is_the_one_before(new_driver: NewDriver) -> None:
    """Without a restart, and with one before every single hour."""
    clean, driver = new_driver(), new_driver()
    for one in (clean, driver):
        scene(one)
        finish(one)
    clean.advance_wall_clock(3 * DAY, step_ms=HOUR)
    for _ in range(3 * 24):
        driver.restart()
        driver.advance_wall_clock(HOUR)
    assert driver.everything() == clean.everything()
    assert len([one for one in driver.reminders() if one.rule == "morning"]) == 3 * len(SUBSCRIBERS)


def test_a_deleted_row_stays_deleted(driver: QuotaDriver) -> None:
    driver.use(ALICE, 5)
    assert driver.committed().keys() == {ALICE.encode()}
    driver.advance_wall_clock(2 * HOUR)
    assert driver.committed() == {}
    for compacted in (False, True):
        if compacted:
            driver.log.compact("changelog")
        driver.restart()
        assert driver.stored() == {}
        driver.advance_wall_clock(DAY)
    assert [one.reason for one in driver.rejects()] == ["unknown_subscriber"]
