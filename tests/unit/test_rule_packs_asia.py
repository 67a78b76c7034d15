"""Lives under the rule packs of Asia and Australia: what a regulator could ask to be shown.

Times are the subscriber's. What is expected is written by hand, from what the rules demand.
"""

from __future__ import annotations

import pytest

from tests.support.timeline import lived_under


def lives(pack: str, timeline: str) -> None:
    written, true = lived_under(pack, timeline)
    assert true == written


def test_china_near_limit_at_limit_and_before_expiry() -> None:
    lives(
        "china",
        """
2026-01-05 09:00  activate basic-5gb Asia/Shanghai zh-CN anchor 5
2026-01-05 12:00  sms MDR 22:00-7:00
                  quiet_hours_set: 已设置免打扰:22:00-07:00。
2026-01-10 08:00  use 4499 MB
2026-01-10 23:00  use 1 MB
                  (quiet_hours near-limit 90)
2026-01-11 01:00  use 250 MB
2026-01-11 08:00  wait
     01-11 07:00  near-limit: 【到量预警】截至2026-01-11 07:00,套餐流量已用4.75 GB,共5 GB,剩余250 MB。
2026-01-12 23:30  use 250 MB
                  at-limit: 【超量提醒】截至2026-01-12 23:30,套餐流量已用完。超出按¥5.00/1 GB计费,查询回复CXLL。
2026-01-12 23:31  use 1 B
2026-01-12 23:40  sms CXLL
                  data_left: 截至2026-01-12 23:40,流量剩余0 B,共5 GB,已用100%。
2026-01-13 08:00  pack month-10gb
2026-01-13 09:00  use 2 GB
2026-01-14 15:00  pack day-1gb
2026-01-15 12:30  use 300 MB
     01-15 12:00  day-pack-expiry: 【到期提醒】day-1gb将于2026-01-15 15:00到期失效,剩余1 GB。可在APP续订,价格¥5.00。
2026-01-20 09:00  sms TZ
                  stopped_all: 已停止全部提醒(法定提醒除外)。恢复请回复KT。
2026-02-06 20:00  use 3 GB
2026-02-09 12:00  wait
     02-09 10:00  pack-expiry: 【到期提醒】month-10gb将于2026-02-12 08:00到期失效,剩余5 GB。可在APP续订,价格¥30.00。
2026-02-11 20:00  use 5 GB
2026-02-13 09:00  use 5 GB
                  (merged near-limit 90)
                  at-limit: 【超量提醒】截至2026-02-13 09:00,套餐流量已用完。超出按¥5.00/1 GB计费,查询回复CXLL。
2026-03-05 10:00  use 4600 MB
                  near-limit: 【到量预警】截至2026-03-05 10:00,套餐流量已用4.6 GB,共5 GB,剩余400 MB。
""",  # noqa: E501  # Chinese is wide
    )


def test_china_a_level_of_ones_own_moves_no_notice_that_the_rules_demand() -> None:
    lives(
        "china",
        """
2026-01-01 00:00  activate basic-5gb Asia/Shanghai en
2026-01-01 12:00  sms ALERT 50
                  thresholds_set: Done: we remind you at 50% used.
2026-01-02 12:00  use 2500 MB
                  near-limit: Near your limit: 2.5 GB of your plan's 5 GB used at 2026-01-02 12:00,
                    2.5 GB left.
2026-01-03 12:00  use 2 GB
                  near-limit: Near your limit: 4.5 GB of your plan's 5 GB used at 2026-01-03 12:00,
                    500 MB left.
2026-01-04 12:00  use 500 MB
                  at-limit: Your plan's data are used up (2026-01-04 12:00). Beyond it CN¥5.00 per 1
                    GB. To query reply DATA.
""",
    )


def test_australia_50_85_and_100_percent_of_plans_with_excess_charges() -> None:
    lives(
        "australia",
        """
2026-01-01 09:00  activate excess-10gb Australia/Perth en-AU
2026-01-08 08:00  use 4999 MB
2026-01-08 23:00  use 1 MB
                  (quiet_hours approaching 50)
2026-01-09 02:00  use 500 MB
2026-01-09 09:00  wait
     01-09 08:00  approaching: You have used 55% of your 10 GB data allowance (2026-01-09 08:00).
                    This may be up to 48 hours old and does not count use outside Australia.
2026-01-20 12:00  use 4500 MB
                  (merged approaching 85)
                  used-up: You have used 100% of your 10 GB data allowance (2026-01-20 12:00).
                    Further data: $10.00 per 1 GB. Figures may be up to 48 hours old; use outside
                    Australia is not counted.
2026-01-20 12:30  pack extra-2gb
2026-01-20 13:00  use 2 GB
2026-02-03 10:00  use 8499 MB
                  approaching: You have used 84% of your 10 GB data allowance (2026-02-03 10:00).
                    This may be up to 48 hours old and does not count use outside Australia.
2026-02-03 11:00  use 1 MB
                  approaching: You have used 85% of your 10 GB data allowance (2026-02-03 11:00).
                    This may be up to 48 hours old and does not count use outside Australia.
2026-02-10 22:30  use 1500 MB
                  used-up: You have used 100% of your 10 GB data allowance (2026-02-10 22:30).
                    Further data: $10.00 per 1 GB. Figures may be up to 48 hours old; use outside
                    Australia is not counted.
2026-03-01 10:00  opt-out usage
2026-03-05 10:00  use 11 GB
                  (superseded approaching 50)
                  (opted_out used-up 0)
                  (opted_out approaching 85)
2026-04-01 10:00  opt-in usage
2026-04-02 10:00  plan hard-cap-5gb
2026-04-05 10:00  use 5 GB
                  policy stop barred
2026-05-01 10:00  plan unlimited
     05-01 00:00  policy stop restored
2026-05-05 10:00  use 900 GB
""",
    )


INDIA_COMBO = """
2026-01-01 09:00  activate combo-30gb Asia/Kolkata hi
2026-01-05 10:00  use 14999 MB
2026-01-05 11:00  use 1 MB
                  half-used: combo का 50% डेटा खर्च, 15 GB शेष।
2026-01-20 10:00  use 12 GB
                  nearly-used: combo का 90% डेटा खर्च, 3 GB शेष। समाप्त होने पर दर ₹0.04 प्रति 10
                    kB।
2026-01-25 10:00  use 3 GB
                  used-up: combo का 100% डेटा समाप्त। दूसरा पैक न हो तो दर ₹0.04 प्रति 10 kB।
2026-01-25 11:00  use 9 MB
2026-01-25 12:00  use 1 MB
                  each-10mb: बिना पैक 10 MB डेटा खर्च, शुल्क ₹40.00।
2026-02-10 10:00  use 30 GB
                  (merged nearly-used 90)
                  (merged half-used 50)
                  used-up: combo का 100% डेटा समाप्त। दूसरा पैक न हो तो दर ₹0.04 प्रति 10 kB।
2026-02-15 10:00  pack day-1gb
2026-02-15 11:00  use 910 MB
                  (merged half-used 50)
                  nearly-used: day-1gb का 91% डेटा खर्च, 90 MB शेष। समाप्त होने पर दर ₹0.04 प्रति 10
                    kB।
"""

INDIA_PREPAID = """
2026-01-01 09:00  activate prepaid Asia/Kolkata en
2026-01-01 10:00  use 9 MB
2026-01-01 11:00  use 1 MB
                  each-10mb: 10 MB used without a data pack in this cycle, for ₹40.00 (2026-01-01
                    11:00).
2026-01-01 12:00  use 25 MB
                  each-10mb: 35 MB used without a data pack in this cycle, for ₹140.00 (2026-01-01
                    12:00).
2026-01-02 09:00  opt-out metered
2026-01-02 10:00  use 10 MB
                  (opted_out each-10mb 40000000)
2026-01-03 09:00  pack balance-2gb
2026-01-03 10:00  use 1499 MB
2026-01-03 11:00  use 1 MB
                  left: 500 MB of balance-2gb left (2026-01-03 11:00).
2026-01-04 10:00  use 450 MB
                  left: 50 MB of balance-2gb left (2026-01-04 10:00).
2026-01-04 11:00  use 40 MB
                  nearly-nothing-left: 10 MB of balance-2gb left (2026-01-04 11:00). After that data
                    cost ₹0.04 per 10 kB.
2026-01-04 12:00  use 10 MB
2026-01-05 09:00  opt-out data-packs
2026-01-05 09:00  pack balance-2gb
2026-01-05 10:00  use 1995 MB
                  (superseded left 500000000)
                  (merged left 100000000)
                  nearly-nothing-left: 5 MB of balance-2gb left (2026-01-05 10:00). After that data
                    cost ₹0.04 per 10 kB.
2026-01-20 08:00  arrive world
                  abroad: Welcome to your destination. Data cost ₹10.00 per 1 MB here. If you do not
                    want to use data, deactivate data roaming.
"""


@pytest.mark.parametrize("timeline", [INDIA_COMBO, INDIA_PREPAID], ids=["combo", "prepaid"])
def test_india_percentages_or_what_is_left_and_each_10_mb_without_a_pack(timeline: str) -> None:
    lives("india", timeline)
