"""Pools, refunds, consents, prorated plan changes and a bad batch, within a month of usage.

Generated from a seed like the month itself, for any rulebook. ``contracts/rules/quota.yaml`` has
everything that these records can use.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import Any

import orjson

from streamproc.core.instants import DAY_MS, from_ms, to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.workload import WorkloadRecord, WorkloadSettings, generate

POOL_SHARE = 0.3
QUOTA_SHARE = 0.04
"""Quota events per usage record."""
REMEMBERED = 400
"""How many usage records are remembered for refunds."""
FAR_SHARE = 0.05
"""Share of usage in far-away zones, where no pack helps."""
BAD_SOURCE = "ocs-3"
"""Usage of this source is taken back at the end of one day."""
BAD_DAY = 9
ROLES = ("owner", "member", "member", "member")


def quota_month(settings: WorkloadSettings, rulebook: Rulebook) -> Iterator[WorkloadRecord]:
    """The month of :func:`generate` with quota events; a part of the usage belongs to members of
    pools."""
    return _Month(settings, rulebook).records()


class _Month:
    def __init__(self, settings: WorkloadSettings, rulebook: Rulebook) -> None:
        self._settings = settings
        self._rules = rulebook
        self._random = random.Random(f"quota-{settings.seed}")
        self._tariffs = sorted({one.id for plan in rulebook.plans.values() for one in plan.tariffs})
        self._members: dict[bytes, list[str]] = {}
        self._recent: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self._bad: list[dict[str, Any]] = []
        start_ms = to_ms(settings.start)
        self._bad_from_ms = start_ms + BAD_DAY * DAY_MS
        self._bad_to_ms = self._bad_from_ms + DAY_MS
        self._serial = 0

    def records(self) -> Iterator[WorkloadRecord]:
        for record in generate(self._settings, self._rules):
            now_ms = record.timestamp_ms
            if self._bad and now_ms >= self._bad_to_ms:
                yield from self._retraction(now_ms)
            if record.key is None or record.value is None or b'"id":"m' in record.value:
                yield record
                continue
            if b'"account.activated"' in record.value:
                yield record
                if record.key not in self._members and self._random.random() < POOL_SHARE:
                    yield from self._joinings(record.key, now_ms)
                continue
            yield self._touched(record, record.key, record.value)
            if self._random.random() < QUOTA_SHARE:
                yield self._event(record.key, now_ms)

    def _touched(self, record: WorkloadRecord, key: bytes, value: bytes) -> WorkloadRecord:
        """Usage in a pool gets a member; half of the plan changes become prorated."""
        chance = self._random
        if b'"account.plan_changed"' in value:
            if b'"now"' in value and chance.random() < 0.5:
                return record._replace(value=value[:-1] + b',"prorated":true}')
            return record
        if b'"usage.recorded"' not in value:
            return record
        members = self._members.get(key)
        if b'"roaming_zone"' not in value and chance.random() < FAR_SHARE:
            value = value[:-1] + b',"roaming_zone":"world"}'
        if members and b'"member"' not in value and chance.random() < 0.9:
            name = chance.choice(members) if chance.random() < 0.97 else "nobody-known"
            value = value[:-1] + f',"member":"{name}"}}'.encode()
        event = orjson.loads(value)
        self._recent.append(event)
        is_then = self._bad_from_ms <= record.timestamp_ms < self._bad_to_ms
        if is_then and event["source"] == BAD_SOURCE:
            self._bad.append(event)
        return record._replace(value=value)

    def _joinings(self, key: bytes, now_ms: int) -> Iterator[WorkloadRecord]:
        chance = self._random
        number = key.decode()
        members = [f"{number}{one}" for one in range(chance.randrange(1, 5))]
        self._members[key] = members
        for name, role in zip(members, ROLES, strict=False):
            fields: dict[str, Any] = {"member": name, "role": role}
            if role == "member" and chance.random() < 0.7:
                fields["cap_bytes"] = chance.randrange(1, 8) * 1_000_000_000
            yield self._made(key, now_ms, "account.member_joined", **fields)

    def _event(self, key: bytes, now_ms: int) -> WorkloadRecord:
        chance = self._random
        draw = chance.random()
        members = self._members.get(key)
        if draw < 0.25 and members:
            if draw < 0.05:
                return self._made(key, now_ms, "account.member_left", member=members[-1])
            fields: dict[str, Any] = {"member": chance.choice(members)}
            if chance.random() < 0.8:
                fields["cap_bytes"] = chance.randrange(0, 12) * 1_000_000_000
            return self._made(key, now_ms, "account.member_joined", **fields)
        if draw < 0.6:
            return self._refund(key, now_ms)
        tariff = chance.choice(["", *self._tariffs])
        if draw < 0.85:
            until = chance.choice(("cycle_end", "revoked"))
            return self._made(key, now_ms, "account.cost_cap_lifted", tariff=tariff, until=until)
        return self._made(key, now_ms, "account.cost_cap_restored", tariff=tariff)

    def _refund(self, key: bytes, now_ms: int) -> WorkloadRecord:
        """A refund: of one event of the subscriber if there is one, else of a number of bytes."""
        chance = self._random
        own = [one for one in self._recent if one["subscriber"].encode() == key]
        if own and chance.random() < 0.7:
            return self._taken_back(chance.choice(own), now_ms)
        wanted = int(chance.expovariate(1 / 200_000_000)) + 1
        fields: dict[str, Any] = {"refunded_bytes": wanted}
        draw = chance.random()
        if draw < 0.15:
            # A refund of an event that was never counted.
            fields |= {"of_source": BAD_SOURCE, "of_id": f"never-{self._serial}"}
        elif draw < 0.5:
            # A refund for a closed cycle, or for a time that is not remembered any more.
            fields["time"] = _iso(now_ms - chance.randrange(1, 39) * DAY_MS)
        return self._made(key, now_ms, "usage.refunded", **fields)

    def _retraction(self, now_ms: int) -> Iterator[WorkloadRecord]:
        """Refunds of the bad batch; the last one of each subscriber triggers a notice."""
        last = {event["subscriber"]: event["id"] for event in self._bad}
        for event in self._bad:
            yield self._taken_back(event, now_ms, notify=last[event["subscriber"]] == event["id"])
        self._bad = []

    def _taken_back(
        self, event: dict[str, Any], now_ms: int, *, notify: bool = True
    ) -> WorkloadRecord:
        sizes = ("total_bytes", "uplink_bytes", "downlink_bytes")
        used = sum(event.get(name, 0) for name in sizes)
        like = ("rating_group", "roaming_zone", "member")
        fields = {name: event[name] for name in like if name in event}
        return self._made(
            event["subscriber"].encode(),
            now_ms,
            "usage.refunded",
            time=event["time"],
            refunded_bytes=max(used, 1),
            of_source=event["source"],
            of_id=event["id"],
            notify=notify,
            **fields,
        )

    def _made(self, key: bytes, now_ms: int, kind: str, **fields: Any) -> WorkloadRecord:
        self._serial += 1
        event = {
            "type": kind,
            "id": f"q{self._serial}",
            "source": "crm",
            "subscriber": key.decode(),
            "time": _iso(now_ms),
            **fields,
        }
        return WorkloadRecord(key, orjson.dumps(event), now_ms)


def _iso(instant_ms: int) -> str:
    return from_ms(instant_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
