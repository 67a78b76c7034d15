"""What a message says that had to wait is true when it is said."""

from __future__ import annotations

import json

import pytest

from streamproc.contracts.rulesfile import load_rulebook
from streamproc.core.rulebook import Rulebook
from tests.support.line import day, reminders
from tests.support.rules import edited
from tests.support.talking import RULES, Talking

NIGHT = {"quiet_hours": {"start": "22:00", "end": "07:00"}}
ENDS = [
    {"id": "cycle", "kind": "before_cycle_end", "days_before": 3, "at": "23:00",
     "category": "end", "texts": {"en": "{days} days"}},
    {"id": "pack", "kind": "before_expiry", "days_before": 2, "at": "23:00",
     "category": "end", "texts": {"en": "pack {days}"}},
]  # fmt: skip


def rules() -> Rulebook:
    data = {
        "version": 1,
        "currency": "EUR",
        "default_locale": "en",
        "alerts": NIGHT,
        "plans": [{"id": "small", "allowances": [{"id": "data", "granted_bytes": 1000}]}],
        "packs": [{"id": "extra", "granted_bytes": 50, "validity_hours": 96}],
        "rules": ENDS,
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
