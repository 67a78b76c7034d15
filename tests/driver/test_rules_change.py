"""Rules that change while a worker runs, from one record or tick to the next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.events import AccountActivated
from streamproc.worker.rules import RulesFile
from tests.driver.conftest import RULES
from tests.support.quota_driver import DAY, HOUR, MINUTE, QuotaDriver
from tests.support.rules import edited

NewDriver = Callable[..., QuotaDriver]

ALICE = "8613800000001"
CAROL = "8613800000002"
FIVE = datetime(2026, 1, 5, tzinfo=UTC)


def changed(*changes: tuple[str, str]) -> Rulebook:
    return load_rulebook(edited(RULES, *changes), "rules.yaml")


def texts(driver: QuotaDriver) -> list[str]:
    return [one.text for one in driver.reminders()]


def mornings(driver: QuotaDriver) -> list[datetime]:
    return [one.as_of for one in driver.reminders() if one.rule == "morning"]


@pytest.mark.both_ways
def test_new_thresholds_hold_at_once_and_remind_of_nothing_past(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.use(ALICE, 400_000)
    driver.take_rules(changed(("[50, 80, 100]", "[30, 60]")))
    driver.use(ALICE, 100_000)
    driver.advance_wall_clock(HOUR, step_ms=MINUTE)
    assert texts(driver) == [], "30 % was passed before, 50 % is no threshold any more"
    driver.use(ALICE, 100_000)
    assert texts(driver) == ["60% used"]


def test_new_texts_hold_at_once(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.take_rules(changed(("{percent}% used", "only {remaining}")))
    driver.use(ALICE, 500_000)
    assert texts(driver) == ["only 500 kB"]


def test_a_new_grant_holds_from_the_next_cycle_on(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.take_rules(changed(("granted_bytes: 1_000_000", "granted_bytes: 2_000_000")))
    driver.use(ALICE, 600_000)
    assert texts(driver) == ["60% used"]
    driver.advance_wall_clock(27 * DAY, step_ms=HOUR)
    account = driver.account(ALICE)
    assert account is not None
    assert [bucket.granted_bytes for bucket in account.buckets] == [2_000_000]


@pytest.mark.parametrize(("at", "due"), [("08:00", 8), ("10:00", 10)])
def test_a_timer_moves_for_those_whom_no_event_touches(
    driver: QuotaDriver, at: str, due: int
) -> None:
    driver.activate(ALICE)
    driver.advance_wall_clock(HOUR)
    driver.take_rules(changed(("at: 09:00", f"at: {at}")))
    driver.advance_wall_clock(DAY, step_ms=MINUTE * 30)
    assert mornings(driver) == [FIVE.replace(hour=due)]


def test_what_only_the_new_rules_would_have_asked_for_is_not_made_up_for(
    driver: QuotaDriver,
) -> None:
    driver.activate(ALICE)
    driver.advance_wall_clock(8 * HOUR + 30 * MINUTE)
    driver.take_rules(changed(("at: 09:00", "at: 08:00")))
    driver.advance_wall_clock(DAY, step_ms=MINUTE * 30)
    assert mornings(driver) == [FIVE.replace(day=6, hour=8)]


@pytest.mark.both_ways
def test_a_rule_that_is_gone_reminds_no_more(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.take_rules(load_rulebook(RULES[: RULES.index("  - id: morning")], "rules.yaml"))
    driver.advance_wall_clock(3 * DAY, step_ms=HOUR)
    assert texts(driver) == []
    driver.use(ALICE, 600_000)
    assert texts(driver) == ["60% used"]


def test_going_back_and_forth_doubles_nothing(driver: QuotaDriver, rules: Rulebook) -> None:
    driver.activate(ALICE)
    driver.use(ALICE, 600_000)
    for number in range(24):
        driver.take_rules(changed(("grace_seconds: 7200", f"grace_seconds: {7200 + number}")))
        driver.advance_wall_clock(HOUR, step_ms=MINUTE * 10)
        driver.take_rules(rules)
    assert texts(driver) == ["60% used", "600 kB used"]


def test_a_change_reaches_rows_by_the_thousand_and_outlives_a_restart(
    new_driver: NewDriver,
) -> None:
    """2,500 rows in one partition are more than two ticks' worth."""
    driver = new_driver(partitions=1)
    names = [f"8613800{number:06d}" for number in range(2500)]
    for name in names:
        driver.send_event(_activation(driver, name))
    driver.process()
    driver.commit()
    driver.take_rules(changed(("at: 09:00", "at: 08:00")))
    driver.now_ms += HOUR
    driver.tick()
    driver.commit()
    driver.restart()  # in the middle of it
    driver.advance_wall_clock(9 * HOUR, step_ms=HOUR)
    assert mornings(driver) == [FIVE.replace(hour=8)] * len(names)
    assert {one.subscriber for one in driver.reminders()} == set(names)


def test_the_same_rules_again_write_nothing(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.advance_wall_clock(HOUR)
    end = driver.log.end("changelog", 1)
    driver.take_rules(load_rulebook(RULES + "# a comment\n", "rules.yaml"))
    driver.advance_wall_clock(HOUR, step_ms=MINUTE)
    assert driver.log.end("changelog", 1) == end


def test_a_pack_bought_before_the_change_keeps_what_it_was(driver: QuotaDriver) -> None:
    driver.activate(ALICE)
    driver.top_up(ALICE, pack="day")
    driver.take_rules(
        changed(
            ("granted_bytes: 500_000, validity_hours: 24", "granted_bytes: 7, validity_hours: 1")
        )
    )
    driver.advance_wall_clock(2 * HOUR, step_ms=HOUR)
    account = driver.account(ALICE)
    assert account is not None
    assert [bucket.granted_bytes for bucket in account.buckets] == [500_000, 1_000_000]


def test_a_worker_follows_its_file_and_keeps_good_rules_when_it_goes_bad(
    new_driver: NewDriver, tmp_path: Path
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, encoding="utf-8")
    file = RulesFile(path)
    driver = new_driver(rules=file.rulebook)

    def rewrite(text: str) -> None:
        path.write_text(text, encoding="utf-8")
        for _ in range(3):  # as the worker's timer does
            new = file.refresh()
            if new is not None:
                driver.take_rules(new)

    driver.activate(ALICE)
    rewrite(edited(RULES, ("[50, 80, 100]", "[10]")))
    driver.use(ALICE, 100_000)
    assert texts(driver) == ["10% used"]
    rewrite(edited(RULES, ("[50, 80, 100]", "[150]")))
    driver.activate(CAROL)
    driver.use(CAROL, 100_000)
    assert texts(driver) == ["10% used"] * 2
    path.unlink()
    assert file.refresh() is None
    driver.use(CAROL, 100_000)
    assert len(driver.rejects()) == 0


@pytest.mark.parametrize(
    ("change", "kind", "name"),
    [
        (("id: basic", "id: other"), "plan", "basic"),
        (("id: data", "id: other"), "pack or allowance", "data"),
        (("id: day", "id: other"), "pack or allowance", "day"),
    ],
)
def test_a_worker_that_starts_without_what_subscribers_have_says_so_once(
    driver: QuotaDriver, change: tuple[str, str], kind: str, name: str
) -> None:
    """A running worker refuses such a file; at a start there is nothing to go on with."""
    for one in (ALICE, CAROL):
        driver.activate(one)
        driver.top_up(one, pack="day")
    with capture_logs() as logs:
        driver.advance_wall_clock(HOUR, step_ms=MINUTE)
    assert logs == []
    driver.rules = changed(change)
    driver.restart()
    with capture_logs() as logs:
        driver.advance_wall_clock(HOUR, step_ms=MINUTE)
    told = [(one["log_level"], one["kind"], one["name"]) for one in logs]
    assert told == [("critical", kind, name)]


def _activation(driver: QuotaDriver, name: str) -> AccountActivated:
    return AccountActivated(f"a-{name}", "crm", name, driver.now, "basic", "UTC", 1)
