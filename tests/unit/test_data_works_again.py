"""Whoever was told that data has stopped is told when it works again: by core and oracle."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.test_truth_cases import Life, rules_of, spoken

MB = 1_000_000
HOUR: dict[str, Any] = {"coalesce_seconds": 3600}
GROUP = {"group": "g", "severity": "warning"}
CAPPED = {
    "id": "capped",
    "allowances": [{"id": "data", "granted_bytes": 1000 * MB, "roaming_zones": ["home"]}],
    "overage_price_minor": 1,
    "overage_unit_bytes": MB,
    "cost_cap_minor": 1000,
    "policies": [{"id": "stop", "when": "cost_cap", "state": "barred"}],
}
STOPPED, WORKS, MONEY = "No data", "Data works", "Money"


def life_of(*rules: dict[str, Any]) -> Life:
    day = {"granted_bytes": 100 * MB, "validity_hours": 24}
    packs = [{"id": "day", **day}, {"id": "film", "rating_groups": [20], **day}]
    life = Life(rules_of(plans=[CAPPED], packs=packs, rules=list(rules)))
    life.begin("capped")
    return life


def said(life: Life) -> list[str]:
    """The texts, which must be of the rules that the oracle expects, too."""
    expected = [one.rule for one in life.player.expectation.reminders]
    assert [one.rule for one in life.told] == expected
    life.all_true()
    return [one.text for one in life.told]


def stopped(**fields: Any) -> dict[str, Any]:
    return spoken("stopped", "access_limited", STOPPED, policies=["stop"], **fields)


def again(of: str = "stopped", **fields: Any) -> dict[str, Any]:
    return spoken("again", "resolved", WORKS, of=[of], **fields)


def lift(life: Life, when: str) -> None:
    life.at(when, "account.cost_cap_lifted", tariff="", until="cycle_end")


@pytest.mark.parametrize(
    ("bought", "lifted", "texts"),
    [
        ("01-02 12:00", "01-02 12:30", [STOPPED, WORKS]),  # a second report waits
        ("01-02 12:00", "01-02 13:30", [STOPPED, STOPPED, WORKS]),
        ("01-02 10:10", "01-02 10:20", []),  # the first report waits
    ],
)
def test_a_second_report_that_waits_does_not_hide_that_the_first_was_sent(
    bought: str, lifted: str, texts: list[str]
) -> None:
    life = life_of(stopped(**HOUR), again())
    life.use("01-02 10:00", 9000 * MB)
    if texts:
        life.until("01-02 11:30")
    life.pack(bought, "day")
    lift(life, lifted)
    life.until("01-04 12:00")
    assert said(life) == texts


def test_a_second_price_that_waits_does_not_hide_that_the_first_was_sent() -> None:
    life = life_of(spoken("cost", "overage_started", MONEY, **HOUR), again("cost"))
    life.use("01-02 10:00", MB, roaming_zone="asia")
    life.until("01-02 11:30")
    # A pack would cover this one, so it is news; then all of it is given back.
    life.use("01-02 12:00", MB, roaming_zone="asia", rating_group=20)
    life.at("01-02 12:20", "usage.refunded", refunded_bytes=2 * MB, roaming_zone="asia")
    life.until("01-04 12:00")
    assert said(life) == [MONEY, WORKS]


@pytest.mark.parametrize(
    ("severity", "texts"),
    [("critical", [STOPPED, MONEY, WORKS]), ("info", [STOPPED, WORKS])],
)
def test_that_data_works_is_not_lost_in_a_message_that_does_not_say_so(
    severity: str, texts: list[str]
) -> None:
    other = {"thresholds": [1500], "group": "g", "severity": severity}
    life = life_of(
        stopped(), again(**GROUP, **HOUR), spoken("money", "spend_amount", MONEY, **other)
    )
    life.use("01-02 10:00", 9000 * MB)
    lift(life, "01-02 10:30")
    life.use("01-02 10:40", 600 * MB)
    life.until("01-04 12:00")
    assert said(life) == texts


def test_a_price_stands_for_it_because_it_says_that_data_can_be_used() -> None:
    more = {"group": "g", "severity": "critical"}
    life = life_of(
        stopped(), again(**GROUP, **HOUR), spoken("cost", "overage_started", MONEY, **more)
    )
    life.use("01-02 10:00", 9000 * MB)
    lift(life, "01-02 10:30")
    life.use("01-02 10:40", 600 * MB)
    life.until("01-04 12:00")
    assert said(life) == [STOPPED, MONEY]
