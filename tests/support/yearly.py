"""A year of many subscribers: a rulebook with every schedule, and their events."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.rulebook import Rulebook

START = datetime(2028, 1, 1, tzinfo=UTC)
"""A leap year."""
START_MS = to_ms(START)
END_MS = to_ms(datetime(2029, 1, 1, tzinfo=UTC))
HOUR_MS = 3_600_000

ZONES = (
    *("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Pacific/Chatham", "Pacific/Norfolk"),
    *("Asia/Shanghai", "Asia/Tokyo", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran"),
    *("Asia/Dubai", "Asia/Kabul", "Asia/Yangon", "Asia/Jakarta", "Asia/Jerusalem"),
    *("Asia/Beirut", "Asia/Gaza", "Asia/Famagusta", "Africa/Cairo", "Africa/Casablanca"),
    *("Africa/El_Aaiun", "Africa/Lagos", "Africa/Nairobi", "Africa/Johannesburg"),
    *("Europe/London", "Europe/Dublin", "Europe/Berlin", "Europe/Athens", "Europe/Moscow"),
    *("Europe/Chisinau", "Atlantic/Azores", "America/Nuuk", "America/St_Johns"),
    *("America/Halifax", "America/New_York", "America/Chicago", "America/Denver"),
    *("America/Phoenix", "America/Los_Angeles", "America/Anchorage", "America/Adak"),
    *("Pacific/Honolulu", "America/Havana", "America/Port-au-Prince", "America/Caracas"),
    *("America/Sao_Paulo", "America/Santiago", "America/Punta_Arenas", "America/Asuncion"),
    *("Pacific/Easter", "Antarctica/Troll", "Australia/Lord_Howe", "Australia/Sydney"),
    *("Australia/Adelaide", "Australia/Darwin", "Australia/Eucla", "Pacific/Auckland"),
    *("Pacific/Apia", "Pacific/Tongatapu", "Pacific/Marquesas"),
)

RULES = """
version: 1
currency: CNY
default_locale: en
limits: {history_cycles: 3}
storms: {mandatory_window_seconds: 600, window_seconds: 5400}
plans:
  - {id: small, allowances: [{id: data-small, granted_bytes: 1000}]}
  - {id: large, allowances: [{id: data-large, granted_bytes: 5000}, {id: extra, granted_bytes: 70}]}
packs:
  - {id: day, granted_bytes: 100, validity_hours: 24}
  - {id: month, granted_bytes: 400, validity_hours: 720}
rules:
  - {id: low, kind: usage_percent, thresholds: [50, 100], category: balance, texts: {en: "{used}"}}
  - id: summary
    kind: usage_summary
    every: month_middle
    at: "02:30"
    category: summary
    texts: {en: "{used} {remaining}"}
  - id: second-summary
    kind: usage_summary
    every: month
    day: 31
    at: "09:00"
    plans: [large]
    category: summary
    texts: {en: "{used}"}
  - {id: on-request, kind: usage_summary, every: week, day: 3, at: "00:00", only_chosen: true,
     category: summary, texts: {en: "{used}"}}
  - {id: first-days, kind: cron, cron: "15 2 * * sun#1", plans: [small], category: summary,
     texts: {en: "{used}"}}
  - {id: quarter, kind: cron, cron: "30 8,20 l 3,6,9,12 *", segments: [vip, press],
     category: summary, texts: {en: "{used}"}}
  - {id: leap-day, kind: once, date: 2028-02-29, at: "12:00", category: summary,
     texts: {en: "{used}"}}
  - {id: dst-night, kind: once, date: 2028-03-26, at: "02:30", spread: false, category: summary,
     texts: {en: "{used}"}}
  - {id: cycle-end, kind: before_cycle_end, days_before: 2, at: "10:00", mandatory: true,
     category: law, texts: {en: "{remaining}"}}
  - {id: last-day, kind: usage_summary, every: cycle_end, at: "23:30", segments: [press],
     category: summary, texts: {en: "{remaining}"}}
  - {id: half-time, kind: usage_summary, every: cycle_middle, at: "00:00", plans: [large],
     category: half, texts: {en: "{remaining}"}}
  - {id: cycle-over, kind: cycle_end, category: bill, texts: {en: "{used} {remaining} {overage}"}}
  - {id: pack-ends, kind: before_expiry, days_before: 1, at: "10:00", category: pack,
     texts: {en: "{bucket}"}}
  - {id: pack-over, kind: expiry, category: pack, texts: {en: "{bucket}"}}
  - {id: first-days-over, kind: after_activation, hours_after: 72, category: welcome,
     texts: {en: "{used}"}}
"""


def rules() -> Rulebook:
    return load_rulebook(RULES, "year.yaml")


Entry = tuple[int, str, bytes]
"""Arrival in ms, subscriber, the event in JSON."""


def events(
    count: int, seed: int, quiet: tuple[tuple[int, int], ...] = (), first: int = 0
) -> Iterator[Entry]:
    """The year's events of this many subscribers in order of arrival; none in ``quiet`` spans.

    ``first`` is the number of the first subscriber.
    """
    chance = random.Random(seed)
    found: list[Entry] = []
    for number in range(first, first + count):
        subscriber = f"86138{number:08}"
        for index, (at_ms, fields) in enumerate(_life(chance, number)):
            if at_ms >= END_MS or any(begin <= at_ms < end for begin, end in quiet):
                continue
            when = (START + timedelta(milliseconds=at_ms - START_MS)).isoformat()
            common = {"id": f"{number}-{index}", "source": "crm", "subscriber": subscriber}
            event = {**fields, **common, "time": when}
            found.append((at_ms, subscriber, json.dumps(event).encode()))
    found.sort()
    yield from found


def _life(chance: random.Random, number: int) -> Iterator[tuple[int, dict[str, Any]]]:
    at_ms = START_MS + int(chance.random() ** 2 * 300 * DAY_MS)
    zone = ZONES[number % len(ZONES)]
    yield at_ms, _activation(chance, zone)
    for _ in range(chance.randrange(3, 9)):
        at_ms += int(chance.expovariate(1 / (30 * DAY_MS)))
        if chance.random() < 0.3:
            at_ms -= at_ms % HOUR_MS  # on the hour, as reminders are
        draw = chance.random()
        if draw < 0.4:
            used = chance.choice((10, 300, 600, 2000))
            yield at_ms, {"type": "usage.recorded", "total_bytes": used}
        elif draw < 0.55:
            yield at_ms, {"type": "account.topped_up", "pack": chance.choice(("day", "month"))}
        elif draw < 0.7:
            yield at_ms, _choice(chance)
        elif draw < 0.8:
            name = chance.choice(ZONES)
            yield at_ms, {"type": "account.profile_changed", "time_zone": name}
        elif draw < 0.85:
            segments = chance.choice(([], ["vip"], ["press", "other"]))
            yield at_ms, {"type": "account.profile_changed", "segments": segments}
        elif draw < 0.92:
            effective = chance.choice(("now", "next_cycle"))
            plan = chance.choice(("small", "large"))
            yield at_ms, {"type": "account.plan_changed", "plan": plan, "effective": effective}
        elif draw < 0.97:
            kind = chance.choice(("account.opted_out", "account.opted_in"))
            category = chance.choice(("summary", "bill", "law", "pack"))
            yield at_ms, {"type": kind, "category": category}
        else:
            yield at_ms, {"type": "account.closed"}
            at_ms += chance.randrange(10 * DAY_MS)
            yield at_ms, _activation(chance, chance.choice(ZONES))


def _activation(chance: random.Random, zone: str) -> dict[str, Any]:
    return {
        "type": "account.activated",
        "plan": chance.choice(("small", "large")),
        "time_zone": zone,
        "billing_anchor_day": chance.choice((1, 15, 28, 29, 30, 31, chance.randrange(1, 32))),
    }


def _choice(chance: random.Random) -> dict[str, Any]:
    everys = ("week", "month", "month_start", "month_end", "cycle_start", "off", "default")
    at = chance.choice(("00:00", "01:30", "02:30", "12:00", "23:59", "default"))
    return {
        "type": "account.preferences_set",
        "summary_every": chance.choice(everys),
        "summary_at": at,
    }
