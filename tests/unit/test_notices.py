"""Notices and second confirmations by example."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from streamproc.core.rules.sending import PLAIN
from streamproc.core.state.effects import Audited, ConfirmationDecided
from streamproc.core.state.events import PreferencesSet, ProfileChanged
from tests.support.line import day, decisions, reasons
from tests.support.talking import (
    Talking,
    ended,
    outcomes,
    refunds,
    talking_rules,
    texts,
)

MINUTE = 1 / 1440


def begun(*services: str) -> Talking:
    line = Talking()
    line.begin(services=list(services))
    return line


def test_a_welcome_names_plan_and_services() -> None:
    line = Talking()
    assert texts(line.begin(services=["music", "video", "music", "gone"])) == [
        "Welcome to small with 1 GB; services: Music and Video VIP."
    ]
    assert texts(Talking().begin(locale="zh-CN")) == ["欢迎使用small"]


def test_a_second_contract_is_welcomed_too() -> None:
    line = begun()
    line.close(1)
    line.begin(at=2)
    ids = [one.id for one in line.effects if type(one).__name__ == "Reminder"]  # type: ignore[union-attr]
    assert len(ids) == len(set(ids)) == 2


def test_a_service_is_confirmed_twice_and_then_charged() -> None:
    line = begun()
    request = line.request("video", 1)
    assert texts(line.effects[-2:]) == [
        "Video VIP ¥15.00: reply YES 1 or NO 1 until 2026-01-03 00:00."
    ]
    effects = line.text("YES", 1 + MINUTE)
    assert outcomes(effects) == [("subscription", "video", "confirmed")]
    (order,) = [one for one in effects if isinstance(one, ConfirmationDecided)]
    assert (order.request_id, order.request_source) == (request, "vas")
    assert (order.amount_minor, order.currency) == (1500, "CNY")
    line.subscribe("video", 1 + 2 * MINUTE)
    request = line.request_charge("video", 1500, 2)
    assert outcomes(line.text("是", 2 + MINUTE)) == [("charge", "video", "confirmed")]
    effects = line.charge("video", 1500, 2 + 2 * MINUTE, request_id=request)
    assert (texts(effects), refunds(effects)) == (["Video VIP was charged ¥15.00."], [])


def test_silence_is_no_confirmation() -> None:
    line = begun()
    request = line.request_charge("video", 1500, 1)
    assert outcomes(line.reach(day(1.99))) == []
    assert outcomes(line.reach(day(2))) == [("charge", "video", "timed_out")]
    assert outcomes(line.text("Y", 2)) == []
    assert refunds(line.charge("video", 1500, 2.1, request_id=request)) == [("video", 3000)]


def test_a_refusal_is_no_confirmation() -> None:
    line = begun("video")
    request = line.request_charge("video", 1500, 1)
    assert outcomes(line.text("NO", 1.1)) == [("charge", "video", "refused")]
    effects = line.charge("video", 1500, 1.2, request_id=request)
    assert decisions(effects) == ["charged_in_error"]
    assert texts(effects) == ["Video VIP was charged ¥15.00 in error; you get ¥30.00 back."]
    assert texts(line.refund("video", 3000, 1.3, charged_minor=1500)) == [
        "¥30.00 back for Video VIP, of which ¥15.00 had been charged in error."
    ]


def test_a_confirmation_is_for_one_charge_of_its_service_and_no_more_money() -> None:
    line = begun("video", "news")
    wrongs: list[dict[str, Any]] = [
        {"amount_minor": 1501},
        {"service": "news"},
        {"request_id": "another"},
        {},
    ]
    for number, wrong in enumerate(wrongs):
        at = 1 + number / 10
        request = line.request_charge("video", 1500, at)
        line.text("Y", at + 0.01)
        fields = {"service": "video", "amount_minor": 1500, "request_id": request, **wrong}
        is_right = not wrong
        effects = line.charge(at=at + 0.02, **fields)
        assert bool(refunds(effects)) is not is_right
    assert refunds(line.charge("video", 1500, 2, request_id=request)) == [("video", 3000)]


def test_the_policy_says_how_much_is_returned() -> None:
    line = begun()
    assert refunds(line.charge("news", 300, 1)) == [("news", 300)]
    free = Talking(talking_rules(("refund_percent: 100", "refund_percent: 0")))
    free.begin()
    effects = free.charge("news", 300, 1)
    assert (refunds(effects), decisions(effects)) == ([], ["charged_in_error"])


def test_an_answer_from_before_the_question_answers_nothing() -> None:
    line = begun()
    line.request("video", 1)
    assert outcomes(line.text("Y", 1.1, sent=1 - MINUTE)) == []
    assert outcomes(line.text("Y", 1.2)) == [("subscription", "video", "confirmed")]


def test_numbers_do_not_come_again_soon() -> None:
    line = begun()
    line.request("news", 1)
    line.reach(day(1.5))
    line.request("video", 1.5)
    assert outcomes(line.text("Y1", 1.6)) == []
    assert outcomes(line.text("Y2", 1.6)) == [("subscription", "video", "confirmed")]


def test_a_subscription_may_be_enough_until_it_ends() -> None:
    line = begun("music")
    line.request_charge("music", 800, 1)
    assert outcomes(line.effects) == [("charge", "music", "confirmed")]
    assert refunds(line.charge("music", 800, 1.1)) == []
    assert ended(line.text("00000", 2)) == ["music"]
    line.request_charge("music", 800, 3)
    assert outcomes(line.effects[-3:]) == [("charge", "music", "refused")]
    assert refunds(line.charge("music", 800, 3.1)) == [("music", 1600)]


def test_without_subscription_a_charge_is_asked_for() -> None:
    line = begun()
    line.request_charge("music", 800, 1)
    assert decisions(line.effects)[-1] == "asked"


def test_what_a_question_is_about_may_end_before_the_answer() -> None:
    line = begun("video")
    line.request_charge("video", 1500, 1)
    assert outcomes(line.unsubscribe("video", 1.1)) == [("charge", "video", "refused")]
    line.request("video", 1.2)
    assert outcomes(line.close(1.3)) == [("subscription", "video", "refused")]
    assert line.account.extra is None


def test_a_charge_is_announced_days_before() -> None:
    line = begun()
    line.subscribe("video", 1, next_charge_time=day(10.5), price_minor=1200)
    assert texts(line.reach(day(8))) == ["1 GB left"]
    assert texts(line.reach(day(8.5))) == ["Video VIP will be charged ¥12.00 on 2026-01-11."]
    assert "will be" not in str(texts(line.reach(day(12))))


def test_a_service_that_ends_is_not_announced() -> None:
    line = begun("video")
    line.subscribe("video", 1, next_charge_time=day(10.5))
    line.text("00000", 2)
    assert "will be" not in str(texts(line.reach(day(12))))


def test_a_zone_is_welcomed_to_once_for_each_stay() -> None:
    line = begun()
    assert texts(line.locate("eu", 1)) == ["Welcome to Europe: data cost ¥3.00 per MB."]
    assert texts(line.locate("eu", 1.1)) == []
    assert texts(line.locate("asia", 1.2)) == ["Welcome to asia: data cost ¥5.00 per 10 MB."]
    assert texts(line.locate("home", 1.3)) == []
    assert line.account.extra is None
    assert len(texts(line.locate("eu", 1.4))) == 1


def test_news_of_a_stay_that_come_late_are_none() -> None:
    line = begun()
    assert decisions(line.locate("eu", 1, arrives=1.1)) == ["located", "missed"]
    assert decisions(line.locate("asia", 0.9, arrives=1.1)) == ["location_outdated"]
    assert texts(line.locate("mars", 1.2)) == []


def test_a_better_plan_is_advised_once_in_a_cycle() -> None:
    line = begun()
    for start in (0, 31):
        line.use(2_000_000_000, start + 1)  # a GB beyond: 100.00 a cycle
    line.reach(day(59))
    effects = line.reach(day(61))
    assert [one for one in texts(effects) if "saved" in one] == [
        "large had saved ¥120.00 in 2 cycles (4 GB), ¥100.00 for ¥220.00."
    ]
    later = line.reach(day(89))
    assert "saved" not in str(texts(later))


def test_no_plan_is_advised_on_a_guess() -> None:
    for scene in ("no history", "no saving", "ordered", "left"):
        line = begun()
        for start in (0, 31):
            used = 1_050_000_000 if scene == "no saving" else 2_000_000_000
            line.use(used, start + 1)
        if scene == "ordered":
            line.change_plan("large", 58, effective="next_cycle")
            line.reach(day(59.1))
            line.change_plan("small", 59.2, effective="now")
            line.change_plan("large", 59.3, effective="next_cycle")
        if scene == "left":
            line.opt("advice", 59)
        until = 40 if scene == "no history" else 70
        assert "saved" not in str(texts(line.reach(day(until)))), scene


def test_a_saving_that_allowances_for_some_usage_may_hide_is_not_told() -> None:
    line = Talking()
    line.begin("middle")
    for start in (0, 31):
        line.use(6_000_000_000, start + 1)  # of films, for all that the history knows
    assert "saved" not in str(texts(line.reach(day(70))))


SMALL = "  - id: small\n    price_minor: 1000\n    overage_price_minor: 10\n"
ABROAD = "    tariffs: [{id: abroad, roaming_zones: [eu], overage_price_minor: 100}]\n"
LARGE_DATA = "      - {id: much, granted_bytes: 10_000_000_000}\n"


@pytest.mark.parametrize(
    ("what", "change", "advice"),
    [
        ("tiers", (SMALL, SMALL + "    overage_tiers: [{from_bytes: 1, price_minor: 0}]\n"), []),
        ("a cap", (SMALL, SMALL + "    cost_cap_minor: 3000\n"), []),
        ("a dear tariff", (LARGE_DATA, LARGE_DATA + ABROAD), ["large had saved ¥120.00"]),
        (
            "a dear tariff, met",
            (LARGE_DATA, "      - {id: much, granted_bytes: 1_900_000_000}\n" + ABROAD),
            [],
        ),
        ("a cheap tariff", (SMALL, SMALL + ABROAD.replace("100}", "1}")), []),
        (
            "no end",
            (LARGE_DATA, "      - {id: much, unlimited: true}\n"),
            ["large had saved ¥120.00"],
        ),
        (
            "a cap of the other",
            (
                LARGE_DATA,
                "      - {id: much, granted_bytes: 1}\n    cost_cap_minor: 0\n",
            ),
            [],
        ),
    ],
)
def test_plan_advice_knows(what: str, change: tuple[str, str], advice: list[str]) -> None:
    line = Talking(talking_rules(change))
    line.begin()
    for start in (0, 31):
        line.use(2_000_000_000, start + 1)  # a GB beyond: 100.00 a cycle
    told = [one.partition(" in 2 ")[0] for one in texts(line.reach(day(70))) if "saved" in one]
    assert told == advice, what


def test_what_billing_says_of_unknown_services_or_earlier_contracts_is_rejected() -> None:
    line = begun()
    line.request("gone", 1)
    assert reasons(line.effects[-1:]) == ["unknown_service"]
    line.request("video", -1)
    assert reasons(line.effects[-1:]) == ["before_activation"]


def test_the_record_of_one_subscriber_is_bounded() -> None:
    line = begun()
    for number in range(21):
        line.request("video", 1 + number / 1000)
    assert reasons(line.effects) == ["account_full"]


def test_every_notice_passes_quiet_hours_as_the_file_says() -> None:
    asked = tuple(
        (f"    kind: {kind}\n", f"    kind: {kind}\n    in_quiet_hours: {word}\n")
        for kind, word in (("plan_advice", "send"), ("before_charge", "send"))
    )
    rules = talking_rules(*asked)
    assert rules.notices["plan_advice"].policy.in_quiet_hours == "send"
    assert rules.notices["before_charge"].policy.in_quiet_hours == "send"
    assert talking_rules().notices["plan_advice"].policy == PLAIN


def test_nothing_of_a_contract_is_kept_for_the_next_one() -> None:
    """Not even who the subscriber was, and where."""
    line = begun("music")
    line.send(ProfileChanged, 1, segments=["gold"], time_zone="Asia/Shanghai")
    line.send(PreferencesSet, 2, own_percents=[10], summary_every="day")
    assert line.account.extra is not None
    line.close(3)
    assert line.account.extra is None


def test_the_audit_names_no_bucket_for_a_notice() -> None:
    """Its mark names a request, or a service, where others name a bucket."""
    hours = "alerts: {quiet_hours: {start: '00:00', end: '08:00'}}\n"
    line = Talking(talking_rules(("version: 1\n", f"version: 1\n{hours}")))
    line.begin(services=["music"])
    line.subscribe("music", 1.1)
    line.charge("music", 500, 1.2)
    held = [one for one in line.effects if isinstance(one, Audited) and "until_ms" in one.figures]
    assert held
    assert all(one.bucket is UNSET for one in held)
