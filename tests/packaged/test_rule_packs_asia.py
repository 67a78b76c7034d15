"""Lives under the rule packs of Asia and Australia: what a regulator could ask to be shown.

Times are the subscriber's. What is expected is written by hand, from what the rules demand.
"""

from __future__ import annotations

import pytest

from tests.support.timeline import lives


def test_china_near_limit_at_limit_and_before_expiry() -> None:
    lives(
        "china",
        """
2026-01-05 09:00  activate basic-5gb Asia/Shanghai zh-CN anchor 5
2026-01-05 12:00  sms MDR 22:00-7:00
                  quiet_hours_set: 设置成功：22:00-07:00为免打扰时段。
2026-01-10 08:00  use 4499 MB
2026-01-10 23:00  use 1 MB
                  (quiet_hours near-limit 90)
2026-01-11 01:00  use 250 MB
2026-01-11 08:00  wait
     01-11 07:00  near-limit: 【到量预警】截至1月11日07:00，套餐通用流量共5 GB，已用4.75 GB，剩余250 MB。
2026-01-12 23:30  use 250 MB
                  at-limit: 【超量提醒】截至1月12日23:30，套餐通用流量已用完。其他可用流量也用完后，按¥5.00/GB计费。查询回复CXLL。
2026-01-12 23:31  use 1 B
                  data-costs: 【超量提醒】截至1月12日23:31，您已无可用的通用流量，现按¥5.00/GB计费。查询回复CXLL。
2026-01-12 23:40  sms CXLL
                  data_left: 截至1月12日23:40，您已无可用的通用流量。
2026-01-13 08:00  pack month-10gb
2026-01-13 09:00  use 2 GB
2026-01-14 15:00  pack day-1gb
2026-01-15 12:30  use 300 MB
     01-15 12:00  day-pack-expiry: 【到期提醒】您的日流量包将于1月15日15:00到期，剩余1 GB将失效。续订¥5.00，请至APP办理。
2026-01-20 09:00  sms TZ
                  stopped_all: 已停止全部提醒（必须发送的除外）。如需恢复，请回复KT。
2026-02-06 20:00  use 3 GB
2026-02-09 12:00  wait
     02-09 10:00  pack-expiry: 【到期提醒】您的月流量包将于2月12日08:00到期，剩余5 GB将失效。续订¥30.00，请至APP办理。
2026-02-11 20:00  use 5 GB
2026-02-13 09:00  use 5 GB
                  (merged near-limit 90)
                  at-limit: 【超量提醒】截至2月13日09:00，套餐通用流量已用完。其他可用流量也用完后，按¥5.00/GB计费。查询回复CXLL。
2026-03-05 10:00  use 4600 MB
                  near-limit: 【到量预警】截至3月5日10:00，套餐通用流量共5 GB，已用4.6 GB，剩余400 MB。
""",  # noqa: E501  # Chinese is wide
    )


def test_china_a_level_of_ones_own_moves_no_notice_that_the_rules_demand() -> None:
    lives(
        "china",
        """
2026-01-01 00:00  activate basic-5gb Asia/Shanghai en
2026-01-01 12:00  sms ALERT 50
                  thresholds_set: Done. We will alert you when 50% and 90% of your data is used.
2026-01-02 12:00  use 2500 MB
                  near-limit: You are near your plan's limit: 2.5 GB of 5 GB of general data used,
                    2.5 GB left (Jan 2, 12:00).
2026-01-03 12:00  use 2 GB
                  near-limit: You are near your plan's limit: 4.5 GB of 5 GB of general data used,
                    500 MB left (Jan 3, 12:00).
2026-01-04 12:00  use 500 MB
                  at-limit: Your plan's general data is used up (Jan 4, 12:00). Once no other data
                    is left either, more costs ¥5.00 per GB. To check your usage, reply DATA.
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
     01-09 08:00  approaching: You've used 55% of your 10 GB data allowance (9 Jan, 08:00). This may
                    be up to 48 hours old and excludes use outside Australia.
2026-01-20 12:00  use 4500 MB
                  (merged approaching 85)
                  used-up: You've used 100% of your data allowance (20 Jan, 12:00). Once no extra
                    data is left, more costs $10.00 per GB. Figures may be up to 48 hours old and
                    exclude use outside Australia.
2026-01-20 12:30  pack extra-2gb
2026-01-20 13:00  use 2 GB
2026-02-03 10:00  use 8499 MB
                  approaching: You've used 84% of your 10 GB data allowance (3 Feb, 10:00). This may
                    be up to 48 hours old and excludes use outside Australia.
2026-02-03 11:00  use 1 MB
                  approaching: You've used 85% of your 10 GB data allowance (3 Feb, 11:00). This may
                    be up to 48 hours old and excludes use outside Australia.
2026-02-10 22:30  use 1500 MB
                  used-up: You've used 100% of your data allowance (10 Feb, 22:30). Once no extra
                    data is left, more costs $10.00 per GB. Figures may be up to 48 hours old and
                    exclude use outside Australia.
2026-03-01 10:00  opt-out usage
2026-03-05 10:00  use 11 GB
                  (superseded approaching 50)
                  (opted_out data-costs)
                  (opted_out used-up 0)
                  (opted_out approaching 85)
2026-04-01 10:00  opt-in usage
2026-04-02 10:00  plan hard-cap-5gb
2026-04-05 10:00  use 5 GB
                  (merged used-up 0)
                  stopped: You have no data left, and data has stopped (5 Apr, 10:00). This may be
                    up to 48 hours old and excludes use outside Australia.
                  policy stop barred
2026-05-01 10:00  plan unlimited
     05-01 00:00  (resolved stopped)
     05-01 00:00  (quiet_hours data-again)
     05-01 00:00  policy stop restored
     05-01 08:00  data-again: Your data works again (1 May, 08:00).
2026-05-05 10:00  use 900 GB
""",
    )


INDIA_COMBO = """
2026-01-01 09:00  activate combo-30gb Asia/Kolkata hi
2026-01-05 10:00  use 14999 MB
2026-01-05 11:00  use 1 MB
                  half-used: कॉम्बो डेटा का 50% खर्च हुआ, 15 GB शेष (5 जन॰, 11:00)।
2026-01-20 10:00  use 12 GB
                  nearly-used: कॉम्बो डेटा का 90% खर्च हुआ, 3 GB शेष (20 जन॰, 10:00)। डेटा न बचने पर
                    दर ₹0.04 प्रति 10 kB।
2026-01-25 10:00  use 3 GB
                  (merged no-data-left)
                  used-up: कॉम्बो डेटा का 100% समाप्त (25 जन॰, 10:00)। डेटा न बचने पर दर ₹0.04 प्रति
                    10 kB।
2026-01-25 11:00  use 9 MB
                  data-costs: आपके डेटा के लिए अब कोई पैक नहीं (25 जन॰, 11:00): दर ₹0.04 प्रति 10
                    kB।
2026-01-25 12:00  use 1 MB
                  each-10mb: इस चक्र में बिना पैक 10 MB डेटा खर्च, शुल्क ₹40.00 (25 जन॰, 12:00)।
2026-02-10 10:00  use 30 GB
                  (merged nearly-used 90)
                  (merged half-used 50)
                  (merged no-data-left)
                  used-up: कॉम्बो डेटा का 100% समाप्त (10 फ़र॰, 10:00)। डेटा न बचने पर दर ₹0.04
                    प्रति 10 kB।
2026-02-15 10:00  pack day-1gb
2026-02-15 11:00  use 910 MB
                  (merged half-used 50)
                  nearly-used: डे पैक का 91% खर्च हुआ, 90 MB शेष (15 फ़र॰, 11:00)। डेटा न बचने पर दर
                    ₹0.04 प्रति 10 kB।
"""

INDIA_PREPAID = """
2026-01-01 09:00  activate prepaid Asia/Kolkata en
2026-01-01 10:00  use 9 MB
                  data-costs: No data pack covers your data in India now (Jan 1, 10:00): it costs Rs
                    0.04 per 10 kB.
2026-01-01 11:00  use 1 MB
                  each-10mb: You have used 10 MB without a data pack in this cycle; cost Rs 40.00
                    (Jan 1, 11:00).
2026-01-01 12:00  use 25 MB
                  each-10mb: You have used 35 MB without a data pack in this cycle; cost Rs 140.00
                    (Jan 1, 12:00).
2026-01-02 09:00  opt-out metered
2026-01-02 10:00  use 10 MB
                  (opted_out each-10mb 40000000)
2026-01-03 09:00  pack balance-2gb
2026-01-03 10:00  use 1499 MB
2026-01-03 11:00  use 1 MB
                  left: 500 MB of 28-day pack left (Jan 3, 11:00).
2026-01-04 10:00  use 450 MB
                  left: 50 MB of 28-day pack left (Jan 4, 10:00).
2026-01-04 11:00  use 40 MB
                  nearly-nothing-left: 10 MB of 28-day pack left (Jan 4, 11:00). Once no data is
                    left, you pay Rs 0.04 per 10 kB.
2026-01-04 12:00  use 10 MB
                  (opted_out data-costs)
                  (opted_out no-data-left)
2026-01-05 09:00  opt-out data-packs
2026-01-05 09:00  pack balance-2gb
2026-01-05 10:00  use 1995 MB
                  (superseded left 500000000)
                  (merged left 100000000)
                  nearly-nothing-left: 5 MB of 28-day pack left (Jan 5, 10:00). Once no data is
                    left, you pay Rs 0.04 per 10 kB.
2026-01-20 08:00  arrive world
                  abroad: Roaming: outside India. Data that no extra data covers costs Rs 10.00 per
                    MB. If you do not want to use data, turn off data roaming.
"""


INDIA_TWO_PACKS = """
2026-01-01 09:00  activate combo-30gb Asia/Kolkata en
2026-01-05 10:00  use 12 GB
2026-01-06 09:00  pack day-1gb
2026-01-06 10:00  use 14500 MB
                  (merged nearly-used 90)
                  (merged half-used 50)
                  used-up: 100% of day pack used (Jan 6, 10:00). Once no data is left, you pay Rs
                    0.04 per 10 kB.
                  half-used: 85% of Combo data used, 4.5 GB of 30 GB left (Jan 6, 10:00).
2026-01-07 10:00  use 4500 MB
                  (merged nearly-used 90)
                  (merged no-data-left)
                  used-up: 100% of Combo data used (Jan 7, 10:00). Once no data is left, you pay Rs
                    0.04 per 10 kB.
2026-01-08 10:00  pack balance-2gb
2026-01-08 11:00  use 2 GB
                  (superseded left 500000000)
                  (merged left 100000000)
                  (merged no-data-left)
                  nearly-nothing-left: 28-day pack is used up (Jan 8, 11:00). Once no data is left,
                    you pay Rs 0.04 per 10 kB.
2026-01-08 12:00  use 1 B
                  data-costs: No data pack covers your data in India now (Jan 8, 12:00): it costs Rs
                    0.04 per 10 kB.
"""


@pytest.mark.parametrize(
    "timeline",
    [INDIA_COMBO, INDIA_PREPAID, INDIA_TWO_PACKS],
    ids=["combo", "prepaid", "two packs"],
)
def test_india_percentages_or_what_is_left_and_each_10_mb_without_a_pack(timeline: str) -> None:
    lives("india", timeline)


INDIA_MORE_LEFT = """
2026-01-01 09:00  activate combo-30gb Asia/Kolkata en
2026-01-05 10:00  use 15 GB
                  half-used: 50% of Combo data used, 15 GB of 30 GB left (Jan 5, 10:00).
2026-01-06 09:00  pack balance-2gb
2026-01-06 10:00  use 2 GB
                  (superseded left 500000000)
                  (merged left 100000000)
                  nearly-nothing-left: 28-day pack is used up (Jan 6, 10:00). Once no data is left,
                    you pay Rs 0.04 per 10 kB.
"""


def test_a_pack_that_is_used_up_says_no_price_for_what_another_bucket_covers() -> None:
    """15 GB of the plan are left, without any other pack: the price is for later."""
    lives("india", INDIA_MORE_LEFT)
