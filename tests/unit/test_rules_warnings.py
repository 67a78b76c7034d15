"""Warnings of ``streamproc rules check``: what can never speak, and the like."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.contracts.rules_file.warnings import CHECKS, warnings_of

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 1, 15)
HEAD = """\
version: 1
currency: EUR
default_locale: en
"""
PLANS = """\
plans:
  - id: basic
    allowances: [{id: data, granted_bytes: 1_000_000_000}]
    overage_price_minor: 5
"""
ENDLESS = """\
plans:
  - id: endless
    allowances: [{id: all, unlimited: true}]
"""
FREE = PLANS.replace("    overage_price_minor: 5\n", "")
PACKS = """\
packs:
  - {id: day, granted_bytes: 500_000_000, validity_hours: 24}
  - {id: week, granted_bytes: 500_000_000, validity_hours: 168}
"""
AT_HOME = (
    PLANS.replace("1_000_000_000}", "1_000_000_000, roaming_zones: [home]}")
    + """\
packs:
  - {id: trip, granted_bytes: 500_000_000, validity_hours: 24, roaming_zones: [eu]}
"""
)
ZONE = """\
roaming_zones: [{id: eu, price_minor: 9}]
notices: [{id: n, kind: roaming_welcome, category: c, texts: {en: x}}]
"""
STOPPING = (
    PLANS
    + """\
    policies:
      - {id: end, when: nothing_left, state: barred}
"""
)
CAPPED = (
    PLANS
    + """\
    cost_cap_minor: 500
    policies:
      - {id: top, when: cost_cap, state: barred}
      - {id: end, when: nothing_left, state: throttled}
"""
)
ROLLING = PLANS.replace("1_000_000_000}", "1_000_000_000, rollover: {cycles: 1}}")
OTHER_CODES = (("EUR", "EUX"), ("EUR", "RMB"), ("EUR", "DEM"))


def rule(text: str) -> str:
    """A rule by its kind and other fields."""
    return f"  - {{id: r, category: c, texts: {{en: x}}, {text}}}\n"


LOW = rule("kind: usage_percent, thresholds: [80]")


def file(*parts: str, head: str = HEAD) -> str:
    """A rules file: plans and packs (the usual plan if none), then rules."""
    sections = [part for part in parts if not part.startswith("  - ")]
    plans = "" if any("plans:" in one for one in sections) else PLANS
    rules = [part for part in parts if part.startswith("  - ")] or [LOW]
    return head + plans + "".join(sections) + "rules:\n" + "".join(rules)


class Case(NamedTuple):
    check: str
    wrong: str
    words: str
    right: str


CASES = [
    Case(
        "no-bucket",
        file(rule("kind: usage_percent, thresholds: [80], buckets: [day]"
                  ", bucket_kinds: [allowance]"), PACKS),
        "rules[0].buckets: warning: never speaks: day is no bucket of the kind allowance",
        file(rule("kind: usage_percent, thresholds: [80], buckets: [day]"), PACKS),
    ),
    Case(
        "no-bucket",
        file(rule("kind: used_bytes, thresholds: [80], bucket_kinds: [pack]")),
        "rules[0]: warning: the file grants nothing of the kind pack",
        file(rule("kind: used_bytes, thresholds: [80], bucket_kinds: [pack]"), PACKS),
    ),
    Case(
        "no-bucket",
        file(rule("kind: used_bytes, thresholds: [80], bucket_kinds: [rollover]")),
        "the file grants nothing of the kind rollover",
        file(rule("kind: used_bytes, thresholds: [80], bucket_kinds: [rollover]"), ROLLING),
    ),
    Case(
        "no-bucket",
        file(rule("kind: expiry, bucket_kinds: [pack]")),
        "rules[0]: warning: the file grants nothing of the kind pack",
        file(rule("kind: expiry, bucket_kinds: [pack, topup]")),
    ),
    Case(
        "no-bucket",
        file(rule('kind: before_cycle_end, days_before: 3, at: "10:00", plans: [bare]'),
             PLANS + "  - {id: bare, allowances: []}\n"),
        "rules[0].plans: warning: never speaks: bare grants nothing that ends",
        file(rule('kind: before_cycle_end, days_before: 3, at: "10:00", plans: [basic, bare]'),
             PLANS + "  - {id: bare, allowances: []}\n"),
    ),
    Case(
        "no-share",
        file(LOW, ENDLESS),
        "never speaks of a plan: its data are unlimited, so nothing is ever left",
        file(LOW, ENDLESS + PLANS.removeprefix("plans:\n")),
    ),
    Case(
        "no-share",
        file(rule("kind: remaining_bytes, thresholds: [5], buckets: [all]"
                  ", bucket_kinds: [unlimited]"), ENDLESS),
        "never speaks: what is unlimited has no share, and nothing is ever left",
        file(rule("kind: used_bytes, thresholds: [5], buckets: [all]"
                  ", bucket_kinds: [unlimited]"), ENDLESS),
    ),
    Case(
        "threshold-too-large",
        file(rule("kind: remaining_bytes, thresholds: [100_000_000, 1_000_000_000]")),
        "rules[0].thresholds[1]: warning: 1 GB left is never reached: the largest bucket that it "
        "is about has 1 GB",
        file(rule("kind: remaining_bytes, thresholds: [100_000_000, 999_999_999]")),
    ),
    Case(
        "threshold-too-large",
        file(rule("kind: used_bytes, thresholds: [2_000_000_000]")),
        "2 GB used is never reached",
        file(rule("kind: used_bytes, thresholds: [1_000_000_000]")),
    ),
    Case(
        "end-untold",
        file(rule('kind: before_expiry, days_before: 1, at: "10:00"'), PACKS),
        "rules[0]: warning: says nothing of the end of day (24 hours) bought from 10:00 on: it "
        "would be due before that; a rule of kind expiry with hours_before would",
        file(rule('kind: before_expiry, days_before: 1, at: "10:00"'),
             rule("kind: expiry, hours_before: 3, buckets: [day]").replace("id: r", "id: s"),
             PACKS),
    ),
    Case(
        "end-untold",
        file(rule('kind: before_expiry, days_before: 0, at: "20:00", buckets: [day]'), PACKS),
        "day (24 hours) bought before 20:00: it would",
        file(rule('kind: before_expiry, days_before: 1, at: "00:00", buckets: [week]'), PACKS),
    ),
    Case(
        "end-untold",
        file(rule("kind: expiry, hours_before: 24"), PACKS),
        "the end of day (24 hours) bought at any time: it would be due before that [",
        file(rule("kind: expiry, hours_before: 23"), PACKS),
    ),
    Case(
        "end-untold",
        file(rule('kind: before_expiry, days_before: 1, at: "10:00"'),
             rule("kind: expiry, plans: [basic]").replace("id: r", "id: s"), PACKS),
        "bought from 10:00 on",
        file(rule('kind: before_expiry, days_before: 1, at: "10:00", plans: [basic]'),
             rule("kind: expiry, plans: [basic]").replace("id: r", "id: s"), PACKS),
    ),
    Case(
        "end-untold",
        file(rule('kind: before_expiry, days_before: 1, at: "10:00", bucket_kinds: [pack]'),
             rule("kind: expiry, bucket_kinds: [topup]").replace("id: r", "id: s"), PACKS),
        "bought from 10:00 on",
        file(rule('kind: before_expiry, days_before: 1, at: "10:00", bucket_kinds: [topup]'),
             PACKS),
    ),
    Case(
        "no-end",
        file(rule("kind: expiry, buckets: [data]")),
        "never speaks of data: it ends with the billing cycle and does not roll over; "
        "before_cycle_end speaks of that",
        file(rule("kind: expiry, buckets: [data]"), ROLLING),
    ),
    Case(
        "no-cost",
        file(rule("kind: spend_amount, thresholds: [100]"), FREE),
        "never speaks: no plan and no tariff has an overage_price_minor",
        file(rule("kind: spend_amount, thresholds: [100]")),
    ),
    Case(
        "no-cost",
        file(rule("kind: spend_amount, thresholds: [100], tariff: eu"),
             PLANS + "    tariffs: [{id: eu, roaming_zones: [eu]}]\n"),
        "rules[0].tariff: warning: never speaks: nothing costs under tariff eu",
        file(rule("kind: spend_amount, thresholds: [100], tariff: eu"),
             PLANS + "    tariffs: [{id: eu, roaming_zones: [eu], overage_price_minor: 2}]\n"),
    ),
    Case(
        "no-cost",
        file(rule("kind: spend_percent, thresholds: [100]"), FREE + "    cost_cap_minor: 500\n"),
        "never speaks: no plan with a cap has an overage_price_minor",
        file(rule("kind: spend_percent, thresholds: [100]"), PLANS + "    cost_cap_minor: 500\n"),
    ),
    Case(
        "no-overage",
        file(rule("kind: overage_started"), ENDLESS),
        "never speaks: every plan has unlimited data, so nothing goes beyond",
        file(rule("kind: overage_started"),
             ENDLESS.replace("true}", "true, rating_groups: [20]}")),
    ),
    Case(
        "cost-beside",
        file(rule("kind: overage_started"), AT_HOME),
        "rules[0].texts.en: warning: under plan basic usage may cost that its data do not cover, "
        "while they are left",
        file(rule("kind: overage_started"),
             AT_HOME.replace("packs:", "    tariffs: [{id: eu, roaming_zones: [eu], "
                             "overage_price_minor: 2}]\npacks:")),
    ),
    Case(
        "cost-beside",
        file(rule("kind: overage_started"), AT_HOME),
        "say so by a branch of {remaining}, or give that usage a tariff",
        file(rule("kind: overage_started").replace("en: x", "en: '{remaining}'"), AT_HOME),
    ),
    Case(
        "limit-untold",
        file(rule("kind: usage_percent, thresholds: [100]"), STOPPING),
        "plans[0].policies[0]: warning: no rule tells a subscriber that end stops data: a rule of "
        "kind access_limited with policies [end] would",
        file(rule("kind: access_limited, policies: [end]"), STOPPING),
    ),
    Case(
        "limit-untold",
        file(rule("kind: access_limited, policies: [end]"), CAPPED),
        "no rule tells a subscriber that top stops data",
        file(rule("kind: access_limited, policies: [end]"),
             rule("kind: spend_percent, thresholds: [80, 100]").replace("id: r,", "id: s,"),
             CAPPED),
    ),
    Case(
        "limit-untold",
        file(rule("kind: access_limited, policies: [end]"), CAPPED.replace("500", "0")),
        "no rule tells a subscriber that top stops data",
        file(rule("kind: access_limited, policies: [end]"),
             rule("kind: spend_percent, thresholds: [100]").replace("id: r,", "id: s,"),
             CAPPED.replace("500", "0")),
    ),
    Case(
        "limit-untold",
        file(rule("kind: usage_percent, thresholds: [100]"),
             STOPPING.replace("nothing_left", "member_cap")),
        "a usage_percent rule with bucket_kinds [member] would",
        file(rule("kind: usage_percent, thresholds: [100], bucket_kinds: [member]"),
             STOPPING.replace("nothing_left", "member_cap")),
    ),
    Case(
        "cap-untold",
        file(rule("kind: overage_started"), PLANS + "    cost_cap_minor: 500\n"),
        "under plan basic one event may reach the cost cap, and then this rule is silent",
        file(rule("kind: overage_started"),
             rule("kind: spend_percent, thresholds: [100]").replace("id: r,", "id: s,"),
             PLANS + "    cost_cap_minor: 500\n"),
    ),
    Case(
        "cap-untold",
        file(rule("kind: overage_started, tariff: eu"),
             PLANS + "    tariffs: [{id: eu, roaming_zones: [eu], overage_price_minor: 2, "
             "cost_cap_minor: 9}]\n"),
        "tell what was spent by a spend_percent rule, too",
        file(rule("kind: overage_started, tariff: eu"),
             rule("kind: spend_amount, thresholds: [5]").replace("id: r,", "id: s,"),
             PLANS + "    tariffs: [{id: eu, roaming_zones: [eu], overage_price_minor: 2, "
             "cost_cap_minor: 9}]\n"),
    ),
    Case(
        "cap-untold",
        file(rule("kind: overage_started"),
             rule("kind: access_limited, policies: [top, end]").replace("id: r,", "id: s,"),
             CAPPED),
        "under plan basic one event may reach the cost cap, and then this rule is silent",
        file(rule("kind: overage_started"),
             rule("kind: access_limited, policies: [top, end]").replace("id: r,", "id: s,")
             .replace("en: x", 'en: "{spend}"'),
             CAPPED),
    ),
    Case(
        "zone-price",
        file(PLANS, ZONE),
        "roaming_zones[0].price_minor: warning: the welcome tells this price also to subscribers "
        "of plan basic, which charges another one there: give it a tariff that names the zone",
        file(PLANS + "    tariffs: [{id: abroad, roaming_zones: [eu], overage_price_minor: 7}]\n",
             ZONE),
    ),
    Case(
        "zone-price",
        file(PLANS + "    tariffs: [{id: films, rating_groups: [20], overage_price_minor: 9}]\n",
             ZONE),
        "of plan basic",
        file(PLANS, ZONE.replace("price_minor: 9", "price_minor: 5")),
    ),
    Case(
        "zone-price",
        file(ENDLESS + PLANS.removeprefix("plans:\n"),
             ZONE.replace("price_minor: 9", "price_minor: 5")),
        "of plan endless",
        file(FREE, ZONE),
    ),
    Case(
        "never-empty",
        file(rule("kind: zero_balance"), ENDLESS),
        "never speaks: no allowance of any plan has a limit",
        file(rule("kind: zero_balance"), ENDLESS, PACKS),
    ),
    Case(
        "large-velocity",
        file(rule("kind: velocity, thresholds: [2_000_000_000_000], window_seconds: 60")),
        "2 TB are more than the largest event that is taken (limits.max_event_bytes, 1.09 TB): it "
        "takes several of them within 60 seconds",
        file(rule("kind: velocity, thresholds: [2_000_000_000], window_seconds: 60")),
    ),
    Case(
        "date-over",
        file(rule('kind: once, date: "2026-01-13", at: "10:00"')),
        "rules[0].date: warning: 2026-01-13 is over: only a replay of the past sends it",
        file(rule('kind: once, date: "2026-01-14", at: "10:00"')),
    ),
    Case(
        "date-over",
        file(rule('kind: usage_percent, thresholds: [5], valid_until: "2026-01-01T00:00:00Z"')),
        "rules[0].valid_until: warning: is over: the rule is as if it were not there",
        file(rule('kind: usage_percent, thresholds: [5], valid_until: "2026-02-01T00:00:00Z"')),
    ),
    Case(
        "date-outside",
        file(rule('kind: once, date: "2026-03-01", at: "10:00", '
                  'valid_until: "2026-02-01T00:00:00Z"')),
        "rules[0].date: warning: never speaks: 2026-03-01 is outside of valid_until",
        file(rule('kind: once, date: "2026-03-01", at: "10:00", '
                  'valid_from: "2026-02-01T00:00:00Z"')),
    ),
    Case(
        "date-outside",
        file(rule('kind: cron, cron: "0 9 24 12 *", valid_from: "2026-02-01T00:00:00Z", '
                  'valid_until: "2026-12-01T00:00:00Z"')),
        "rules[0].cron: warning: never speaks: it does not fall between valid_from and valid_until",
        file(rule('kind: cron, cron: "0 9 24 12 *", valid_from: "2026-02-01T00:00:00Z", '
                  'valid_until: "2027-02-01T00:00:00Z"')),
    ),
    Case(
        "date-outside",
        file(rule('kind: usage_summary, at: "09:00", every: month, day: 20, '
                  'valid_from: "2026-02-01T00:00:00Z", valid_until: "2026-02-10T00:00:00Z"')),
        "rules[0].every: warning: never speaks",
        file(rule('kind: usage_summary, at: "09:00", every: cycle_middle, '
                  'valid_from: "2026-02-01T00:00:00Z", valid_until: "2026-02-10T00:00:00Z"')),
    ),
    Case(
        "silent-cycle",
        file(rule('kind: forecast, at: "10:00", silent_hours: 744')),
        "never speaks: no billing cycle is longer than 31 days",
        file(rule('kind: forecast, at: "10:00", silent_hours: 72')),
    ),
    Case(
        "nobody-chooses",
        file(rule('kind: usage_summary, at: "10:00", only_chosen: true')),
        "rules[0].only_chosen: warning: nobody can choose it by SMS, because the file has no "
        "commands",
        file(rule('kind: usage_summary, at: "10:00", only_chosen: true'), "commands: {}\n"),
    ),
    Case(
        "no-subject",
        file("notices: [{id: n, kind: roaming_welcome, category: c, texts: {en: x}}]\n"),
        "notices[0]: warning: never speaks: the file has no roaming_zones",
        file("notices: [{id: n, kind: activation_welcome, category: c, texts: {en: x}}]\n"),
    ),
    Case(
        "no-subject",
        file('notices: [{id: n, kind: plan_advice, at: "10:00", category: c, texts: {en: x}}]\n'),
        "never speaks: the file has no other plan that could be better",
        file('notices: [{id: n, kind: plan_advice, at: "10:00", category: c, texts: {en: x}}]\n',
             PLANS + PLANS.removeprefix("plans:\n").replace("id: basic", "id: other")),
    ),
    Case(
        "missing-name",
        file(LOW.replace("en: x", 'en: "{bucket}"')),
        "r.yaml:1: warning: customers read ids: allowance data has no name in en",
        file(LOW.replace("en: x", 'en: "{bucket}"'),
             PLANS.replace("{id: data,", "{id: data, names: {en: Data},")),
    ),
    Case(
        "missing-text",
        file(LOW, rule("kind: usage_percent, thresholds: [90]").replace("id: r", "id: s")
             .replace("en: x", "en: x, pl: y")),
        "warning: customers read another language: r: no text in pl, which others have",
        file(LOW.replace("en: x", "en-GB: x, pl-PL: y"),
             rule("kind: usage_percent, thresholds: [90]").replace("id: r", "id: s")
             .replace("en: x", "en: x, pl: y")),
    ),
    Case(
        "unknown-locale",
        file(LOW.replace("en: x", "xx-YY: x")),
        "rules[0].texts.xx-YY: warning: there is no language 'xx'",
        file(LOW.replace("en: x", "pt-BR: x")),
    ),
    Case(
        "unknown-locale",
        file(head=HEAD.replace("locale: en", "locale: en-UK")),
        "default_locale: warning: there is no country 'UK'; did you mean en-GB?",
        file(head=HEAD.replace("locale: en", "locale: en-GB")),
    ),
    *(
        Case("unknown-currency", file(head=HEAD.replace(*codes)), words, file())
        for codes, words in zip(
            OTHER_CODES,
            (
                "currency: warning: ISO 4217 has no currency 'EUX'; did you mean EUR?",
                "currency: warning: ISO 4217 has no currency 'RMB'; did you mean CNY?",
                "currency: warning: DEM is not in use any more",
            ),
            strict=True,
        )
    ),
    *(
        Case(
            "without-effect",
            file(head=f"{HEAD}limits: {{{name}: 100}}\n"),
            f"limits.{name}: warning: has no effect",
            file(head=f"{HEAD}limits: {{max_age_days: 60}}\n"),
        )
        for name in ("dedupe_horizon_days", "dedupe_max_ids")
    ),
]  # fmt: skip


def warned(text: str) -> list[str]:
    load_rulebook(text, "r.yaml")  # no problem of it is an error
    return warnings_of(text.encode(), "r.yaml", {}, TODAY)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.check)
def test_what_is_not_meant_is_warned_of(case: Case) -> None:
    found = [one for one in warned(case.wrong) if one.endswith(f"[{case.check}]")]
    assert len(found) == 1, warned(case.wrong)
    assert case.words in found[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.check)
def test_what_may_be_meant_is_not(case: Case) -> None:
    assert [one for one in warned(case.right) if one.endswith(f"[{case.check}]")] == []


def test_every_check_has_its_cases_and_its_line_in_the_documents() -> None:
    assert {case.check for case in CASES} == CHECKS.keys()
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    table = page.split("## Warnings\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(CHECKS)


def test_impossible_dates_stay_errors() -> None:
    for text, problem in (
        ('kind: once, date: "2026-02-30", at: "10:00"', "there is no such day"),
        ('kind: cron, cron: "0 0 31 2 *"', "there is no such day in any year"),
        ('kind: usage_percent, thresholds: [5], valid_from: "2026-02-30T00:00:00Z"', "no such"),
    ):
        with pytest.raises(ValueError, match=problem):
            load_rulebook(file(rule(text)), "r.yaml")


def check(path: Path, *more: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["rules", "check", str(path), *more])
    return result.exit_code, result.stdout, result.stderr


def test_warnings_are_told_by_line_and_fail_only_if_strict(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(file(rule("kind: used_bytes, thresholds: [80], bucket_kinds: [pack]")))
    warning = f"{path}:9: rules[0]: warning: the file grants nothing of the kind pack [no-bucket]\n"

    summary = f"{path}: OK: 1 plan, 0 packs, 1 rule, texts in en; 1 warning\n"
    assert check(path) == (0, summary, warning)
    assert check(path, "--strict") == (1, "", warning)
    path.write_text(file())
    assert check(path, "--strict") == (0, summary.replace("; 1 warning", ""), "")


def test_a_text_beside_the_file_is_told_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(file())
    (tmp_path / "r.texts").mkdir()
    (tmp_path / "r.texts" / "xx.yaml").write_text("r: other words\n")

    code, _, told = check(path)

    beside = tmp_path / "r.texts" / "xx.yaml"
    assert (code, told) == (
        0,
        f"{beside}:1: r: warning: there is no language 'xx' [unknown-locale]\n",
    )
