"""What is wrong with a rules file is said in full: every problem, its field and its line."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import _Check, default_rulebook, load_rulebook, removed
from streamproc.contracts.rules_file.read.field_lines import Lines
from tests.support.rules import KINDS, YAML, edited, problems

PLANS = YAML[YAML.index("plans:") : YAML.index("packs:")]
TIMED = """\
  - id: timed
    kind: {kind}
    at: "09:00"
    category: summary
    texts: {{en: "{text}"}}
"""


def test_the_packaged_rules_are_right() -> None:
    assert default_rulebook().usage_rules


def test_every_problem_of_a_file_is_told_at_once() -> None:
    text = """\
version: 2
curency: CNY
default_locale: zh_CN
plans:
  - id: a
    allowances:
      - {id: x, granted_bytes: 0, prio: 3}
      - {id: x, granted_bytes: 5 GB}
  - id: a
    allowances: none
packs:
  - {id: x, granted_bytes: 1, validity_hours: 0}
rules:
  - id: r
    kind: usage_percnt
  - id: s
    kind: usage_percent
    thresholds: [0, 101, 80, 80]
    category: c
    texts: {no: "{used} {foo}", en: " "}
  - id: t
    kind: usage_summary
    at: 9:00
    day: 8
    category: c c
    texts: {en: "{threshold}"}
"""
    assert problems(text) == [
        "1: currency: is missing",
        "1: version: must be 1, not 2",
        "2: curency: unknown field; did you mean currency?",
        "3: default_locale: must be a language tag such as en or zh-CN, not 'zh_CN'",
        "7: plans[0].allowances[0].granted_bytes: must be at least 1, not 0",
        "7: plans[0].allowances[0].id: 'x' is a pack's id too",
        "7: plans[0].allowances[0].prio: unknown field; did you mean priority?",
        "8: plans[0].allowances[1].granted_bytes: must be a whole number, not '5 GB'",
        "8: plans[0].allowances[1].id: 'x' is a pack's id too",
        "8: plans[0].allowances[1].id: 'x' is used twice, first in line 7",
        "9: plans[1].id: 'a' is used twice, first in line 5",
        "10: plans[1].allowances: must be a list, not 'none'",
        "12: packs[0].validity_hours: must be at least 1, not 0",
        f"15: rules[0].kind: must be one of {KINDS}, not 'usage_percnt'",
        "18: rules[1].thresholds[0]: must be at least 1, not 0",
        "18: rules[1].thresholds[1]: must be at most 100, not 101",
        "18: rules[1].thresholds[3]: 80 is given twice",
        "20: rules[1].texts.en: must not be empty",
        "20: rules[1].texts.no: unknown placeholder {foo}; known: as_of, brand, bucket, buckets, "
        "cap, care, cycle_end, days, expires, granted, last_day, overage, pack_price, percent, "
        "period_used, price, price_unit, remaining, runs_out, spend, threshold, used",
        "23: rules[2].at: must be a time of day such as \"09:00\", not '9:00'",
        "24: rules[2].day: a weekday is 1 (Monday) to 7",
        "25: rules[2].category: must be an id of 1 to 64 characters without spaces or #, not 'c c'",
        "26: rules[2].texts.en: {threshold} has no meaning in a timed rule",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("version: 1", "version: true"), "1: version: must be a whole number, not true"),
        (("version: 1", "version: 1.0"), "1: version: must be a whole number, not 1.0"),
        (("version: 1\n", ""), "1: version: is missing"),
        (("EUR", "euro"), "2: currency: must be a currency code such as CNY, not 'euro'"),
        (("limits: {", "limits: 5 #"), "4: limits: must be a mapping of fields, not 5"),
        (
            ("limits: {", "limits: {max_age_days: 201, "),
            "4: limits.max_age_days: must be at most 200, not 201",
        ),
        (
            ("limits: {", "limits: {sources: {tap: {max_age_days: 0}}, "),
            "4: limits.sources.tap.max_age_days: must be at least 1, not 0",
        ),
        (
            ("limits: {", "limits: {hold_max_events: 501, "),
            "4: limits.hold_max_events: must be at most 500, not 501",
        ),
        ((PLANS, "plans: []\n"), "5: plans: must have at least 1 entries"),
        (("id: basic", "id: ''"), "6: plans[0].id: must be an id of 1 to 64 characters"),
        (("id: basic", "id: a#1"), "6: plans[0].id: must be an id of 1 to 64 characters"),
        (
            ("    allowances:\n", "    allowances: &a\n      - 5\n"),
            "8: plans[0].allowances[0]: must be a mapping of fields, not 5",
        ),
        (
            ("granted_bytes: 1_000_000", "granted_bytes: 9_007_199_254_740_992"),
            "8: plans[0].allowances[0].granted_bytes: must be at most 9007199254740991",
        ),
        (
            ("id: data,", "id: data, rating_groups: [],"),
            "8: plans[0].allowances[0].rating_groups: must have at least 1 entries",
        ),
        (
            ("id: data,", "id: data, rating_groups: [video],"),
            "8: plans[0].allowances[0].rating_groups[0]: must be a whole number, not 'video'",
        ),
        (
            ("validity_hours: 24", "validity_hours: 24, proirity: 3"),
            "10: packs[0].proirity: unknown field; did you mean priority?",
        ),
        (
            (", validity_hours: 24", ""),
            "10: packs[0].validity_hours: is missing",
        ),
        (("- id: low", "- low\n  - id: low"), "12: rules[0]: must be a mapping of fields"),
        (
            ("kind: usage_percent", "kind: 5"),
            f"13: rules[0].kind: must be one of {KINDS}",
        ),
        (("[80, 100]", "80"), "14: rules[0].thresholds: must be a list, not 80"),
        (("[80, 100]", "[]"), "14: rules[0].thresholds: must have at least 1 entries"),
        (("[80, 100]", "[80.5]"), "14: rules[0].thresholds[0]: must be a whole number, not 80.5"),
        (("texts: {en:", "texts: {en_GB:"), "16: rules[0].texts.en_GB: must be a language tag"),
        (("texts: {en:", "texts: {en: 5, fr:"), "16: rules[0].texts.en: must be text, not 5"),
        (("{percent}%", "{percent"), "16: rules[0].texts.en: expected '}' before end of string"),
        (("{percent}%", "{percent:>5}"), "16: rules[0].texts.en: placeholder {percent} takes no"),
        (("{percent}%", "{percent.real}"), "16: rules[0].texts.en: unknown placeholder {percent."),
        (("{percent}%", "{}"), "16: rules[0].texts.en: unknown placeholder {}"),
        (
            ("{percent}%", "{days}"),
            "16: rules[0].texts.en: {days} has a meaning only beside days_before",
        ),
        (
            ("category: balance", "category: balance\n    ttl_seconds: 31_622_401"),
            "16: rules[0].ttl_seconds: must be at most 31622400, not 31622401",
        ),
        (
            ("category: balance", "category: balance\n    bucket_kinds: [topup, package]"),
            "16: rules[0].bucket_kinds[1]: must be one of allowance, pack, topup, rollover, "
            "unlimited, member, not 'package'",
        ),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_problem_is_told_with_field_and_line(change: tuple[str, str], expected: str) -> None:
    assert [line[: len(expected)] for line in problems(edited(YAML, change))] == [expected]


def test_a_field_may_have_two_problems() -> None:
    second = "  - {id: a b, allowances: []}\n"
    assert [
        line[:30] for line in problems(edited(YAML, ("packs:\n", second * 2 + "packs:\n")))
    ] == [
        "9: plans[1].id: must be an id ",
        "10: plans[2].id: 'a b' is used",
        "10: plans[2].id: must be an id",
    ]


def test_rules_without_rules_are_a_file_cut_short() -> None:
    cut = YAML[: YAML.index("rules:")]
    assert problems(cut) == ["1: rules: is missing"]
    assert problems(cut + "rules:\n") == ["11: rules: must be a list, not empty"]


@pytest.mark.parametrize(
    ("kind", "extra", "expected"),
    [
        ("usage_summary", "every: day\n    day: 3", "23: rules[1].day: a daily summary has no day"),
        ("usage_summary", "every: year", "22: rules[1].every: must be one of "),
        ("usage_summary", "days_before: 3", "22: rules[1].days_before: unknown field"),
        ("before_cycle_end", "days_before: 0", "22: rules[1].days_before: must be at least 1"),
        ("before_cycle_end", "days_before: 28", "22: rules[1].days_before: must be at most 27"),
        ("before_cycle_end", "priority: 3", "17: rules[1].days_before: is missing"),
        ("before_expiry", "misfire_grace_seconds: -1", "22: rules[1].misfire_grace_seconds: must"),
        (
            "usage_summary",
            "every: month_end\n    day: 3",
            "23: rules[1].day: is for every",
        ),
        ("usage_summary", "plans: [gold]", "22: rules[1].plans[0]: there is no plan 'gold'"),
        ("usage_summary", "misfire: never", "22: rules[1].misfire: must be one of "),
        ("once", "date: 2026-02-29", "22: rules[1].date: there is no such day"),
        ("once", "date: 1.2.2026", "22: rules[1].date: must be a day such as"),
        ("cycle_end", "priority: 3", "19: rules[1].at: unknown field"),
        ("cron", "cron: '0 9 * *'", "22: rules[1].cron: must have five fields"),
        ("cron", "cron: '0 24 * * *'", "22: rules[1].cron: the field hour cannot be read"),
        ("cron", "cron: '0 9 31 2 *'", "22: rules[1].cron: there is no such day in any year"),
        ("after_activation", "hours_after: 0", "22: rules[1].hours_after: must be at least 1"),
    ],
)
def test_timed_rules_have_their_own_fields(kind: str, extra: str, expected: str) -> None:
    text = YAML + TIMED.format(kind=kind, text="{used}") + f"    {extra}\n"
    assert expected in [line[: len(expected)] for line in problems(text)]


def test_days_may_stand_beside_days_before() -> None:
    text = YAML + TIMED.format(kind="before_expiry", text="{days} days") + "    days_before: 2\n"
    assert load_rulebook(text, "r.yaml").timed_rules[0].days_before == 2


def test_an_allowance_of_two_plans_has_one_scope() -> None:
    second = "  - {id: big, allowances: [{id: data, granted_bytes: 9, rating_groups: [1]}]}\n"
    assert problems(edited(YAML, ("packs:\n", second + "packs:\n"))) == [
        "9: plans[1].allowances[0].id: 'data' has another scope in another plan"
    ]
    same = second.replace(", rating_groups: [1]", "")
    rules = load_rulebook(edited(YAML, ("packs:\n", same + "packs:\n")), "r.yaml")
    assert rules.plans["big"].allowances[0].granted_bytes == 9


def test_what_a_new_file_lacks_is_named() -> None:
    old = default_rulebook()
    new = load_rulebook(YAML, "r.yaml")
    assert removed(old, old) == []
    assert removed(old, new) == [
        *("plan 'lite-500mb'", "plan 'basic-5gb'", "plan 'family-20gb'"),
        *("pack 'day-1gb'", "pack 'week-3gb'", "pack 'roam-500mb'"),
        *("allowance 'data-lite'", "allowance 'data-basic'"),
        *("allowance 'data-family'", "allowance 'video'"),
    ]


def test_how_many_cycles_are_kept_is_read_in_one_way() -> None:
    """A wrong type does not hide what is beyond the default."""
    text = YAML.replace("limits: {hold_unknown_seconds: 60}", "limits: {history_cycles: many}")
    text += """\
  - id: odd
    kind: anomaly
    thresholds: [500]
    category: safety
    texts: {en: "odd"}
notices:
  - id: advice
    kind: plan_advice
    at: "10:00"
    cycles: 5
    category: advice
    texts: {en: "{better_plan}"}
"""
    found = problems(text)
    assert any("history_cycles: must be a whole number" in one for one in found), found
    assert any("rules[1].cycles: limits.history_cycles keeps only 2" in one for one in found)
    assert any("cycles: must be at most limits.history_cycles, 2" in one for one in found)


def test_many_thresholds_are_compared_in_linear_time() -> None:
    class Counted(int):
        comparisons = 0

        def __eq__(self, other: object) -> bool:
            Counted.comparisons += 1
            return int(self) == other

        __hash__ = int.__hash__

    rule = {"thresholds": [Counted(one) for one in range(2_000)]}
    _Check({}, Lines())._check_rule(("rules", 0), rule)
    assert Counted.comparisons < 10_000
