"""Ends of packs while subscribers change their quiet hours and zones: each is reported once."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import HOUR_MS, to_ms
from streamproc.core.state.effects import Reminder
from tests.property.budget import budget
from tests.property.world import World
from tests.support.line import day

NAME = "861380000001"
RULES = load_rulebook(
    """
version: 1
currency: EUR
default_locale: en
commands: {max_replies: 50}
plans:
  - {id: basic, allowances: [{id: data, granted_bytes: 1000}]}
packs:
  - {id: day, granted_bytes: 100, validity_hours: 24}
  - {id: three, granted_bytes: 100, validity_hours: 72}
rules:
  - {id: ends, kind: expiry, hours_before: 3, not_between: {start: "22:00", end: "07:00"},
     category: c, texts: {en: "{bucket} {expires}"}}
  - {id: soon, kind: expiry, hours_before: 12, not_between: {start: "12:00", end: "14:00"},
     category: c, texts: {en: "{bucket} {expires}"}}
""",
    "r.yaml",
)
HOURS = ("OFF", "DEFAULT", "20:00-11:00", "8:00-11:00", "22:00-6:00", "0:00-23:59", "13:00-19:00")
ZONES = ("Europe/Berlin", "Asia/Shanghai", "America/New_York")
OF_WARNING = {"ends": 3, "soon": 12}


def lived(seed: int, has_moves: bool) -> World:
    """A life, compared with the oracle after each event."""
    chance = random.Random(seed)
    world = World(RULES, to_ms(day(80)))  # clocks change in Berlin and New York

    def send(kind: str, **fields: object) -> None:
        number = len(world.records)
        known = {"id": f"e{number}", "source": "s", "subscriber": NAME, "time": world.clock_ms}
        world.send({"type": kind, **known, **fields})

    zone = chance.choice(ZONES)
    send("account.activated", plan="basic", time_zone=zone, billing_anchor_day=1)
    for _ in range(chance.randrange(5, 40)):
        world.clock_ms += int(chance.expovariate(1 / (5 * HOUR_MS)))
        draw = chance.random()
        if draw < 0.3:
            send("account.topped_up", pack=chance.choice(("day", "three")))
        elif draw < 0.75:
            send("sms.received", text=f"QUIET {chance.choice(HOURS)}")
        elif draw < 0.85 and has_moves:
            send("account.profile_changed", time_zone=chance.choice(ZONES))
        else:
            send("usage.recorded", total_bytes=chance.choice((1, 50)))
    world.clock_ms += 100 * HOUR_MS
    world.finish()
    return world


@budget(25)
@given(seed=st.integers(0, 10**6), has_moves=st.booleans())
def test_each_end_is_reported_once_at_most(seed: int, has_moves: bool) -> None:
    said = Counter(
        (one.rule, one.buckets[0].id)
        for one in lived(seed, has_moves).effects[NAME]
        if isinstance(one, Reminder) and one.rule in OF_WARNING
    )
    assert not [one for one, times in said.items() if times > 1]
