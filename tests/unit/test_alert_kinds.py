"""Every kind of alert rule by example, as a timeline."""

from __future__ import annotations

from tests.support.line import day, reminders
from tests.support.timeline import HEAD, line, story

RULE = "{category: c, texts: {en: '{threshold}'}, "


def rules(*lines: str) -> str:
    return "rules:\n" + "".join(f"  - {RULE}{one}}}\n" for one in lines)


def test_remaining_percent_counts_down() -> None:
    one = line(rules("id: left, kind: remaining_percent, thresholds: [0, 10, 50]"))
    assert story(one.use(499, at=1)) == []
    assert story(one.use(1, at=2)) == ["left: 50%"]
    assert story(one.use(500, at=3)) == ["(superseded left 10)", "left: 0%"]


def test_used_bytes_counts_up_and_levels_beyond_the_grant_are_none_of_it() -> None:
    one = line(rules("id: used, kind: used_bytes, thresholds: [300, 2000]"))
    assert story(one.use(299, at=1)) == []
    assert story(one.use(1, at=2)) == ["used: 300 B"]
    assert story(one.use(5000, at=3)) == []
    one.change_plan("big", at=4)
    assert story(one.use(1000, at=5)) == ["used: 2 kB"]


def test_spend_is_of_begun_units_of_overage() -> None:
    one = line(
        rules(
            "id: amount, kind: spend_amount, thresholds: [20, 50]",
            "id: cap, kind: spend_percent, thresholds: [80, 100], cap_minor: 100",
        )
    )
    assert story(one.use(1010, at=1)) == []  # one unit: 10
    assert story(one.use(1, at=2)) == ["amount: €0.20"]
    assert story(one.use(59, at=3)) == ["amount: €0.50"]  # 7 units
    assert story(one.use(1, at=4)) == ["cap: 80%"]
    assert story(one.use(500, at=5)) == ["cap: 100%"]
    assert story(one.use(1010, at=32)) == []  # a new cycle
    assert story(one.use(50, at=33)) == ["(superseded amount 20)", "amount: €0.50"]


def test_overage_starts_once_in_a_cycle() -> None:
    started = (
        "rules:\n  - {id: beyond, kind: overage_started, category: c, texts: {en: '{overage}'}}\n"
    )
    one = line(started)
    assert story(one.use(1000, at=1)) == []
    assert story(one.use(1, at=2)) == ["beyond: <1 MB"]
    assert story(one.use(1, at=3)) == []
    assert story(one.use(1002, at=32)) == ["beyond: <1 MB"]


def test_every_step_of_usage_or_overage_reminds_once() -> None:
    one = line(
        rules(
            "id: usage, kind: every_bytes, step_bytes: 300, of: usage",
            "id: over, kind: every_bytes, step_bytes: 100",
        )
    )
    assert story(one.use(299, at=1)) == []
    assert story(one.use(1, at=1.1)) == ["usage: 300 B"]
    assert story(one.use(600, at=1.2)) == ["usage: 900 B"]  # over two steps: the last
    assert story(one.use(199, at=1.3)) == []
    assert story(one.use(1, at=1.4)) == ["over: 100 B"]
    assert story(one.use(100, at=1.5)) == ["usage: 1.2 kB", "over: 200 B"]


def test_velocity_is_of_a_sliding_window_and_alarms_again_when_it_had_slowed_down() -> None:
    one = line(rules("id: fast, kind: velocity, thresholds: [100], window_seconds: 3600"))
    hour = 1 / 24
    assert story(one.use(60, at=1)) == []
    assert story(one.use(39, at=1 + 0.5 * hour)) == []
    assert story(one.use(1, at=1 + 0.6 * hour)) == ["fast: 100 B"]
    assert story(one.use(50, at=1 + 0.7 * hour)) == []
    assert story(one.use(50, at=1 + 5 * hour)) == []
    assert story(one.use(50, at=1 + 5.5 * hour)) == ["fast: 100 B"]
    assert story(one.use(99, at=1 + 9 * hour)) == []
    # Late usage counts where it belongs.
    assert story(one.use(1, at=1 + 8.8 * hour, arrives=1 + 9.1 * hour)) == ["fast: 100 B"]
    assert story(one.use(99, at=1 + 2 * hour, arrives=1 + 9.2 * hour)) == []


def test_anomaly_needs_whole_cycles_to_compare_with() -> None:
    head = (
        "version: 1\ncurrency: EUR\ndefault_locale: en\nlimits: {history_cycles: 3}\n"
        "plans: [{id: basic, allowances: [{id: data, granted_bytes: 1000}]}]\n"
    )
    one = line(
        rules("id: odd, kind: anomaly, thresholds: [500], cycles: 2, min_bytes: 300"), head=head
    )
    assert story(one.use(900, at=1)) == []
    one.use(10, at=32)
    assert story(one.use(900, at=60)) == []  # March: the first cycle was January
    one.use(90, at=91)
    # May: February 10 and March 900 ... are compared with in April.
    assert story(one.use(2100, at=92)) == []
    assert story(one.use(0, at=93)) == []


def test_an_anomaly_is_so_many_times_the_average() -> None:
    head = (
        "version: 1\ncurrency: EUR\ndefault_locale: en\nlimits: {history_cycles: 3}\n"
        "plans: [{id: basic, allowances: [{id: data, granted_bytes: 1000}]}]\n"
    )
    one = line(rules("id: odd, kind: anomaly, thresholds: [500], cycles: 2"), head=head)
    one.use(1, at=5)  # January
    one.use(40, at=35)  # February
    one.use(60, at=65)  # March
    assert story(one.use(249, at=95)) == []
    assert story(one.use(1, at=96)) == ["odd: 500%"]
    assert story(one.use(1000, at=97)) == []


def test_zero_balance_speaks_of_all_buckets_and_of_expiry() -> None:
    zero = "rules:\n  - {id: empty, kind: zero_balance, category: c, texts: {en: 'nothing left'}}\n"
    one = line(zero)
    one.top_up(at=1, pack="day")
    assert story(one.use(200, at=1.1)) == []
    assert story(one.use(1500, at=1.2)) == ["empty: nothing left"]
    assert story(one.use(1, at=1.3)) == []
    one.top_up(at=1.4, granted_bytes=100)
    assert story(one.use(100, at=1.5)) == ["empty: nothing left"]
    one.top_up(at=3, pack="day")
    assert story(one.reach(day(4))) == ["empty: nothing left"]


def test_what_is_over_is_told_to_who_was_told_of_it() -> None:
    text = rules("id: low, kind: usage_percent, thresholds: [80, 100]") + (
        "  - {id: again, kind: resolved, of: [low], category: c,"
        " texts: {en: '{threshold} no more, {remaining} left'}}\n"
    )
    one = line(text)
    assert story(one.use(1000, at=1)) == ["(superseded low 80)", "low: 100%"]
    told = story(one.change_plan("big", at=2))
    assert told == ["(resolved low 80)", "(resolved low 100)", "again: 100% no more, 2 kB left"]
    assert story(one.use(1400, at=3)) == ["low: 80%"]
    assert story(one.reach(day(31))) == ["(resolved low 80)", "again: 80% no more, 3 kB left"]
    assert one.account.extra is None


def test_who_was_not_told_yet_need_not_hear_that_it_is_over() -> None:
    head = HEAD + 'alerts: {quiet_hours: {start: "22:00", end: "08:00"}}\n'
    text = rules("id: low, kind: usage_percent, thresholds: [80]") + (
        "  - {id: again, kind: resolved, of: [low], in_quiet_hours: send, category: c,"
        " texts: {en: over}}\n"
    )
    one = line(text, head=head)
    assert story(one.use(1000, at=1 + 23 / 24)) == ["(quiet_hours low 80)"]
    assert story(one.change_plan("big", at=2)) == ["(resolved low 80)"]
    assert story(one.reach(day(3))) == ["(no_longer_true low 80)"]


def test_hysteresis_arms_a_threshold_only_well_below_it() -> None:
    head = "version: 1\ncurrency: EUR\ndefault_locale: en\nplans: [{id: basic, allowances: []}]\n"
    text = rules("id: low, kind: usage_percent, thresholds: [80], hysteresis: 20")
    one = line(text, head=head)
    one.top_up(at=1, granted_bytes=100)
    assert story(one.use(80, at=2)) == ["low: 80%"]
    one.top_up(at=3, granted_bytes=20)  # 66 %
    assert story(one.use(16, at=4)) == ["(hysteresis low 80)"]
    assert story(one.top_up(at=5, granted_bytes=80)) == ["(resolved low 80)"]  # 96 of 200: 48 %
    assert story(one.use(64, at=6)) == ["low: 80%"]
    ids = [told.id for told in reminders(one.effects)]
    assert len(ids) == len(set(ids)) == 2


def test_for_count_waits_for_further_usage_that_confirms_it() -> None:
    text = rules("id: low, kind: usage_percent, thresholds: [50, 80], for_count: 3")
    one = line(text)
    assert story(one.use(500, at=1)) == []
    assert story(one.use(1, at=1.1)) == []
    assert story(one.use(1, at=1.2)) == ["low: 50%"]
    assert story(one.use(300, at=1.3)) == []
    assert story(one.change_plan("big", at=1.4)) == ["(resolved low 50)"]
    assert story(one.use(1, at=1.5)) == []
    assert story(one.use(1, at=1.6)) == []


def test_inactivity_is_since_the_last_use() -> None:
    idle = (
        "rules:\n  - {id: idle, kind: inactivity, days: 7, at: '10:00', category: c,"
        " texts: {en: 'unused since a week'}}\n"
    )
    one = line(idle)
    one.use(1, at=3.9)
    assert story(one.reach(day(10.4))) == []
    assert story(one.reach(day(10.5))) == ["idle: unused since a week"]
    assert story(one.reach(day(20))) == []
    one.use(1, at=20)
    assert story(one.reach(day(27.5))) == ["idle: unused since a week"]


def test_a_forecast_is_silent_on_the_first_day_and_told_once() -> None:
    soon = (
        "rules:\n  - {id: soon, kind: forecast, at: '10:00', category: c,"
        " texts: {en: 'runs out {runs_out}'}}\n"
    )
    one = line(soon)
    one.use(500, at=0.1)
    assert story(one.reach(day(0.9))) == []
    # At 10:00 of the second day 500 were used in 34 hours: the other 500 last until day 3, 20:00.
    assert story(one.reach(day(1.5))) == ["soon: runs out 2026-01-03 20:00"]
    assert story(one.reach(day(5))) == []
    assert story(one.change_plan("big", at=6)) == []
    # 500 of 3000 in 6 days and 10 hours: at that rate they last until February.
    assert story(one.reach(day(9))) == []
    one.use(2000, at=9.1)
    # 2500 in 9 days and 10 hours: the last 500 are a fifth of that, 45 hours.
    assert story(one.reach(day(10))) == ["soon: runs out 2026-01-12 07:12"]


def test_a_forecast_leaves_out_what_a_pack_for_other_usage_covered_until_it_ended() -> None:
    soon = (
        "rules:\n  - {id: soon, kind: forecast, at: '10:00', category: c,"
        " texts: {en: 'runs out {runs_out}'}}\n"
    )
    head = HEAD.replace("validity_hours: 24", "validity_hours: 24, rating_groups: [10]")
    one = line(soon, head=head)
    one.top_up(at=0.05, pack="day")
    one.use(150, at=0.06, rating_group=10)
    one.use(500, at=0.1)
    assert story(one.reach(day(1.5))) == ["soon: runs out 2026-01-03 20:00"]


def test_a_rule_is_evaluated_when_it_begins_to_be_valid() -> None:
    text = rules(
        "id: new, kind: usage_percent, thresholds: [50, 80], evaluate_on_create: true,"
        " valid_from: '2026-01-05T00:00:00Z'",
        "id: other, kind: usage_percent, thresholds: [50], valid_from: '2026-01-05T00:00:00Z'",
    )
    one = line(text)
    assert story(one.use(850, at=1)) == [
        "(superseded new 50)",
        "(out_of_validity new 80)",
        "(out_of_validity other 50)",
    ]
    assert story(one.reach(day(4))) == ["(superseded new 50)", "new: 80%"]
    assert story(one.use(1, at=5)) == []


def test_a_resolved_rule_without_thresholds_has_none_in_the_audit() -> None:
    text = (
        "rules:\n  - {id: empty, kind: zero_balance, category: c, texts: {en: nothing}}\n"
        "  - {id: again, kind: resolved, of: [empty], category: c, texts: {en: '{remaining}'}}\n"
    )
    one = line(text)
    one.use(1000, at=1)
    assert story(one.top_up(at=2, granted_bytes=70)) == ["(resolved empty)", "again: <1 MB"]


def test_of_several_messages_the_most_urgent_goes_first_whatever_else_holds() -> None:
    plain, law, grave = (
        "id: plain, kind: usage_percent, thresholds: [50]",
        "id: law, kind: remaining_bytes, thresholds: [500], mandatory: true",
        "id: grave, kind: used_bytes, thresholds: [500], severity: critical",
    )
    for chosen, told in (
        ((plain, law), ["law: 500 B", "plain: 50%"]),
        ((plain, grave), ["grave: 500 B", "plain: 50%"]),
        ((plain, grave, law), ["law: 500 B", "grave: 500 B", "plain: 50%"]),
    ):
        assert story(line(rules(*chosen)).use(500, at=1)) == told
