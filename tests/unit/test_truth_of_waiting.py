"""What a message says that had to wait is true when it is said."""

from __future__ import annotations

import json

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.rulebook import Rulebook
from tests.support.line import day, reminders
from tests.support.rules import edited
from tests.support.talking import RULES, Talking, ended, outcomes, texts

NIGHT = {"quiet_hours": {"start": "22:00", "end": "07:00"}}
ENDS = [
    {"id": "cycle", "kind": "before_cycle_end", "days_before": 3, "at": "23:00",
     "category": "end", "texts": {"en": "{days} days"}},
    {"id": "pack", "kind": "before_expiry", "days_before": 2, "at": "23:00",
     "category": "end", "texts": {"en": "pack {days}"}},
]  # fmt: skip


def rules(**fields: int) -> Rulebook:
    data = {
        "version": 1,
        "currency": "EUR",
        "default_locale": "en",
        "alerts": NIGHT,
        "plans": [{"id": "small", "allowances": [{"id": "data", "granted_bytes": 1000}]}],
        "packs": [{"id": "extra", "granted_bytes": 50, "validity_hours": 96}],
        "rules": [{**one, **fields} for one in ENDS],
    }
    return load_rulebook(json.dumps(data), "r.yaml")


def test_days_to_an_end_are_counted_from_when_it_is_told() -> None:
    line = Talking(rules())
    line.begin()
    line.top_up(at=3.5, pack="extra")
    told = reminders(line.reach(day(31)))
    assert [(one.text, one.as_of.day) for one in told] == [("pack 1", 7), ("2 days", 30)]


@pytest.mark.parametrize(("at", "days"), [("10:00", "2"), ("23:00", "1")])
def test_days_to_a_charge_are_counted_from_when_it_is_told(at: str, days: str) -> None:
    changes = (
        ('    days_before: 2\n    at: "10:00"', f'    days_before: 2\n    at: "{at}"'),
        ("will be charged {price} on {charge_date}", "in {days} days on {charge_date}"),
        ("plans:\n", f"alerts: {json.dumps(NIGHT)}\nplans:\n"),
    )
    line = Talking(load_rulebook(edited(RULES, *changes), "r.yaml"))
    line.begin()
    line.subscribe("music", at=1, next_charge_time=day(10.5))
    told = [one.text for one in reminders(line.reach(day(10))) if one.rule == "charge-soon"]
    assert told == [f"Music in {days} days on 2026-01-11."]


def test_what_a_cycle_cost_is_told_by_the_plan_that_it_had() -> None:
    data = {
        "version": 1,
        "currency": "EUR",
        "default_locale": "en",
        "plans": [
            {"id": "cheap", "allowances": [], "overage_price_minor": 1, "overage_unit_bytes": 1},
            {"id": "dear", "allowances": [], "overage_price_minor": 9, "overage_unit_bytes": 1},
        ],
        "rules": [
            {"id": "over", "kind": "cycle_end", "category": "end", "texts": {"en": "{spend}"}}
        ],
    }
    line = Talking(load_rulebook(json.dumps(data), "r.yaml"))
    line.begin("cheap")
    line.use(100, at=2)
    line.change_plan("dear", at=3, effective="next_cycle")
    (told,) = reminders(line.reach(day(31.1)))
    assert told.text == "€1.00"


def test_a_price_beside_a_closed_cycle_is_that_of_the_next_byte() -> None:
    data = {
        "version": 1,
        "currency": "EUR",
        "default_locale": "en",
        "plans": [
            {
                "id": "tiers", "allowances": [], "overage_price_minor": 9, "overage_unit_bytes": 1,
                "overage_tiers": [{"from_bytes": 50, "price_minor": 1, "unit_bytes": 1}],
            }
        ],
        "rules": [
            {"id": "over", "kind": "cycle_end", "category": "end", "texts": {"en": "{price}"}}
        ],
    }  # fmt: skip
    line = Talking(load_rulebook(json.dumps(data), "r.yaml"))
    line.begin("tiers")
    line.use(100, at=2)
    (told,) = reminders(line.reach(day(31.1)))
    assert told.text == "€0.09"


def waiting_night(*changes: tuple[str, str]) -> Talking:
    """A line whose notices all wait for the morning."""
    held = [
        (f"    kind: {kind}\n", f"    kind: {kind}\n    in_quiet_hours: hold\n")
        for kind in ("subscription_question", "charge_question", "roaming_welcome")
    ]
    hours = ("plans:\n", f"alerts: {json.dumps(NIGHT)}\nplans:\n")
    return Talking(load_rulebook(edited(RULES, hours, *held, *changes), "r.yaml"))


EVENING = 23 / 24
MORNING = 1 + 7 / 24
HOUR = 1 / 24


def test_a_welcome_names_the_services_of_when_it_is_told() -> None:
    line = waiting_night()
    line.begin(at=EVENING, services=["video", "news"])
    line.unsubscribe("video", EVENING + HOUR)
    line.subscribe("music", EVENING + HOUR)
    assert texts(line.reach(day(MORNING))) == [
        "Welcome to small with 1 GB; services: news and Music."
    ]


def test_a_welcome_names_no_service_that_is_ending() -> None:
    line = waiting_night()
    line.begin(at=EVENING, services=["music", "news"])
    line.text("TD", EVENING)
    assert ended(line.text("TD 1", EVENING + HOUR)) == ["music"]
    assert texts(line.reach(day(MORNING))) == ["Welcome to small with 1 GB; services: news."]


def test_a_welcome_tells_what_the_plan_grants_not_what_was_bought_since() -> None:
    line = waiting_night()
    line.begin(at=EVENING)
    line.top_up(at=EVENING + HOUR, pack="extra")
    assert texts(line.reach(day(MORNING))) == ["Welcome to small with 1 GB; services: -."]


def test_a_welcome_speaks_of_the_plan_of_when_it_is_told() -> None:
    line = waiting_night()
    line.begin(at=EVENING)
    line.change_plan("large", at=EVENING + HOUR)
    assert texts(line.reach(day(MORNING))) == ["Welcome to large with 10 GB; services: -."]


def test_a_question_whose_time_is_over_is_not_asked() -> None:
    """It is decided in the same instant: an answer would come too late."""
    line = waiting_night(
        ("price_minor: 300, answer_seconds: 3600", "answer_seconds: 28800, price_minor: 300")
    )
    line.begin(at=1)
    line.reach(day(1.5))
    line.request("news", at=1 + EVENING)
    told = line.reach(day(1 + MORNING))
    assert texts(told) == []
    assert outcomes(told) == [("subscription", "news", "timed_out")]


def test_a_charge_that_was_put_off_is_announced_before_its_own_day_only() -> None:
    line = waiting_night(
        ('    days_before: 2\n    at: "10:00"', '    days_before: 2\n    at: "23:00"')
    )
    line.begin(at=1)
    line.subscribe("music", at=1.5, next_charge_time=day(10.5))
    line.reach(day(8 + EVENING))
    line.subscribe("music", at=9, next_charge_time=day(20.5))
    assert "charged" not in str(texts(line.reach(day(18.9))))
    assert "Music will be charged ¥8.00 on 2026-01-21." in texts(line.reach(day(19.5)))


def test_a_charge_that_is_made_sooner_is_announced_with_its_new_day_and_price() -> None:
    line = waiting_night(
        ('    days_before: 2\n    at: "10:00"', '    days_before: 2\n    at: "23:00"')
    )
    line.begin(at=1)
    line.subscribe("music", at=1.5, next_charge_time=day(10.9))
    line.reach(day(8 + EVENING))
    line.subscribe("music", at=9, next_charge_time=day(9.9), price_minor=900)
    assert texts(line.reach(day(9.5))) == ["Music will be charged ¥9.00 on 2026-01-10."]


def test_two_stays_in_a_zone_in_one_night_are_welcomed_once() -> None:
    line = waiting_night()
    line.begin(at=1)
    line.reach(day(1.5))
    for number, zone in enumerate(("eu", "home", "asia", "eu")):
        line.locate(zone, 1 + EVENING + number * HOUR)
    assert texts(line.reach(day(1 + MORNING))) == ["Welcome to Europe: data cost ¥3.00 per MB."]


def lifetimes(line: Talking) -> dict[str, list[float]]:
    """By rule: the days at which its messages are not to be read any more."""
    found: dict[str, list[float]] = {}
    for one in reminders(line.effects):
        days = (one.expires_time - day(0)).total_seconds() / 86_400
        found.setdefault(one.rule, []).append(round(days, 4))
    return found


def test_a_question_is_not_read_after_its_deadline() -> None:
    line = Talking()
    line.begin()
    line.request("news", at=1)
    line.request("video", at=2)
    assert lifetimes(line)["ask-subscription"] == [round(1 + HOUR, 4), 3.0]


def test_what_is_announced_is_not_read_after_it_has_happened() -> None:
    line = Talking(rules(ttl_seconds=7 * 86_400))
    line.begin()
    line.top_up(at=3.5, pack="extra")
    line.reach(day(31))
    assert lifetimes(line) == {"pack": [7.5], "cycle": [31.0]}
    line = waiting_night(
        ('    days_before: 2\n    at: "10:00"', '    days_before: 1\n    at: "10:00"')
    )
    line.begin(at=1)
    line.subscribe("music", at=1.5, next_charge_time=day(10))
    line.reach(day(11))
    assert lifetimes(line)["charge-soon"] == [10.0]


def test_the_end_of_a_cycle_is_not_announced_when_it_is_there() -> None:
    """Held until the very instant at which the next cycle begins."""
    data = {
        "version": 1,
        "currency": "EUR",
        "default_locale": "en",
        "alerts": {"quiet_hours": {"start": "20:00", "end": "00:00"}},
        "plans": [{"id": "small", "allowances": [{"id": "data", "granted_bytes": 1000}]}],
        "rules": [
            {"id": "end", "kind": "before_cycle_end", "days_before": 1, "at": "23:00",
             "category": "end", "texts": {"en": "{remaining} will expire"}},
        ],
    }  # fmt: skip
    line = Talking(load_rulebook(json.dumps(data), "r.yaml"))
    line.begin("small")
    assert texts(line.reach(day(31.5))) == []
