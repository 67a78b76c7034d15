"""Lives under the packaged rules, read as a customer would: every claim is true when it is made.

Times are the subscriber's. What is expected is written by hand, from what the account holds.
"""

from __future__ import annotations

from streamproc.contracts.rules_file.load import packaged_rulebook
from tests.support.timeline import lived


def lives(timeline: str) -> None:
    written, true = lived(packaged_rulebook("default.yaml"), timeline)
    assert true == written


def test_the_price_is_told_with_the_first_byte_that_costs_and_after_each_top_up() -> None:
    lives(
        """
2026-01-01 09:00  activate lite-500mb Asia/Shanghai en
                  welcome: Welcome! Your plan Lite includes 500 MB of data. Reply 0000 for your
                    plan, your services and the data left.
2026-01-02 10:00  top-up 200 MB
2026-01-02 12:00  use 500 MB
                  (superseded low-balance 50)
                  (superseded low-balance 80)
                  (superseded last-bytes 100000000)
                  (superseded low-balance 90)
                  (merged last-bytes 10000000)
                  low-balance: Data alert: all of your Lite data is used up (Jan 2, 12:00).
2026-01-03 10:00  use 200 MB
                  (superseded low-balance 50)
                  (superseded low-balance 80)
                  (superseded low-balance 90)
                  low-balance: Data alert: all of your extra data is used up (Jan 3, 10:00).
2026-01-03 10:01  use 1 B
                  data-costs: You have no general data left (Jan 3, 10:01). More of it costs ¥0.29
                    per MB.
2026-01-04 10:00  top-up 100 MB
2026-01-04 11:00  use 100 MB
                  (superseded low-balance 80)
                  (superseded low-balance 90)
                  (merged low-balance 100)
                  data-costs: You have no general data left (Jan 4, 11:00). More of it costs ¥0.29
                    per MB.
2026-01-04 12:00  use 5 MB
"""
    )


def test_what_ends_with_the_cycle_is_told_and_no_more() -> None:
    lives(
        """
2026-01-01 09:00  activate basic-5gb Europe/Warsaw pl
                  welcome: Witamy! Plan Basic obejmuje 5 GB danych. Odpisz 0000, aby sprawdzić plan,
                    usługi i pozostałe dane.
2026-01-10 10:00  use 4 GB
     01-05 09:00  weekly-summary: Dane (5.01, 09:00): bez nowego zużycia, zostało 5 GB. Rezygnacja:
                    STOP RAPORT
                  (superseded low-balance 50)
                  low-balance: Pakiet Basic: zużyto 80%, zostało 1 GB (10.01, 10:00).
2026-01-11 10:00  top-up 2 GB
2026-01-28 10:00  pack week-3gb
     01-12 09:00  weekly-summary: Dane (12.01, 09:00): nowe zużycie 4 GB, zostało 3 GB. Rezygnacja:
                    STOP RAPORT
     01-19 09:00  weekly-summary: Dane (19.01, 09:00): bez nowego zużycia, zostało 3 GB. Rezygnacja:
                    STOP RAPORT
     01-26 09:00  weekly-summary: Dane (26.01, 09:00): bez nowego zużycia, zostało 3 GB. Rezygnacja:
                    STOP RAPORT
2026-01-29 12:00  wait
     01-29 10:00  cycle-end: Okres rozliczeniowy kończy się z końcem dnia 31 stycznia.
                    Niewykorzystane 1 GB wtedy przepadnie.
2026-01-30 12:00  sms DANE
                  data_left: Stan na 30.01, 12:00: 6 GB z 10 GB, zużyto 40%.
2026-01-30 12:01  sms PAKIETY
                  balance: Pozostałe dane (30.01, 12:01): tygodniowy 3 GB (do 4.02, 10:00); Basic 1
                    GB; dodatkowy 2 GB. Okres rozliczeniowy do 31.01 włącznie.
2026-02-03 12:00  wait
     02-02 09:00  weekly-summary: Dane (2.02, 09:00): bez nowego zużycia, zostało 10 GB. Rezygnacja:
                    STOP RAPORT
     02-03 10:00  pack-expiry: Pakiet tygodniowy wygasa 4 lutego o 10:00. Zostało 3 GB.
"""
    )


def test_data_for_films_is_told_apart_from_data_for_everything_and_so_is_a_smaller_plan() -> None:
    lives(
        """
2026-01-01 09:00  activate family-20gb Asia/Shanghai zh-CN
                  welcome: 欢迎使用家庭20GB套餐，含流量20 GB。回复0000可查询套餐、业务和剩余流量。
2026-01-02 10:00  use 9900 MB for 20
                  (superseded low-balance 50)
                  (superseded low-balance 80)
                  (merged last-bytes 100000000)
                  low-balance: 【流量提醒】截至1月2日10:00，您的视频流量已用99%，剩余100 MB。
2026-01-03 10:00  use 100 MB for 20
                  (merged last-bytes 10000000)
                  low-balance: 【流量提醒】截至1月3日10:00，您的视频流量已全部用完。
2026-01-03 11:00  use 1 GB for 20
2026-01-04 10:00  use 18 GB
                  (superseded low-balance 50)
                  (superseded low-balance 80)
                  low-balance: 【流量提醒】截至1月4日10:00，您的家庭流量已用95%，剩余1 GB。
2026-01-06 11:00  plan lite-500mb
     01-05 09:00  weekly-summary: 【用量汇总】截至1月5日09:00，新增用量29 GB，剩余1 GB。停止请回复TZ汇总
                  (superseded last-bytes 100000000)
                  (merged last-bytes 10000000)
                  low-balance: 【流量提醒】截至1月6日11:00，您的轻享流量已全部用完。
2026-01-06 12:00  use 1 MB
                  data-costs: 【超量提醒】您已无可用的通用流量，此后按¥0.29/MB计费（1月6日12:00）。
2026-01-06 13:00  sms 流量
                  data_left: 截至1月6日13:00，您已无可用的通用流量。
2026-01-06 13:01  sms 余额
                  balance: 截至1月6日13:01，剩余流量：轻享流量 0 MB。套餐外已用1 MB，费用¥0.29。账期到1月31日24时。
2026-01-06 13:02  sms 0000
                  overview: 套餐轻享500MB，无可用通用流量，套餐外费用¥0.29。（1月6日13:02）
"""  # noqa: E501  # Chinese is wide
    )


def test_a_pack_for_abroad_is_no_data_at_home() -> None:
    lives(
        """
2026-01-01 09:00  activate lite-500mb Europe/Moscow ru
                  welcome: Добро пожаловать! Тариф Лайт: 500 МБ трафика. Отправьте 0000, чтобы
                    узнать тариф, услуги и остаток.
2026-01-02 09:00  pack roam-500mb
2026-01-02 10:00  use 501 MB
                  (superseded low-balance 50)
                  (superseded low-balance 80)
                  (superseded last-bytes 100000000)
                  (superseded low-balance 90)
                  (merged low-balance 100)
                  (merged last-bytes 10000000)
                  data-costs: Общего трафика больше нет (02.01, 10:00). Дальше плата — 0,29 ¥ за МБ.
2026-01-02 11:00  use 450 MB in eu
                  (superseded low-balance 50)
                  (superseded low-balance 80)
                  low-balance: Пакет Роуминг: израсходовано 90%, осталось 50 МБ (02.01, 11:00).
2026-01-05 12:00  wait
     01-05 09:00  weekly-summary: Трафик на 05.01, 09:00: новый расход 951 МБ, общего трафика нет,
                    сверх пакета 1 МБ. Отказ: СТОП СВОДКИ
2026-01-05 12:01  sms ТРАФИК
                  data_left: На 05.01, 12:01: общего трафика больше нет.
"""
    )


def test_a_day_pack_is_used_up_and_the_plan_is_not() -> None:
    lives(
        """
2026-01-01 09:00  activate lite-500mb Asia/Taipei zh-TW
                  welcome: 歡迎使用輕享500MB方案，內含上網量500 MB。回覆0000可查詢方案、加值服務與剩餘上網量。
2026-01-02 10:00  use 350 MB
                  low-balance: 【上網量提醒】截至1月2日 10:00，您的輕享上網量已使用70%，剩餘150 MB。
2026-01-02 10:30  pack day-1gb
2026-01-02 11:00  use 990 MB
                  (superseded low-balance 50)
                  (superseded low-balance 80)
                  low-balance: 【上網量提醒】截至1月2日 11:00，您的單日包已使用99%，剩餘10 MB。
2026-01-02 11:30  use 10 MB
                  low-balance: 【上網量提醒】截至1月2日 11:30，您的單日包已全部用完。
2026-01-02 12:00  use 60 MB
                  (merged last-bytes 100000000)
                  low-balance: 【上網量提醒】截至1月2日 12:00，您的輕享上網量已使用82%，剩餘90 MB。
"""  # noqa: E501  # Chinese is wide
    )


def test_one_event_that_reaches_levels_of_two_buckets_is_two_messages_each_with_its_figures() -> (
    None
):
    lives(
        """
2026-01-01 09:00  activate lite-500mb Asia/Shanghai en
                  welcome: Welcome! Your plan Lite includes 500 MB of data. Reply 0000 for your
                    plan, your services and the data left.
2026-01-02 10:00  use 350 MB
                  low-balance: Data alert: 70% of your Lite data is used, 150 MB of 500 MB left (Jan
                    2, 10:00).
2026-01-02 12:30  pack day-1gb
2026-01-02 13:00  use 1060 MB
                  (superseded low-balance 50)
                  (superseded low-balance 80)
                  (superseded low-balance 90)
                  low-balance: Data alert: all of your day pack is used up (Jan 2, 13:00).
                  (merged last-bytes 100000000)
                  low-balance: Data alert: 82% of your Lite data is used, 90 MB of 500 MB left (Jan
                    2, 13:00).
"""
    )


def test_what_waits_of_two_buckets_is_told_of_each_with_figures_of_then() -> None:
    lives(
        """
2026-01-01 09:00  activate lite-500mb Asia/Shanghai en
                  welcome: Welcome! Your plan Lite includes 500 MB of data. Reply 0000 for your
                    plan, your services and the data left.
2026-01-01 09:30  sms QUIET 22:00-7:00
                  quiet_hours_set: Done. Quiet hours: 22:00-07:00.
2026-01-02 10:00  use 240 MB
2026-01-02 21:00  pack day-1gb
2026-01-02 22:30  use 980 MB
                  (superseded low-balance 50)
                  (superseded low-balance 80)
                  (quiet_hours low-balance 90)
2026-01-02 23:30  use 60 MB
                  (superseded low-balance 90)
                  (quiet_hours low-balance 100)
                  (quiet_hours low-balance 50)
2026-01-03 02:00  use 100 MB
2026-01-03 08:00  wait
     01-03 07:00  low-balance: Data alert: all of your day pack is used up (Jan 3, 07:00).
     01-03 07:00  low-balance: Data alert: 76% of your Lite data is used, 120 MB of 500 MB left (Jan
                    3, 07:00).
"""
    )


def test_the_end_of_a_day_pack_is_told_by_day() -> None:
    lives(
        """
2026-01-01 09:00  activate basic-5gb Asia/Shanghai en
                  welcome: Welcome! Your plan Basic includes 5 GB of data. Reply 0000 for your plan,
                    your services and the data left.
2026-01-06 06:00  pack day-1gb
     01-05 09:00  weekly-summary: Your data on Jan 5, 09:00: nothing newly used, 5 GB left. Reply
                    STOP SUMMARY to end.
2026-01-09 23:00  pack day-1gb
     01-06 20:59  day-pack-expiry: Your day pack expires on Jan 7 at 06:00. 1 GB left.
2026-01-11 09:00  wait
     01-10 20:00  day-pack-expiry: Your day pack expires on Jan 10 at 23:00. 1 GB left.
"""
    )
