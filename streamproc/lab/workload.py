"""A month of usage as billing systems send it, from a seed.

Records come in order of arrival; the arrival is the record timestamp. Everything is drawn from
``random.Random(seed)``, so a seed and a rulebook give the same bytes on every machine.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import accumulate
from math import sin
from typing import NamedTuple

import orjson

from streamproc.core.instants import DAY_MS, HOUR_MS, from_ms, to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.workload_faults import malformed

MONTH_DAYS = 31
UNLIMITED_BYTES = 30_000_000_000
"""Average monthly usage of an unlimited allowance."""
ZONES = ("Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
LOCALES = ("zh-CN", "zh-CN", "en")
RATING_GROUPS = (10, 10, 10, 20, 30)
ROAMING_ZONES = ("eu", "asia", "world")


class WorkloadRecord(NamedTuple):
    """A Kafka record of the input topic; ``timestamp_ms`` is its (simulated) arrival."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int


@dataclass(frozen=True)
class WorkloadSettings:
    """Amounts of each kind of record; shares are relative to usage records."""

    seed: int = 1
    events: int = 100_000
    """Number of all records, all kinds together."""
    subscribers: int = 5_000
    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    days: int = 31
    late_share: float = 0.03
    duplicate_share: float = 0.02
    malformed_share: float = 0.003
    unknown_share: float = 0.001
    account_share: float = 0.01
    """Share of top-ups, plan changes, opt-outs, opt-ins, closings."""
    close_share: float = 0.02
    """Share of closings among account records."""
    burst_share: float = 0.01


def generate(settings: WorkloadSettings, rulebook: Rulebook) -> Iterator[WorkloadRecord]:
    """Exactly ``settings.events`` records in order of arrival, activations first."""
    return _Generator(settings, rulebook).records()


def clock_records(
    settings: WorkloadSettings, partitions: int, at_ms: int | None = None
) -> Iterator[tuple[int, WorkloadRecord]]:
    """One record per partition that moves time to ``at_ms``, or to four days after the month."""
    if at_ms is None:
        at_ms = to_ms(settings.start) + (settings.days + 4) * DAY_MS
    for number in range(partitions):
        value = orjson.dumps(
            {
                "type": "clock.advanced",
                "id": f"clock-{settings.seed}-{number}",
                "source": "workload",
                "time": _iso(at_ms),
            }
        )
        yield number, WorkloadRecord(None, value, at_ms)


def _iso(instant_ms: int) -> str:
    text = from_ms(instant_ms).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return f"{text}Z"


class _Generator:
    def __init__(self, settings: WorkloadSettings, rulebook: Rulebook) -> None:
        self._settings = settings
        self._random = random.Random(settings.seed)
        self._plans = sorted(rulebook.plans)
        self._packs = sorted(rulebook.packs)
        self._start_ms = to_ms(settings.start)
        self._names = [f"86138{number:08d}" for number in range(settings.subscribers)]
        self._plan = [self._random.choice(self._plans) for _ in self._names]
        self._allowance = [
            sum(
                UNLIMITED_BYTES if one.unlimited else one.granted_bytes
                for one in rulebook.plans[plan].allowances
            )
            for plan in self._plan
        ]
        self._out = [False] * settings.subscribers
        self._closed: set[int] = set()
        # Activity as in Zipf's law: a few subscribers make most of the records.
        self._weights = list(accumulate(1 / (rank + 3) ** 0.8 for rank in range(len(self._names))))
        self._serial = 0

    def records(self) -> Iterator[WorkloadRecord]:
        settings, chance = self._settings, self._random
        count = settings.events
        # The last few activations come only after the first usage.
        early = max(1, min(settings.subscribers * 99 // 100, count // 2))
        for number in range(early):
            at_ms = self._start_ms + number * HOUR_MS // early
            yield self._activation(number, at_ms)
            count -= 1
        again: list[tuple[int, int, WorkloadRecord]] = []
        late_activations = list(range(early, settings.subscribers))
        begin_ms = self._start_ms + HOUR_MS
        span_ms = settings.days * DAY_MS - HOUR_MS
        made = 0
        while made < count:
            now_ms = begin_ms + self._rhythm(made / count, span_ms)
            if again and again[0][0] <= now_ms:
                at_ms, _, record = heappop(again)
                yield record._replace(timestamp_ms=at_ms)
                made += 1
                continue
            draw = chance.random()
            record = self._draw(draw, now_ms, late_activations)
            yield record
            made += 1
            if chance.random() < settings.duplicate_share:
                delay_ms = int(chance.expovariate(1 / (2 * HOUR_MS))) + 1
                heappush(again, (now_ms + delay_ms, made, record))
            if draw < settings.burst_share:
                for _ in range(min(chance.randrange(3, 12), count - made)):
                    yield self._usage(self._pick(), now_ms)
                    made += 1

    def _draw(self, draw: float, now_ms: int, late_activations: list[int]) -> WorkloadRecord:
        settings, chance = self._settings, self._random
        at = chance.random()
        if at < settings.malformed_share:
            key = self._names[self._pick()].encode()
            self._serial += 1
            return WorkloadRecord(*malformed(chance, key, self._serial, _iso(now_ms)), now_ms)
        at -= settings.malformed_share
        if at < settings.unknown_share:
            if late_activations and chance.random() < 0.5:
                return self._activation(late_activations.pop(), now_ms)
            # A number that is never activated: its usage must be rejected.
            stranger = f"86199{chance.randrange(1000):08d}"
            return self._usage_of(stranger, now_ms, now_ms, 1_000_000)
        at -= settings.unknown_share
        if at < settings.account_share:
            return self._account_event(now_ms)
        # Usage before the subscriber's activation, which comes later: it must be rejected.
        if draw > 0.5 and late_activations and chance.random() < 0.01:
            number = late_activations[-1]
            return self._usage(number, now_ms)
        return self._usage(self._pick(), now_ms)

    def _pick(self) -> int:
        chance, total = self._random, self._weights[-1]
        while True:
            number = bisect_right(self._weights, chance.random() * total)
            # Closed contracts send only a few late records.
            if number not in self._closed or chance.random() < 0.02:
                return number

    @staticmethod
    def _rhythm(share: float, span_ms: int) -> int:
        """Arrival by day and night: in the evening time runs slower, so there are more records."""
        days = span_ms / DAY_MS
        phase = share * days * 6.283185307179586
        return int((share + 0.9 * sin(phase) / (days * 6.283185307179586)) * span_ms)

    def _usage(self, number: int, now_ms: int) -> WorkloadRecord:
        settings, chance = self._settings, self._random
        time_ms = now_ms - int(chance.expovariate(1 / 2000))
        if chance.random() < settings.late_share:
            time_ms = now_ms - int(chance.expovariate(1 / (6 * HOUR_MS)))
        # The sizes make an average subscriber use about the allowance in a month.
        share = self._weights[number] - (self._weights[number - 1] if number else 0)
        expected = settings.events * MONTH_DAYS / settings.days * share / self._weights[-1]
        # A plan can grant nothing.
        mean = max(self._allowance[number] * 1.1 / max(expected, 1.0), 1.0)
        used_bytes = int(chance.expovariate(1 / mean))
        return self._usage_of(self._names[number], time_ms, now_ms, used_bytes)

    def _usage_of(self, name: str, time_ms: int, now_ms: int, used_bytes: int) -> WorkloadRecord:
        chance = self._random
        self._serial += 1
        rating_group = chance.choice(RATING_GROUPS)
        zone = "home" if chance.random() > 0.03 else chance.choice(ROAMING_ZONES)
        if self._serial % 3:
            amount = f'"total_bytes":{used_bytes}'
        else:
            up = used_bytes // 8
            amount = f'"uplink_bytes":{up},"downlink_bytes":{used_bytes - up}'
        roaming = "" if zone == "home" else f',"roaming_zone":"{zone}"'
        value = (
            f'{{"type":"usage.recorded","id":"u{self._serial}","source":"ocs-{self._serial % 4}",'
            f'"subscriber":"{name}","time":"{_iso(time_ms)}",{amount},'
            f'"rating_group":{rating_group}{roaming}}}'
        )
        return WorkloadRecord(name.encode(), value.encode(), now_ms)

    def _activation(self, number: int, at_ms: int) -> WorkloadRecord:
        chance = self._random
        return self._event(
            number,
            at_ms,
            "account.activated",
            plan=self._plan[number],
            time_zone=chance.choice(ZONES),
            billing_anchor_day=chance.randrange(1, 32),
            locale=chance.choice(LOCALES),
        )

    def _account_event(self, now_ms: int) -> WorkloadRecord:
        chance = self._random
        number = self._pick()
        kind = chance.random()
        if kind < 0.4 and self._packs:
            return self._event(number, now_ms, "account.topped_up", pack=chance.choice(self._packs))
        if kind < 0.7:
            granted = chance.randrange(1, 20) * 100_000_000
            if kind < 0.6:
                return self._event(number, now_ms, "account.topped_up", granted_bytes=granted)
            expires = _iso(now_ms + chance.randrange(1, 40) * DAY_MS)
            return self._event(
                number, now_ms, "account.topped_up", granted_bytes=granted, expires_time=expires
            )
        if kind < 0.85:
            return self._event(
                number,
                now_ms,
                "account.plan_changed",
                plan=chance.choice(self._plans),
                effective=chance.choice(("now", "next_cycle")),
            )
        if kind < 1 - self._settings.close_share:
            self._out[number] = not self._out[number]
            name = "account.opted_out" if self._out[number] else "account.opted_in"
            category = chance.choice(("summary", "balance"))
            return self._event(number, now_ms, name, category=category)
        self._closed.add(number)
        return self._event(number, now_ms, "account.closed")

    def _event(self, number: int, at_ms: int, kind: str, **fields: str | int) -> WorkloadRecord:
        self._serial += 1
        name = self._names[number]
        event = {
            "type": kind,
            "id": f"e{self._serial}",
            "source": "crm",
            "subscriber": name,
            "time": _iso(at_ms),
            **fields,
        }
        return WorkloadRecord(name.encode(), orjson.dumps(event), at_ms)
