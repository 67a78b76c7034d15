"""Long histories from a seed, as JSON-ready events: mostly usage, everything else in between."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from streamproc.core.instants import DAY_MS
from tests.property.rulebooks import HOUR_MS, PACKS, PLANS

ZONES = (
    "UTC",
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/Havana",
    "America/Santiago",
    "Australia/Lord_Howe",
)
GARBAGE: tuple[bytes | None, ...] = (
    None,
    b"",
    b"{",
    b"[1]",
    b'{"type":"usage.recorded","total_bytes":"1"}',
    b"\xff",
)

Entry = tuple[int, dict[str, Any] | bytes | None]
"""Record timestamp and an event (instants in milliseconds), or bytes that are none."""


def walk(
    seed: int,
    start_ms: int,
    count: int,
    names: tuple[str, ...],
    step_ms: int = HOUR_MS,
    ahead: float = 0.03,
) -> Iterator[Entry]:
    """``count`` records, ``step_ms`` apart on average, in order of arrival but for timestamps.

    Record timestamps run backwards at times, as those of several producers do. A share of the
    events (``ahead``) bears a time up to some minutes after its arrival.
    """
    chance = random.Random(seed)
    now_ms = start_ms
    sent: list[dict[str, Any]] = []
    for number in range(count):
        now_ms += int(chance.expovariate(1 / step_ms))
        if chance.random() < 0.002:
            now_ms += chance.randrange(20 * DAY_MS)
        stamp_ms = now_ms - (chance.randrange(HOUR_MS) if chance.random() < 0.05 else 0)
        draw = chance.random()
        if draw < 0.01:
            yield stamp_ms, chance.choice(GARBAGE)
            continue
        if draw < 0.06 and sent:
            yield stamp_ms, chance.choice(sent[-40:])
            continue
        event = _event(chance, now_ms, draw, number < 2 * len(names))
        event = {
            "id": f"{seed}-{number}",
            "source": "walk",
            "subscriber": names[number % len(names)]
            if number < len(names)
            else _pick(chance, names),
            "time": now_ms - _lateness_ms(chance, ahead),
            **event,
        }
        sent.append(event)
        yield stamp_ms, event


def _pick(chance: random.Random, names: tuple[str, ...]) -> str:
    return names[min(int(chance.expovariate(1.0)), len(names) - 1)]


def _lateness_ms(chance: random.Random, ahead: float) -> int:
    draw = chance.random()
    if draw < 0.7 - max(ahead - 0.03, 0):
        return 0
    if draw < 0.73:
        return -chance.randrange(6 * 60_000)
    return int(chance.expovariate(1 / chance.choice([60_000, HOUR_MS, DAY_MS, 8 * DAY_MS])))


def _choice(chance: random.Random) -> dict[str, Any]:
    """Where and how the subscriber wants to be told."""
    draw = chance.random()
    if draw < 0.4:
        return {"type": "account.profile_changed", "time_zone": chance.choice(ZONES)}
    if draw < 0.6:
        return {"type": "account.profile_changed", "segments": chance.sample("abc", 2)}
    every = chance.choice(("day", "week", "month_end", "cycle_start", "off", "default", "default"))
    at = chance.choice(("00:00", "02:30", "23:59", "default"))
    return {"type": "account.preferences_set", "summary_every": every, "summary_at": at}


def _event(chance: random.Random, now_ms: int, draw: float, is_first: bool) -> dict[str, Any]:
    if is_first or draw > 0.985:
        return {
            "type": "account.activated",
            "plan": chance.choice(PLANS).id,
            "time_zone": chance.choice(ZONES),
            "billing_anchor_day": chance.randrange(1, 32),
        }
    if draw > 0.98:
        return {"type": "account.closed"}
    if draw > 0.96:
        effective = chance.choice(("now", "next_cycle"))
        plan = chance.choice(PLANS).id
        return {"type": "account.plan_changed", "plan": plan, "effective": effective}
    if draw > 0.945:
        kind = chance.choice(("account.opted_out", "account.opted_in"))
        return {"type": kind, "category": chance.choice(("balance", "summary", "law", "end"))}
    if draw > 0.935:
        return _choice(chance)
    if draw > 0.90:
        if chance.random() < 0.6:
            return {"type": "account.topped_up", "pack": chance.choice(PACKS).id}
        event = {"type": "account.topped_up", "granted_bytes": chance.randrange(1, 600)}
        if chance.random() < 0.5:
            days = chance.choice((-1, 0, 1, 2, 3, chance.randrange(30)))
            event["expires_time"] = (now_ms // DAY_MS + days) * DAY_MS
        return event
    return {
        "type": "usage.recorded",
        "total_bytes": chance.choice((chance.randrange(60), chance.randrange(300), 0)),
        "rating_group": chance.choice((10, 20)),
        "roaming_zone": chance.choice(("home", "home", "eu")),
    }
