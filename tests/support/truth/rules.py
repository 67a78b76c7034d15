"""Generates rules from a seed, as the data of a rules file, with small numbers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from tests.support.everything import MORE

HOUR = 3600
UNIT = 1_000_000
"""All sizes are in megabytes, because texts show those exactly."""
_SIZES = ("granted_bytes", "max_bytes", "after_bytes", "from_bytes", "step_bytes", "min_bytes")
_PRICE_UNITS = ("overage_unit_bytes", "unit_bytes")
_OF_BYTES = ("remaining_bytes", "used_bytes", "velocity")
KINDS = ("allowance", "pack", "topup", "rollover", "unlimited", "member")
_LEVELS = ("usage_percent", "remaining_percent", "remaining_bytes", "used_bytes")
_COSTING = ("spend_amount", "spend_percent", "overage_started")
_KINDS_OF = {
    "before_cycle_end": ("allowance", "pack", "topup", "rollover", "unlimited"),
    "before_expiry": ("pack", "topup", "rollover"),
    "expiry": ("pack", "topup", "rollover"),
}
_CHOOSING = (*_LEVELS, *_KINDS_OF)
_SCHEDULED = (*_KINDS_OF, "usage_summary", "cron", "once", "cycle_end", "after_activation")
_USAGE_KINDS = (
    *("usage_percent", "usage_percent", "remaining_bytes", "remaining_percent", "used_bytes"),
)
_WATCH_KINDS = (
    *("spend_amount", "spend_percent", "overage_started", "overage_started", "every_bytes"),
    *("velocity", "anomaly", "zero_balance", "access_limited"),
)
_TIMED_KINDS = (
    *("usage_summary", "usage_summary", "cron", "once", "before_cycle_end", "before_cycle_end"),
    *("cycle_end", "before_expiry", "before_expiry", "expiry", "after_activation"),
)
MADE_KINDS = frozenset(
    (
        *(*_USAGE_KINDS, *_WATCH_KINDS, *_TIMED_KINDS),
        *("forecast", "inactivity", "resolved", "usage_corrected"),
    )
)
"""The kinds for which this module makes random rules. Rules of other kinds come from the large
workload (``tests/support/everything.py``)."""
_AT_ONCE = ("subscription_question", "charge_question", "roaming_welcome")
"""Kinds of notices that are sent in quiet hours unless the rules say otherwise."""
ROAMING = ["eu", "asia"]

PLANS: list[dict[str, Any]] = [
    {"id": "one", "price_minor": 900, "overage_price_minor": 4, "overage_unit_bytes": 100,
     "names": {"en": "Plan One", "pl": "Plan Jeden"},
     "allowances": [{"id": "data", "granted_bytes": 1000,
                     "names": {"en": "Data", "zh-CN": "流量", "ar": "بيانات"}}]},
    {"id": "duo", "price_minor": 1500, "overage_price_minor": 3, "overage_unit_bytes": 50,
     "overage_tiers": [{"from_bytes": 300, "price_minor": 1, "unit_bytes": 50}],
     "allowances": [{"id": "data", "granted_bytes": 900},
                    {"id": "films", "granted_bytes": 300, "priority": 40, "rating_groups": [20]}]},
    {"id": "endless", "price_minor": 4000,
     "allowances": [{"id": "all", "unlimited": True},
                    {"id": "abroad", "granted_bytes": 400, "priority": 40,
                     "roaming_zones": ROAMING}],
     "policies": [{"id": "fair", "when": "fair_use", "after_bytes": 2000, "state": "throttled",
                   "throttle_kbps": 512}]},
    {"id": "stream", "overage_price_minor": 2, "overage_unit_bytes": 10, "price_minor": 1000,
     "allowances": [{"id": "films", "unlimited": True, "rating_groups": [20], "priority": 40},
                    {"id": "data", "granted_bytes": 800}]},
    {"id": "roll", "overage_price_minor": 1, "overage_unit_bytes": 20, "cost_cap_minor": 30,
     "allowances": [{"id": "data", "granted_bytes": 600,
                     "rollover": {"max_bytes": 400, "cycles": 2, "used": "last"}},
                    {"id": "night", "granted_bytes": 200, "hours": ["23:00-07:00"],
                     "rollover": {"max_bytes": 50, "used": "first"}}],
     "tariffs": [{"id": "roaming", "roaming_zones": ROAMING, "overage_price_minor": 7,
                  "overage_unit_bytes": 10, "cost_cap_minor": 50}],
     "policies": [{"id": "stop", "when": "cost_cap", "tariff": "roaming", "state": "barred"},
                  {"id": "kids", "when": "member_cap", "state": "throttled",
                   "throttle_kbps": 32}]},
    {"id": "none", "allowances": [], "overage_price_minor": 3, "overage_unit_bytes": 7},
    {"id": "hard", "allowances": [{"id": "small", "granted_bytes": 150}],
     "policies": [{"id": "end", "when": "nothing_left", "state": "barred"}]},
    {"id": "family", "overage_price_minor": 5, "overage_unit_bytes": 100, "price_minor": 5000,
     "allowances": [{"id": "shared", "granted_bytes": 3000, "roaming_zones": ["home"]}],
     "tariffs": [{"id": "roaming", "roaming_zones": ROAMING, "overage_price_minor": 9,
                  "overage_unit_bytes": 10}]},
]  # fmt: skip
PACKS: list[dict[str, Any]] = [
    {"id": "hour", "granted_bytes": 50, "validity_hours": 1, "price_minor": 100},
    {"id": "day", "granted_bytes": 200, "validity_hours": 24, "price_minor": 300,
     "names": {"en": "Day pack", "ru": "Пакет на день"}},
    {"id": "week", "granted_bytes": 300, "validity_hours": 168, "priority": 20},
    {"id": "long", "granted_bytes": 400, "validity_hours": 1440, "priority": 70},
    {"id": "trip", "granted_bytes": 150, "validity_hours": 168, "priority": 5,
     "roaming_zones": ["eu"]},
    {"id": "clips", "granted_bytes": 99, "validity_hours": 72, "rating_groups": [20]},
    {"id": "dark", "granted_bytes": 120, "validity_hours": 240, "hours": ["22:00-06:00"]},
]  # fmt: skip
BUCKETS = ("data", "films", "all", "abroad", "night", "small", "shared", "day", "week", "trip")
SERVICES: list[dict[str, Any]] = [
    {"id": "video", "names": {"en": "Video VIP", "zh-CN": "视频会员"}, "price_minor": 1500},
    {"id": "music", "names": {"en": "Music"}, "price_minor": 800, "confirm_charge": False},
    {"id": "news", "price_minor": 300, "answer_seconds": 3600, "wrong_charge_refund_percent": 100},
]  # fmt: skip
ZONES: list[dict[str, Any]] = [
    {"id": "eu", "names": {"en": "Europe", "zh-CN": "欧洲"}, "price_minor": 70, "unit_bytes": 10},
    {"id": "asia", "price_minor": 90, "unit_bytes": 10},
]
NOTICES: list[dict[str, Any]] = [
    {"id": "welcome", "kind": "activation_welcome", "category": "service"},
    {"id": "ask-subscription", "kind": "subscription_question", "category": "service",
     "mandatory": True},
    {"id": "ask-charge", "kind": "charge_question", "category": "service", "mandatory": True},
    {"id": "charge-soon", "kind": "before_charge", "category": "service", "days_before": 2,
     "at": "10:00"},
    {"id": "charged", "kind": "service_charged", "category": "service"},
    {"id": "wrong", "kind": "charged_in_error", "category": "service", "mandatory": True},
    {"id": "refunded", "kind": "service_refunded", "category": "service"},
    {"id": "roaming", "kind": "roaming_welcome", "category": "service"},
    {"id": "advice", "kind": "plan_advice", "category": "summary", "days_after": 1, "at": "10:00",
     "cycles": 1, "saving_minor": 5},
]  # fmt: skip


def rules_data(seed: int) -> dict[str, Any]:
    """A complete rules file, without its texts."""
    found: dict[str, Any] = _small_rules(seed)
    _narrow(random.Random(f"more rules {seed}"), found)
    for rule in found["rules"]:
        levels, margin = rule.get("thresholds") or [100], rule.get("hysteresis", 0)
        if not margin < min(levels) <= max(levels) < 100 - margin:
            rule.pop("hysteresis", None)
    data: dict[str, Any] = _in_bytes(found)
    data["rules"] += [
        {**one, **_spoken(random.Random(f"other kinds {seed}"))}
        for one in MORE
        if one["kind"] not in MADE_KINDS
    ]
    return data


def _in_bytes(value: Any) -> Any:
    """The same with bytes instead of megabytes."""
    if isinstance(value, list):
        return [_in_bytes(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {
        name: one * UNIT if name in (*_SIZES, *_PRICE_UNITS) else _in_bytes(one)
        for name, one in value.items()
    }
    if found.get("kind") in _OF_BYTES:
        found["thresholds"] = [one * UNIT for one in found["thresholds"]]
    return found


CURRENCIES = ("EUR", "EUR", "USD", "CNY", "JPY", "KWD")
"""With two decimals, none and three."""


def _small_rules(seed: int) -> dict[str, Any]:
    chance = random.Random(f"rules {seed}")
    usage = [_usage(chance, f"usage-{n}") for n in range(chance.randrange(2, 8))]
    watch = [_watch(chance, f"watch-{n}") for n in range(chance.randrange(1, 6))]
    followed = [one["id"] for one in (*usage, *watch) if one["kind"] != "every_bytes"]
    others = [_timed(chance, f"timed-{n}") for n in range(chance.randrange(3, 9))]
    others += [_check(chance, f"check-{n}") for n in range(chance.randrange(0, 2))]
    for number in range(chance.randrange(0, 3)):
        of = sorted(chance.sample(followed, min(len(followed), chance.randrange(1, 3))))
        others.append({"id": f"over-{number}", "kind": "resolved", "of": of, **_spoken(chance)})
    if chance.random() < 0.6:
        when = chance.choice(("uncrossed", "always"))
        others.append({"id": "sorry", "kind": "usage_corrected", "when": when, **_spoken(chance)})
    return {
        "version": 1,
        "currency": random.Random(f"currency {seed}").choice(CURRENCIES),
        "default_locale": "en",
        "topup_names": {"en": "Top-up", "zh-CN": "充值", "zh-TW": "儲值"},
        "limits": {"hold_max_events": 3, "history_cycles": 3},
        "alerts": _alerts(chance),
        "plans": PLANS,
        "packs": PACKS,
        "services": SERVICES,
        "roaming_zones": ZONES,
        "notices": NOTICES if chance.random() < 0.7 else NOTICES[:3],
        "rules": [*usage, *watch, *others],
        "commands": {"max_replies": 50},
    }


def _narrow(chance: random.Random, data: dict[str, Any]) -> None:
    """Limit rules to some buckets, tariffs, plans and times; let notices wait for the day."""
    for rule in data["rules"]:
        kind = rule["kind"]
        if kind in _CHOOSING and chance.random() < 0.3:
            _choose_buckets(chance, rule)
        if kind in _COSTING and chance.random() < 0.3:
            rule["tariff"] = "roaming"
            if chance.random() < 0.7:
                rule.pop("cap_minor", None)
        if kind in _SCHEDULED and chance.random() < 0.15:
            rule["plans"] = sorted(chance.sample([one["id"] for one in PLANS], 4))
        if chance.random() < 0.08:
            begin, end = sorted(chance.sample(range(6, 29), 2))
            rule["valid_from"] = f"2026-01-{begin:02}T10:00:00Z"
            rule["valid_until"] = f"2026-01-{end:02}T16:30:00Z"
            if kind in (*_LEVELS, *_COSTING) and chance.random() < 0.5:
                rule["evaluate_on_create"] = True
    is_calm = chance.random() < 0.5
    data["notices"] = [
        {**one, "in_quiet_hours": "hold"} if is_calm and one["kind"] in _AT_ONCE else one
        for one in data["notices"]
    ]


def _choose_buckets(chance: random.Random, rule: dict[str, Any]) -> None:
    kinds = _KINDS_OF.get(rule["kind"])
    if kinds is not None and chance.random() < 0.5:
        rule["bucket_kinds"] = sorted(chance.sample(kinds, chance.randrange(1, len(kinds))))
        return
    rule["buckets"] = sorted(chance.sample(BUCKETS, chance.randrange(1, 6)))


def _alerts(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if chance.random() < 0.5:
        start, end = chance.choice((("22:00", "07:00"), ("00:00", "06:30"), ("13:00", "14:00")))
        found["quiet_hours"] = {"start": start, "end": end}
    if chance.random() < 0.4:
        found["caps"] = [
            {"messages": chance.randrange(1, 4), "window_hours": chance.choice((1, 12, 24))}
        ]
    return found


def _spoken(chance: random.Random) -> dict[str, Any]:
    """Category, urgency, and settings that can hold the message."""
    found: dict[str, Any] = {
        "category": chance.choice(("balance", "balance", "summary", "law")),
        "mandatory": chance.random() < 0.3,
        "priority": chance.randrange(1, 9),
        "severity": chance.choice(("info", "warning", "critical")),
    }
    if chance.random() < 0.4:
        found["audience"] = chance.choice(("account_holder", "both"))
    if chance.random() < 0.3:
        found["in_quiet_hours"] = "send"
    if chance.random() < 0.2:
        found["cool_down_seconds"] = chance.choice((HOUR, 12 * HOUR))
    if chance.random() < 0.2:
        found["coalesce_seconds"] = chance.choice((60, 4 * HOUR))
    if chance.random() < 0.3:
        found["group"] = chance.choice(("one", "two"))
    return found


def _reaching(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if chance.random() < 0.15:
        found["for_count"] = 2
    if chance.random() < 0.2:
        found["hysteresis"] = chance.randrange(1, 20)
    return found


def _levels(chance: random.Random, most: int, least: int = 1) -> list[int]:
    return sorted({chance.randrange(least, most) for _ in range(chance.randrange(1, 4))})


def _usage(chance: random.Random, name: str) -> dict[str, Any]:
    kind = chance.choice(_USAGE_KINDS)
    levels = {
        "usage_percent": [50, 80, 100] if chance.random() < 0.6 else _levels(chance, 101),
        "remaining_percent": _levels(chance, 99, 0),
        "remaining_bytes": sorted({0, *_levels(chance, 300)}),
        "used_bytes": _levels(chance, 900),
    }[kind]
    kinds = KINDS if chance.random() < 0.6 else chance.sample(KINDS, 3)
    return {
        "id": name,
        "kind": kind,
        "thresholds": levels,
        "bucket_kinds": sorted(kinds),
        **_spoken(chance),
        **_reaching(chance),
    }


def _watch(chance: random.Random, name: str) -> dict[str, Any]:
    kind = chance.choice(_WATCH_KINDS)
    found: dict[str, Any] = {"id": name, "kind": kind, **_spoken(chance)}
    if kind == "every_bytes":
        of = chance.choice(("usage", "overage"))
        return {**found, "step_bytes": chance.randrange(20, 300), "of": of}
    found |= _reaching(chance)
    if kind == "spend_amount":
        found["thresholds"] = _levels(chance, 60)
    elif kind == "spend_percent":
        found |= {"thresholds": [80, 100], "cap_minor": chance.randrange(5, 60)}
    elif kind == "access_limited":
        names = ["fair", "stop", "end"]
        found["policies"] = sorted(chance.sample(names, chance.randrange(1, 4)))
    elif kind == "velocity":
        found |= {"thresholds": _levels(chance, 400), "window_seconds": 12 * HOUR}
    elif kind == "anomaly":
        found |= {"thresholds": _levels(chance, 300, 20), "cycles": 1}
        found.pop("hysteresis", None)
    return found


def _timed(chance: random.Random, name: str) -> dict[str, Any]:
    kind = chance.choice(_TIMED_KINDS)
    at = chance.choice(("00:00", "02:30", "09:00", "10:00", "23:00", "23:59"))
    found: dict[str, Any] = {"id": name, "kind": kind, **_spoken(chance)}
    if kind == "usage_summary":
        every = chance.choice(
            ("day", "week", "month", "month_end", "cycle_start", "cycle_middle", "cycle_end")
        )
        return {**found, "at": at, "every": every, "only_chosen": chance.random() < 0.1}
    if kind == "cron":
        return {**found, "cron": chance.choice(("30 2 * * *", "15 9-17/4 * * mon-fri"))}
    if kind == "once":
        return {**found, "at": at, "date": "2026-01-20"}
    if kind == "before_cycle_end":
        return {**found, "at": at, "days_before": chance.choice((1, 3, 5))}
    if kind == "before_expiry":
        return {**found, "at": at, "days_before": chance.choice((0, 1, 2))}
    if kind == "expiry":
        hours = chance.choice((0, 0, 3))
        night = {"start": "22:00", "end": chance.choice(("08:00", "12:00"))}
        own = {"not_between": night} if hours and chance.random() < 0.5 else {}
        return {**found, "hours_before": hours, **own}
    if kind == "after_activation":
        return {**found, "hours_after": chance.choice((1, 24, 50))}
    return found


def _check(chance: random.Random, name: str) -> dict[str, Any]:
    if chance.random() < 0.6:
        found = {"id": name, "kind": "forecast", "at": "10:00", "silent_hours": 48}
    else:
        found = {"id": name, "kind": "inactivity", "at": "11:00", "days": 2}
    return {**found, **_spoken(chance)}


def names_of_plans(data: Mapping[str, Any]) -> list[str]:
    return [one["id"] for one in data["plans"]]
