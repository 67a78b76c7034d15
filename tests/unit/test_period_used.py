"""``{period_used}``: what was used since a summary's last message, whatever the cycle does."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import RulesError, load_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.events import MemberJoined, MemberLeft, PreferencesSet, UsageRefunded
from streamproc.core.usage.periods import rules_with_period
from tests.support.line import Line, day, reminders
from tests.support.talking import Talking

MB = 1_000_000
RULES = """\
version: 1
currency: EUR
default_locale: en
plans:
  - {id: basic, allowances: [{id: data, granted_bytes: 1_000_000_000}]}
  - {id: other, allowances: [{id: data, granted_bytes: 2_000_000_000}]}
packs:
  - {id: day-pack, granted_bytes: 20_000_000, validity_hours: 24, priority: 1}
rules:
  - id: weekly
    kind: usage_summary
    at: "09:00"
    category: summary
    texts: {en: "{period_used} since the last one, {used} in this cycle"}
  - id: monthly
    kind: cron
    cron: "0 12 20 * *"
    category: other
    texts: {en: "{used}", de: "{used} von {granted}, {period_used}"}
  - {id: plain, kind: usage_summary, at: "21:00", category: plain, texts: {en: "{used}"}}
commands: {}
"""


@pytest.fixture(scope="module")
def rules() -> Rulebook:
    return load_rulebook(RULES, "r.yaml")


@pytest.fixture
def line(rules: Rulebook) -> Talking:
    line = Talking(rules)
    line.begin("basic")  # on a Thursday, the 1st; Mondays are the 5th, 12th, 19th, 26th
    return line


def weekly(line: Line, at: float) -> list[str]:
    """What the weekly summaries up to a day say of their period."""
    found = reminders(line.reach(day(at)))
    return [one.text.partition(" since")[0] for one in found if one.rule == "weekly"]


def test_each_summary_tells_what_was_used_since_the_one_before(line: Talking) -> None:
    line.use(50 * MB, 1)
    assert weekly(line, 5) == ["50 MB"]
    assert weekly(line, 12) == ["0 MB"]
    line.use(7 * MB, 12)
    line.use(8 * MB, 18)
    assert weekly(line, 19) == ["15 MB"]


def test_a_period_goes_on_over_the_cycle_s_end_and_over_another_plan(line: Talking) -> None:
    line.use(50 * MB, 1)
    assert weekly(line, 26) == ["50 MB", "0 MB", "0 MB", "0 MB"]
    line.use(30 * MB, 27)
    line.change_plan("other", 28)
    line.use(4 * MB, 31.5)  # in February; Monday is the 2nd
    (summary,) = [one for one in reminders(line.reach(day(32.4))) if one.rule == "weekly"]
    assert summary.text == "34 MB since the last one, 4 MB in this cycle"


def test_packs_overage_and_late_usage_count_where_they_are_charged(line: Talking) -> None:
    assert weekly(line, 5) == ["0 MB"]
    line.top_up(5, pack="day-pack")
    line.use(30 * MB, 5.5)
    line.use(1_000 * MB, 6.5)
    line.use(5 * MB, 4, arrives=7)
    assert weekly(line, 12) == ["1.03 GB"]


def test_a_refund_of_what_was_told_makes_no_period_negative(line: Talking) -> None:
    line.use(50 * MB, 1)
    assert weekly(line, 5) == ["50 MB"]
    line.use(10 * MB, 6)
    line.send(UsageRefunded, 7, refunded_bytes=40 * MB)
    line.use(30 * MB, 8)
    assert weekly(line, 12) == ["30 MB"]
    line.use(30 * MB, 13)
    line.send(UsageRefunded, 14, refunded_bytes=20 * MB)
    assert weekly(line, 19) == ["10 MB"]


def test_who_chose_daily_is_told_of_a_day(line: Talking) -> None:
    line.use(50 * MB, 1)
    line.send(PreferencesSet, 1.1, summary_every="day", summary_at="08:00")
    assert weekly(line, 2) == ["50 MB"]
    line.use(3 * MB, 2.1)
    assert weekly(line, 4) == ["3 MB", "0 MB"]


def test_who_hears_of_it_again_is_told_of_this_cycle_at_most(line: Talking) -> None:
    line.use(50 * MB, 1)
    assert weekly(line, 5) == ["50 MB"]
    line.opt("summary", 6)
    line.use(500 * MB, 10)
    line.use(6 * MB, 32)
    line.opt("summary", 33, out=False)
    assert weekly(line, 40) == ["6 MB"]


def test_a_new_contract_begins_a_period(line: Talking) -> None:
    line.use(50 * MB, 1)
    line.close(2)
    assert line.account.period_bases == {}
    line.begin("other", 3)
    line.use(2 * MB, 3.5)
    assert weekly(line, 5) == ["2 MB"]


def test_late_usage_of_an_earlier_contract_is_not_of_the_present_one_s_period(
    line: Talking,
) -> None:
    line.use(50 * MB, 1)
    line.close(2)
    line.begin("other", 2.5)
    line.use(2 * MB, 3)
    line.use(9 * MB, 1.5, arrives=3.2)
    line.send(UsageRefunded, 1.5, arrives=3.3, refunded_bytes=1 * MB)
    assert line.account.charged_bytes == 60 * MB
    assert weekly(line, 5) == ["2 MB"]


def test_a_rule_that_is_new_begins_with_the_cycle(rules: Rulebook) -> None:
    line = Talking(load_rulebook(RULES.replace("{period_used}", "{used}"), "r.yaml"))
    line.begin("basic")
    line.use(50 * MB, 1)
    assert line.account.period_bases == {}
    line.rules = rules
    line.use(5 * MB, 2)
    assert weekly(line, 5) == ["55 MB"]
    line.use(1 * MB, 6)
    assert weekly(line, 12) == ["1 MB"]


def test_only_rules_whose_texts_ask_for_it_are_kept(rules: Rulebook, line: Talking) -> None:
    assert rules_with_period(rules) == {"weekly", "monthly"}
    assert line.account.period_bases == {"weekly": 0, "monthly": 0}
    assert line.account.extra is None
    line.rules = load_rulebook(RULES.replace("{period_used}", "{used}"), "r.yaml")
    line.reach(day(32))
    assert line.account.period_bases == {}


def test_texts_with_the_sender_s_brand_have_periods_too() -> None:
    text = RULES.replace("{period_used} since", "{brand}: {period_used, plural, =0 {0} other {#}}")
    line = Line(load_rulebook(text.replace("currency:", "brand: Telco\ncurrency:"), "r.yaml"))
    line.activate()
    line.use(50 * MB, 1)
    assert reminders(line.reach(day(4.5)))[0].text.startswith("Telco: 50 MB")


@pytest.mark.parametrize("kind", ["before_cycle_end, days_before: 1", "cycle_end"])
def test_it_means_nothing_in_other_rules(kind: str) -> None:
    at = ', at: "09:00"' if "before" in kind else ""
    rule = f'  - {{id: x, kind: {kind}{at}, category: c, texts: {{en: "{{period_used}}"}}}}\n'
    with pytest.raises(RulesError, match=r"period_used.* has a meaning only in usage_summary and"):
        load_rulebook(RULES.replace("rules:\n", f"rules:\n{rule}"), "r.yaml")


def test_the_sender_may_be_named_beside_it() -> None:
    rules = RULES.replace("{period_used} since", "{brand}: {period_used} since")
    line = Talking(load_rulebook(f"brand: Airy\n{rules}", "r.yaml"))
    line.begin("basic")
    line.use(50 * MB, 1)
    assert weekly(line, 5) == ["Airy: 50 MB"]


A, B, C = "861380000011", "861380000012", "861380000013"
CAPPED = """\
alerts: {caps: [{messages: 1, window_hours: 60}]}
commands: {}"""
POOL = (
    RULES.replace("commands: {}", CAPPED)
    .replace("id: weekly", "id: weekly\n    audience: both", 1)
    .replace(
        "rules:\n",
        "rules:\n  - {id: cap, kind: usage_percent, thresholds: [50], category: c, "
        "bucket_kinds: [member], texts: {en: half}}\n",
        1,
    )
)


def heard(line: Line, at: float) -> list[tuple[str, str]]:
    """Recipients of weekly summaries up to a day, and what these say of their period."""
    found = [one for one in reminders(line.reach(day(at))) if one.rule == "weekly"]
    return [(one.recipient or "", one.text.partition(" since")[0]) for one in found]


def a_pool() -> Talking:
    """Two members, of whom one hears the first summary two days after the other one."""
    line = Talking(load_rulebook(POOL, "r.yaml"))
    line.begin("basic")
    line.send(MemberJoined, 0.1, member=A, role="member")
    line.send(MemberJoined, 0.2, member=B, role="member", cap_bytes=10 * MB)
    line.use(6 * MB, 3.5, member=B)
    line.use(14 * MB, 3.6, member=A)
    assert heard(line, 4.5) == [("", "20 MB"), (A, "20 MB")]
    line.use(5 * MB, 5, member=A)
    return line


def test_who_of_a_pool_hears_it_later_is_told_of_all_since_their_last_one() -> None:
    line = a_pool()
    assert heard(line, 7) == [(B, "25 MB")]
    line.use(30 * MB, 8, member=A)
    assert sorted(heard(line, 12)) == [("", "35 MB"), (A, "35 MB"), (B, "30 MB")]
    assert sorted(heard(line, 19)) == [("", "0 MB"), (A, "0 MB"), (B, "0 MB")]


def test_of_who_left_a_pool_no_period_is_kept() -> None:
    line = a_pool()
    line.send(MemberLeft, 5.5, member=B)
    line.send(MemberJoined, 5.6, member=C, role="member")
    assert sorted(heard(line, 12)) == [("", "5 MB"), (A, "5 MB"), (C, "5 MB")]
    assert list(line.account.period_bases) == ["monthly", "weekly"]
