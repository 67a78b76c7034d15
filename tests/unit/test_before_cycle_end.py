"""A reminder before the cycle's end speaks of what ends with it, and of nothing that stays."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from streamproc.contracts.rules_file.load import RulesError, load_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import Reminder
from tests.support.line import START, day, decisions, reminders
from tests.support.talking import Talking, texts

GB = 1_000_000_000
END = datetime(2026, 2, 1, tzinfo=START.tzinfo)
RULES = """\
version: 1
currency: EUR
default_locale: en
plans:
  - {id: basic, allowances: [{id: data, granted_bytes: 5_000_000_000}]}
  - id: rolling
    allowances:
      - id: saved
        granted_bytes: 5_000_000_000
        rollover: {max_bytes: 1_000_000_000, cycles: 1}
  - id: films
    allowances:
      - {id: home, granted_bytes: 2_000_000_000}
      - {id: video, granted_bytes: 9_000_000_000, priority: 1, rating_groups: [20]}
      - {id: music, granted_bytes: 7_000_000_000, rating_groups: [30]}
  - {id: endless, allowances: [{id: all, unlimited: true}]}
  - {id: prepaid, allowances: []}
packs:
  - {id: week-3gb, granted_bytes: 3_000_000_000, validity_hours: 168, priority: 90}
rules:
  - id: end
    kind: before_cycle_end
    days_before: 3
    at: "10:00"
    category: s
#MORE
    texts: {en: "{bucket}: {remaining} of {granted} will be lost, {used} used, until {expires}"}
"""


def rules(more: str = "") -> Rulebook:
    return load_rulebook(RULES.replace("#MORE", f"    {more}" if more else ""), "r.yaml")


def said(line: Talking) -> list[Reminder]:
    """What is said at 10:00 on the third day before the end."""
    assert reminders(line.reach(day(28.4))) == []
    return reminders(line.reach(day(28.5)))


def begun(plan: str, more: str = "") -> Talking:
    line = Talking(rules(more))
    line.begin(plan)
    return line


def test_packs_and_top_ups_that_stay_are_not_lost() -> None:
    line = begun("basic")
    line.use(4 * GB, 10)
    line.top_up(20, granted_bytes=2 * GB, expires_time=END + timedelta(days=120))
    line.top_up(27, pack="week-3gb")
    (reminder,) = said(line)
    assert reminder.text == "data: 1 GB of 5 GB will be lost, 4 GB used, until 2026-02-01 00:00"
    assert [one.id for one in reminder.buckets] == ["data"]
    assert (reminder.remaining_bytes, reminder.used_bytes) == (GB, 4 * GB)


def test_what_ends_with_the_cycle_by_itself_is_lost_too() -> None:
    line = begun("basic")
    line.top_up(20, granted_bytes=2 * GB, expires_time=END)
    (reminder,) = said(line)
    assert reminder.remaining_bytes == 7 * GB
    assert [one.id for one in reminder.buckets] == ["data", "topup#1"]


def test_what_rolls_over_is_not_lost() -> None:
    line = begun("rolling")
    line.use(1_500_000_000, 3)
    (reminder,) = said(line)
    assert reminder.text.startswith("saved: 2.5 GB of 5 GB will be lost, 1.5 GB used")
    line.reach(day(31.1))
    line.use(1_200_000_000, 32)  # the bytes rolled over are used first, and end with this cycle
    (after,) = reminders(line.reach(day(31 + 25.5)))
    assert after.text.startswith(
        "carried-over saved and saved: 3.8 GB of 6 GB will be lost, 1.2 GB used"
    )


def test_less_left_than_rolls_over_loses_nothing() -> None:
    line = begun("rolling")
    line.use(4_200_000_000, 3)
    (reminder,) = said(line)
    assert reminder.text.startswith("saved: 0 MB of 5 GB will be lost, 4.2 GB used")


def test_home_data_are_summed_and_the_rest_is_listed() -> None:
    line = begun("films")
    line.use(GB, 3, rating_group=20)
    line.use(GB // 2, 3)
    (reminder,) = said(line)
    assert reminder.text.startswith("home: 1.5 GB of 2 GB will be lost, 500 MB used")
    assert [one.remaining_bytes for one in reminder.buckets] == [8 * GB, 1_500_000_000, 7 * GB]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("buckets: [video]", "video: 9 GB of 9 GB"),
        ("buckets: [home, video]", "home: 2 GB of 2 GB"),
        ("bucket_kinds: [allowance]", "home: 2 GB of 2 GB"),
        ("bucket_kinds: [rollover, topup]", None),
        ("buckets: [week-3gb]", None),
    ],
)
def test_a_rule_chooses_buckets_and_kinds(more: str, text: str | None) -> None:
    line = begun("films", more)
    line.top_up(27, pack="week-3gb")
    found = [one.text.partition(" will")[0] for one in said(line)]
    assert found == ([text] if text else [])


def test_all_used_up_is_said_as_nothing_left() -> None:
    line = begun("basic")
    line.use(5 * GB, 3)
    (reminder,) = said(line)
    assert reminder.text.startswith("data: 0 MB of 5 GB")


def test_an_unlimited_plan_s_cycle_ends_without_loss_of_bytes() -> None:
    line = begun("endless")
    (reminder,) = said(line)
    assert reminder.text.startswith("all: unlimited of unlimited")
    assert reminder.unlimited is True


def test_where_nothing_ends_nothing_is_said() -> None:
    line = begun("prepaid")
    line.top_up(3, pack="week-3gb")
    line.top_up(20, granted_bytes=GB)
    assert said(line) == []
    assert "missed" not in decisions(line.effects)


def test_a_held_one_is_dropped_if_nothing_ends_any_more() -> None:
    quiet = 'alerts: {quiet_hours: {start: "09:00", end: "11:00"}}\npacks:'
    line = Talking(load_rulebook(RULES.replace("#MORE", "").replace("packs:", quiet), "r.yaml"))
    line.begin("basic")
    line.reach(day(28.43))
    line.change_plan("prepaid", 28.44)
    assert texts(line.reach(day(28.6))) == []
    assert "no_longer_true" in decisions(line.effects)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("buckets: [dta]", "there is no allowance or pack 'dta'"),
        ("bucket_kinds: [member]", "bucket_kinds"),
        ("bucket_kinds: []", "bucket_kinds"),
    ],
)
def test_unknown_names_are_refused(more: str, problem: str) -> None:
    with pytest.raises(RulesError, match=problem):
        rules(more)
