"""Lives: events of one subscriber, its members, billing and the network, made from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.truth.probes import ALL_LOCALES

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START_MS = 1_767_571_200_000
"""2026-01-05T00:00Z, a Monday."""
SUBSCRIBER = "861380000001"
MEMBERS = ("861380000011", "861380000012", "861380000013")
TIME_ZONES = ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Pacific/Honolulu")
CATEGORIES = ("balance", "summary", "law", "service")

Entry = tuple[int, dict[str, Any]]
"""Arrival and an event; instants in milliseconds."""


@dataclass(frozen=True)
class Habits:
    """The parameters of a life, and the names of the rules that it can use."""

    plans: tuple[str, ...]
    packs: tuple[str, ...]
    services: tuple[str, ...] = ()
    zones: tuple[str, ...] = ("eu", "asia")
    tariffs: tuple[str, ...] = ("",)
    categories: tuple[str, ...] = CATEGORIES
    locales: tuple[str, ...] = ALL_LOCALES
    unit_bytes: int = 1
    """Unit of usage: lives under packaged rules use megabytes."""
    most_units: int = 250

    @classmethod
    def of(cls, data: Mapping[str, Any], **fields: Any) -> Habits:
        """For the data of a rules file."""
        tariffs = {one["id"] for plan in data["plans"] for one in plan.get("tariffs", ())}
        spoken = [*data["rules"], *data.get("notices", ())]
        return cls(
            tuple(one["id"] for one in data["plans"]),
            tuple(one["id"] for one in data.get("packs", ())),
            tuple(one["id"] for one in data.get("services", ())),
            tuple(one["id"] for one in data.get("roaming_zones", ())) or ("eu",),
            ("", *sorted(tariffs)),
            tuple(dict.fromkeys(one["category"] for one in spoken)),
            **fields,
        )


class _Life:
    def __init__(self, seed: int, habits: Habits) -> None:
        self.chance = random.Random(f"life {seed}")
        self.seed = seed
        self.habits = habits
        self.serial = 0
        self.now_ms = START_MS + self.chance.randrange(3 * DAY)
        self.used: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.is_pool = self.chance.random() < 0.4

    def event(self, kind: str, lateness_ms: int = 0, **fields: Any) -> Entry:
        self.serial += 1
        return self.now_ms, {
            "id": f"e{self.serial}",
            "source": "life",
            "subscriber": SUBSCRIBER,
            "time": self.now_ms - lateness_ms,
            "type": kind,
            **fields,
        }

    def begin(self) -> Entry:
        chance, habits = self.chance, self.habits
        return self.event(
            "account.activated",
            plan=chance.choice(habits.plans),
            time_zone=chance.choice(TIME_ZONES),
            billing_anchor_day=chance.randrange(1, 32),
            locale=chance.choice(habits.locales),
            services=[one for one in habits.services if chance.random() < 0.3],
        )

    def lateness_ms(self) -> int:
        chance = self.chance
        draw = chance.random()
        if draw < 0.85:
            return 0
        if draw < 0.88:
            return -chance.randrange(5 * MINUTE)
        return int(chance.expovariate(1 / chance.choice((5 * MINUTE, HOUR, DAY))))

    def pause(self) -> None:
        chance = self.chance
        draw = chance.random()
        if draw < 0.3:
            self.now_ms += chance.randrange(10 * MINUTE)
        elif draw < 0.97:
            self.now_ms += int(chance.expovariate(1 / (5 * HOUR)))
        else:
            self.now_ms += chance.randrange(9 * DAY)

    def next(self) -> Iterator[Entry]:
        draw = self.chance.random()
        for share, make in _SHARES:
            draw -= share
            if draw < 0:
                yield from make(self)
                return
        yield self.usage()

    def usage(self) -> Entry:
        chance, habits = self.chance, self.habits
        units = chance.choice((chance.randrange(60), chance.randrange(habits.most_units), 1))
        if chance.random() < 0.03:
            units = habits.most_units * chance.randrange(1, 9)
        zone = chance.choice(("home",) * 5 + habits.zones)
        fields: dict[str, Any] = {
            "total_bytes": units * habits.unit_bytes - self.odd_bytes(units),
            "rating_group": chance.choice((10, 10, 10, 20)),
            "roaming_zone": zone,
        }
        if self.is_pool and chance.random() < 0.7:
            fields["member"] = chance.choice((*MEMBERS, *MEMBERS[:1], "stranger"))
        found = self.event("usage.recorded", self.lateness_ms(), **fields)
        self.used = [*self.used[-15:], found[1]]
        return found

    def odd_bytes(self, units: int) -> int:
        """What some usage lacks of whole units, so that less than a unit is left of a bucket."""
        chance = random.Random(f"odd {self.seed} {self.serial}")
        if not units or chance.random() < 0.7:
            return 0
        return chance.choice((1, chance.randrange(self.habits.unit_bytes)))

    def burst(self) -> Iterator[Entry]:
        """Many small events: several buckets and members reach thresholds while all messages
        wait."""
        for _ in range(self.chance.randrange(3, 12)):
            self.now_ms += self.chance.randrange(20 * MINUTE)
            yield self.usage()

    def top_up(self) -> Iterator[Entry]:
        chance, habits = self.chance, self.habits
        for _ in range(chance.choice((1, 1, 2))):
            if habits.packs and chance.random() < 0.7:
                yield self.event("account.topped_up", pack=chance.choice(habits.packs))
                continue
            fields: dict[str, Any] = {
                "granted_bytes": chance.randrange(1, 2 * habits.most_units) * habits.unit_bytes
            }
            if chance.random() < 0.5:
                days = chance.choice((1, 2, chance.randrange(1, 70)))
                fields["expires_time"] = (self.now_ms // DAY + days) * DAY
            yield self.event("account.topped_up", **fields)

    def change_plan(self) -> Iterator[Entry]:
        chance = self.chance
        yield self.event(
            "account.plan_changed",
            plan=chance.choice(self.habits.plans),
            effective=chance.choice(("now", "now", "next_cycle")),
            prorated=chance.random() < 0.4,
        )

    def refund(self) -> Iterator[Entry]:
        chance = self.chance
        fields: dict[str, Any] = {
            "refunded_bytes": chance.randrange(1, self.habits.most_units) * self.habits.unit_bytes,
            "rating_group": chance.choice((10, 20)),
            "roaming_zone": "home",
        }
        if self.used and chance.random() < 0.7:
            bad = chance.choice(self.used)
            fields |= {
                "refunded_bytes": max(bad["total_bytes"], 1),
                "rating_group": bad["rating_group"],
                "roaming_zone": bad["roaming_zone"],
                "of_source": bad["source"],
                "of_id": bad["id"],
                "time": bad["time"],
            }
            if "member" in bad:
                fields["member"] = bad["member"]
        if chance.random() < 0.2:
            fields["notify"] = False
        yield self.event("usage.refunded", **fields)

    def pool(self) -> Iterator[Entry]:
        chance = self.chance
        if not self.is_pool:
            return
        if chance.random() < 0.3:
            yield self.event("account.member_left", member=chance.choice(MEMBERS))
            return
        fields: dict[str, Any] = {
            "member": chance.choice(MEMBERS),
            "role": chance.choice(("owner", "member", "member")),
        }
        if chance.random() < 0.7:
            fields["cap_bytes"] = chance.choice((100, 250, 900)) * self.habits.unit_bytes
        yield self.event("account.member_joined", **fields)

    def choose(self) -> Iterator[Entry]:
        chance = self.chance
        draw = chance.random()
        if draw < 0.35:
            yield self.event("account.profile_changed", time_zone=chance.choice(TIME_ZONES))
        elif draw < 0.5:
            locale = chance.choice(self.habits.locales)
            yield self.event("account.profile_changed", locale=locale)
        elif draw < 0.7:
            kind = chance.choice(("account.opted_out", "account.opted_in", "account.opted_in"))
            yield self.event(kind, category=chance.choice(self.habits.categories))
        elif draw < 0.85:
            some = sorted({chance.randrange(1, 101) for _ in range(chance.randrange(3))})
            yield self.event("account.preferences_set", own_percents=some)
        else:
            every = chance.choice(("day", "week", "month_end", "off", "default", "default"))
            yield self.event("account.preferences_set", summary_every=every)

    def text(self) -> Iterator[Entry]:
        chance = self.chance
        word = chance.choice(
            ("DATA", "DATA", "BALANCE", "0000", "CXLL", "YE", "QUIET", "QUIET 22:00-7:00",
             "QUIET OFF", "QUIET DEFAULT", "ALERT", "ALERT 40 90", "ALERT DEFAULT", "SCHEDULE",
             "SCHEDULE DAILY 8:30", "SCHEDULE OFF", "SCHEDULE DEFAULT", "STOP", "START", "START",
             "START", "HELP", "UNSUB", "UNSUB 1", "UNSUB ALL", "YES", "NO", "Y 1", "N 2", "hello",
             "STOP.", "td。", "0000!", "“退订”", "START ☺")
        )  # fmt: skip
        if chance.random() < 0.1:
            word = f"{chance.choice(('STOP', 'START'))} {chance.choice(self.habits.categories)}"
        yield self.event("sms.received", text=word)

    def service(self) -> Iterator[Entry]:
        chance, habits = self.chance, self.habits
        if not habits.services:
            return
        name, draw = chance.choice(habits.services), chance.random()
        if draw < 0.25:
            next_ms = self.now_ms + chance.randrange(1, 40) * DAY
            yield self.event("service.subscribed", service=name, next_charge_time=next_ms)
        elif draw < 0.45:
            yield self.event("service.requested", service=name)
        elif draw < 0.65:
            amount = chance.choice((100, 300, 1500))
            found = self.event("service.charge_requested", service=name, amount_minor=amount)
            self.asked = [*self.asked[-5:], found[1]]
            yield found
        elif draw < 0.85:
            fields: dict[str, Any] = {"amount_minor": chance.choice((100, 300, 800))}
            if self.asked and chance.random() < 0.6:
                one = chance.choice(self.asked)
                name = one["service"]
                fields = {"amount_minor": one["amount_minor"], "request_id": one["id"]}
            yield self.event("service.charged", service=name, **fields)
        elif draw < 0.95:
            amount = chance.choice((200, 600))
            fields = {"charged_minor": amount // 2} if chance.random() < 0.7 else {}
            yield self.event("service.refunded", service=name, amount_minor=amount, **fields)
        else:
            yield self.event("service.unsubscribed", service=name)

    def travel(self) -> Iterator[Entry]:
        zone = self.chance.choice(("home", *self.habits.zones))
        yield self.event("location.updated", roaming_zone=zone)

    def consent(self) -> Iterator[Entry]:
        chance = self.chance
        kind = chance.choice(("account.cost_cap_lifted", "account.cost_cap_restored"))
        yield self.event(kind, tariff=chance.choice(self.habits.tariffs))

    def close(self) -> Iterator[Entry]:
        if self.chance.random() < 0.2:
            yield self.event("account.closed")
            self.now_ms += self.chance.randrange(DAY)
            yield self.begin()


_SHARES = (
    (0.10, _Life.burst),
    (0.09, _Life.top_up),
    (0.03, _Life.change_plan),
    (0.04, _Life.refund),
    (0.06, _Life.pool),
    (0.05, _Life.choose),
    (0.10, _Life.text),
    (0.05, _Life.service),
    (0.02, _Life.travel),
    (0.02, _Life.consent),
    (0.01, _Life.close),
)
"""Shares of the kinds of events; the rest is usage."""


def life(seed: int, count: int, habits: Habits) -> Iterator[Entry]:
    """About ``count`` events of one subscriber, in order of arrival."""
    one = _Life(seed, habits)
    yield one.begin()
    while one.serial < count:
        one.pause()
        yield from one.next()
