"""Texts about a whole account speak of home data alone, and of no limit where there is none."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.scope import Scope
from tests.support.line import day, reminders
from tests.support.talking import Talking, texts

GB = 1_000_000_000
TEXT = "{bucket}: {used} of {granted}, {remaining} left, {percent}% used, beyond {overage}"
RULES = """\
version: 1
currency: EUR
default_locale: en
plans:
  - {id: endless, allowances: [{id: all, unlimited: true}]}
  - id: endless-at-home
    allowances:
      - {id: home-all, unlimited: true, roaming_zones: [home]}
      - {id: trip, granted_bytes: 3_000_000_000, roaming_zones: [eu]}
  - id: films
    allowances:
      - {id: video, unlimited: true, rating_groups: [20]}
      - {id: data, granted_bytes: 1_000_000_000}
  - id: night
    allowances:
      - {id: data, granted_bytes: 1_000_000_000}
      - {id: nights, granted_bytes: 9_000_000_000, hours: ["23:00-07:00"]}
  - id: two
    allowances:
      - {id: data, granted_bytes: 1_000_000_000}
      - {id: home, granted_bytes: 2_000_000_000, roaming_zones: [home, eu]}
  - id: only-films
    allowances: [{id: clips, granted_bytes: 1_000_000_000, rating_groups: [20]}]
  - {id: prepaid, allowances: [], overage_price_minor: 10}
packs:
  - {id: abroad, granted_bytes: 5_000_000_000, validity_hours: 240, roaming_zones: [eu]}
  - {id: day, granted_bytes: 1_000_000_000, validity_hours: 240}
rules:
  - {id: daily, kind: usage_summary, every: day, at: "09:00", category: s,
     texts: {en: "@TEXT@"}}
  - {id: each, kind: every_bytes, of: usage, step_bytes: 1_000_000_000_000, category: s,
     texts: {en: "@TEXT@"}}
  - {id: lists, kind: usage_summary, every: day, at: "10:00", category: l,
     texts: {en: "{buckets}", pl: "{buckets}"}}
  - {id: over, kind: cycle_end, category: l, texts: {en: "{bucket}: {buckets}"}}
notices:
  - {id: welcome, kind: activation_welcome, category: s, texts: {en: "{plan}: {granted}"}}
commands:
  texts:
    data_left:
      en: "{remaining} of {granted}, {used} used, {percent}%, beyond {overage}"
    balance: {en: "{buckets}"}
    overview: {en: "{plan}: {remaining}"}
""".replace("@TEXT@", TEXT)


@pytest.fixture(scope="module")
def rules() -> Rulebook:
    return load_rulebook(RULES, "r.yaml")


def begun(rules: Rulebook, plan: str) -> Talking:
    line = Talking(rules)
    line.begin(plan)
    return line


def summary(line: Talking, at: float) -> str:
    """The text of the summary of the morning after a day."""
    found = reminders(line.reach(day(int(at) + 1.4)))
    return [one.text for one in found if one.rule == "daily"][-1]


def test_an_unlimited_plan_says_unlimited_wherever_it_speaks(rules: Rulebook) -> None:
    line = Talking(rules)
    assert texts(line.begin("endless")) == ["endless: unlimited"]
    line.use(5_000_000, 0.5)
    assert texts(line.text("DATA", 0.6)) == ["unlimited of unlimited, 5 MB used, %, beyond 0 MB"]
    assert texts(line.text("BALANCE", 0.7)) == ["all unlimited"]
    assert texts(line.text("0000", 0.8)) == ["endless: unlimited"]
    assert summary(line, 0) == ("all: 5 MB of unlimited, unlimited left, % used, beyond 0 MB")


def test_an_unlimited_allowance_for_the_home_zone_is_home_data(rules: Rulebook) -> None:
    line = begun(rules, "endless-at-home")
    assert texts(line.text("DATA", 0.2)) == ["unlimited of unlimited, 0 MB used, %, beyond 0 MB"]
    assert texts(line.text("BALANCE", 0.3)) == ["home-all unlimited; trip 3 GB"]


def test_an_unlimited_allowance_for_some_usage_is_no_unlimited_account(rules: Rulebook) -> None:
    line = begun(rules, "films")
    line.use(1_050_000_000, 0.5, rating_group=10)
    line.use(700_000_000, 0.5, rating_group=20)
    home = "1 GB of 1 GB, 0 MB left, 100% used, beyond 50 MB"
    assert summary(line, 0) == f"data: {home}"
    assert texts(line.text("DATA", 1.41)) == ["0 MB of 1 GB, 1 GB used, 100%, beyond 50 MB"]
    assert texts(line.text("BALANCE", 1.41)) == ["data 0 MB; video unlimited"]
    record = [one for one in reminders(line.effects) if one.rule == "daily"][-1]
    assert (record.used_bytes, record.granted_bytes, record.remaining_bytes) == (GB, GB, 0)
    assert record.unlimited is UNSET
    assert [one.id for one in record.buckets] == ["data", "video"]


@pytest.mark.parametrize(
    ("plan", "granted"),
    [("films", "1 GB"), ("night", "1 GB"), ("two", "3 GB"), ("only-films", "0 MB")],
)
def test_a_welcome_promises_home_data_alone(rules: Rulebook, plan: str, granted: str) -> None:
    line = Talking(rules)
    assert texts(line.begin(plan)) == [f"{plan}: {granted}"]


def test_a_pack_for_abroad_and_nights_are_not_summed_in(rules: Rulebook) -> None:
    line = begun(rules, "night")
    line.top_up(0.1, pack="abroad")
    line.use(400_000_000, 0.5)
    assert texts(line.text("DATA", 0.6)) == ["600 MB of 1 GB, 400 MB used, 40%, beyond 0 MB"]
    assert summary(line, 0).startswith("data: 400 MB of 1 GB, 600 MB left, 40% used")
    line.top_up(2, pack="day")
    assert texts(line.text("DATA", 2.1)) == ["1.6 GB of 2 GB, 400 MB used, 20%, beyond 0 MB"]


def test_allowances_that_cover_the_same_usage_at_home_are_summed(rules: Rulebook) -> None:
    line = begun(rules, "two")
    line.use(1_500_000_000, 0.5)
    assert texts(line.text("DATA", 0.6)) == ["1.5 GB of 3 GB, 1.5 GB used, 50%, beyond 0 MB"]


def test_a_plan_that_grants_nothing_has_no_share_of_it(rules: Rulebook) -> None:
    line = begun(rules, "prepaid")
    line.use(5_000_000, 0.2)
    assert texts(line.text("DATA", 0.3)) == ["0 MB of 0 MB, 0 MB used, %, beyond 5 MB"]
    line.top_up(0.4, pack="abroad")
    assert summary(line, 0) == "-: 0 MB of 0 MB, 0 MB left, % used, beyond 5 MB"
    line.top_up(2, pack="day")
    line.use(250_000_000, 2)
    assert texts(line.text("DATA", 2.1)) == ["750 MB of 1 GB, 250 MB used, 25%, beyond 5 MB"]


def test_a_rule_s_text_may_list_each_bucket_with_its_own_figure(rules: Rulebook) -> None:
    line = begun(rules, "films")
    line.top_up(0.1, pack="abroad")
    line.use(1_050_000_000, 0.5, rating_group=10)
    found = [one.text for one in reminders(line.reach(day(1.5))) if one.rule == "lists"]
    assert found[-1] == "abroad 5 GB (until Jan 11, 02:24); data 0 MB; video unlimited"
    (over,) = [one.text for one in reminders(line.reach(day(31.2))) if one.rule == "over"]
    assert over == "last billing cycle: data 0 MB; video unlimited"


def test_a_rule_s_list_of_nothing_is_a_dash(rules: Rulebook) -> None:
    line = begun(rules, "prepaid")
    line.use(5_000_000, 0.2)
    (text,) = [one.text for one in reminders(line.reach(day(0.5))) if one.rule == "lists"]
    assert text == "-"
    (over,) = [one.text for one in reminders(line.reach(day(31.2))) if one.rule == "over"]
    assert over == "last billing cycle: -"


def test_an_unlimited_record_says_so(rules: Rulebook) -> None:
    line = begun(rules, "endless")
    line.use(5_000_000, 0.2)
    (record,) = reminders(line.text("DATA", 0.3))
    assert record.unlimited is True
    assert (record.used_bytes, record.granted_bytes, record.remaining_bytes) == (
        5_000_000,
        5_000_000,
        0,
    )


@pytest.mark.parametrize(
    ("scope", "is_home"),
    [
        (Scope(), True),
        (Scope(rating_groups=frozenset({0, 10})), True),
        (Scope(rating_groups=frozenset({10})), False),
        (Scope(roaming_zones=frozenset({"home", "eu"})), True),
        (Scope(roaming_zones=frozenset({"eu"})), False),
        (Scope(hours=((0, 720), (720, 0))), True),
        (Scope(hours=((1380, 420),)), False),
        (Scope(hours=((0, 1439),)), False),
    ],
)
def test_home_data_are_what_covers_ordinary_usage_at_every_hour(
    scope: Scope, is_home: bool
) -> None:
    assert scope.is_home_data is is_home
