"""Rules in percent of a plan's own caps, rules about some buckets, and what their texts tell."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from tests.support.rules import edited, problems
from tests.support.timeline import lived

FILE = """\
version: 1
currency: EUR
default_locale: en
plans:
  - id: basic
    allowances:
      - {id: data, granted_bytes: 1_000_000_000}
      - {id: abroad, granted_bytes: 100_000_000, roaming_zones: [eu], priority: 40}
    overage_price_minor: 5
    overage_tiers: [{from_bytes: 100_000_000, price_minor: 3, unit_bytes: 10_000_000}]
    cost_cap_minor: 1000
    tariffs:
      - {id: roaming, roaming_zones: [eu, us], overage_price_minor: 20, cost_cap_minor: 5000}
      - {id: video, rating_groups: [20], overage_price_minor: 1}
    policies: [{id: stop, when: cost_cap, tariff: roaming, state: barred}]
  - id: free
    allowances: [{id: data, granted_bytes: 1_000_000_000}]
packs:
  - {id: day, granted_bytes: 200_000_000, validity_hours: 24, price_minor: 150}
  - {id: week, granted_bytes: 200_000_000, validity_hours: 168}
rules:
"""


def lives(rules: str, timeline: str) -> None:
    written, true = lived(load_rulebook(FILE + rules, "r.yaml"), timeline)
    assert true == written


PERCENT = """\
  - id: limit
    kind: spend_percent
    thresholds: [80, 100]
    tariff: roaming
    category: money
    texts: {en: "{threshold} of {cap}, {spend}; {price} per {price_unit}"}
"""


def test_percentages_are_of_the_cap_that_is_in_force() -> None:
    lives(
        PERCENT,
        """
2026-01-01 00:00  activate basic UTC en
2026-01-02 08:00  use 2 GB
2026-01-02 09:00  use 199 MB in us
2026-01-02 10:00  use 1 MB in us
                  limit: 80% of €50.00, €40.00; €0.20 per MB
2026-01-02 11:00  use 50 MB in us
                  limit: 100% of €50.00, €50.00; €0.20 per MB
                  policy stop barred
2026-01-02 12:00  use 5 MB in us
2026-01-03 00:00  consent roaming
                  (cost_cap_lifted)
                  policy stop restored
2026-01-03 10:00  use 100 MB in us
2026-01-04 00:00  restore roaming
                  (cost_cap_restored)
                  (superseded limit 80)
                  limit: 100% of €50.00, €70.00; €0.20 per MB
                  policy stop barred
2026-02-02 10:00  use 2 GB
     02-01 00:00  policy stop restored
2026-02-03 10:00  use 250 MB in us
                  (superseded limit 80)
                  limit: 100% of €50.00, €50.00; €0.20 per MB
                  policy stop barred
""",
    )


def test_who_has_no_cap_or_opted_out_of_it_is_told_of_none() -> None:
    lives(
        PERCENT,
        """
2026-01-01 00:00  activate basic UTC en
2026-01-01 01:00  consent roaming until revoked
                  (cost_cap_lifted)
2026-01-02 08:00  use 2 GB
2026-01-02 09:00  use 220 MB in us
2026-01-02 10:00  restore roaming
                  (cost_cap_restored)
                  limit: 80% of €50.00, €44.00; €0.20 per MB
2026-01-02 11:00  use 10 MB in us
2026-01-02 12:00  use 20 MB in us
                  limit: 100% of €50.00, €50.00; €0.20 per MB
                  policy stop barred
2026-01-02 13:00  plan free
                  policy stop restored
2026-01-02 14:00  use 900 MB in us
""",
    )


def test_a_limit_that_was_lifted_meanwhile_is_not_told() -> None:
    held = PERCENT.replace("    tariff", "    coalesce_seconds: 3600\n    tariff")
    lives(
        held,
        """
2026-01-01 00:00  activate basic UTC en
2026-01-02 08:00  use 2 GB
2026-01-02 09:00  use 200 MB in us
                  (coalescing limit 80)
2026-01-02 09:30  consent roaming
                  (cost_cap_lifted)
2026-01-02 11:00  wait
     01-02 10:00  (no_longer_true limit 80)
""",
    )


def test_without_a_tariff_it_is_the_cap_of_the_plans_own_prices() -> None:
    lives(
        PERCENT.replace("    tariff: roaming\n", ""),
        """
2026-01-01 00:00  activate basic UTC en
2026-01-02 08:00  use 1 GB
2026-01-02 09:00  use 110 MB in us
2026-01-02 10:00  use 1090 MB
2026-01-02 11:00  use 1 MB
                  limit: 80% of €10.00, €8.00; €0.03 per 10 MB
""",
    )


BUCKETS = """\
  - id: some
    kind: usage_percent
    thresholds: [50, 100]
    buckets: [day, abroad]
    category: balance
    texts: {en: "{bucket} {percent}%, then {price} per {price_unit}"}
  - id: every
    kind: remaining_bytes
    thresholds: [0]
    category: balance
    texts: {en: "{bucket} used up, then {price} per {price_unit}"}
  - id: ends
    kind: before_expiry
    days_before: 0
    at: "12:00"
    category: balance
    texts: {en: "{bucket} ends; another one costs {pack_price}"}
"""


def test_a_rule_can_be_about_some_buckets_only_and_tells_what_comes_after_them() -> None:
    lives(
        BUCKETS,
        """
2026-01-01 00:00  activate basic UTC en
2026-01-02 08:00  use 100 MB in eu
                  (superseded some 50)
                  some: abroad 100%, then €0.20 per MB
                  every: abroad used up, then €0.20 per MB
2026-01-03 15:00  pack day
2026-01-03 16:00  pack week
2026-01-03 17:00  use 100 MB
                  some: day 50%, then €0.05 per MB
2026-01-04 13:00  use 50 MB
     01-04 12:00  ends: day ends; another one costs €1.50
2026-01-05 08:00  use 1200 MB
                  every: week used up, then €0.05 per MB
                  every: data used up, then €0.05 per MB
2026-01-05 09:00  top-up 50 MB
2026-01-05 10:00  use 150 MB
                  every: extra data used up, then €0.03 per 10 MB
2026-01-10 15:00  pack week
2026-01-18 08:00  wait
     01-17 12:00  ends: week ends; another one costs -
""",
    )


def test_who_chose_percentages_gets_them_of_the_buckets_that_the_rules_are_about() -> None:
    lives(
        BUCKETS + "commands: {}\n",
        """
2026-01-01 00:00  activate basic UTC en
2026-01-01 09:00  sms ALERT 30
                  thresholds_set: Done. We will alert you when 30% of your data is used.
2026-01-02 08:00  use 300 MB
2026-01-02 09:00  use 50 MB in eu
                  some: abroad 50%, then €0.20 per MB
""",
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            ("buckets: [day, abroad]", "buckets: [day, abraod]"),
            "25: rules[0].buckets[1]: there is no allowance or pack 'abraod'",
        ),
        (
            ("kind: usage_percent", "kind: spend_percent\n    tariff: raoming"),
            "24: rules[0].tariff: no plan has a tariff 'raoming'",
        ),
        (
            ("kind: usage_percent", "kind: spend_percent\n    tariff: video"),
            "22: rules[0].cap_minor: is missing, and no plan has a cost_cap_minor for tariff "
            "'video'",
        ),
        (
            ("another one costs {pack_price}", "your cap is {cap}"),
            "38: rules[2].texts.en: {cap} has a meaning only in spend_percent",
        ),
    ],
)
def test_what_rules_name_must_be_there(change: tuple[str, str], problem: str) -> None:
    assert problem in problems(edited(FILE + BUCKETS, change))
