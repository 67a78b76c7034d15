"""The oracle itself: a month worked out by hand, and what its comparison shows and conceals."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import to_ms
from streamproc.lab.oracle import (
    Expectation,
    ExpectedAccount,
    PlacedRecord,
    ReminderKey,
    ShownBucket,
    differences,
    expect,
    observed,
    reminder_key,
)
from tests.property.world import rfc3339
from tests.support.line import day

ALICE, BOB = "861380000001", "861380000002"
RULES = load_rulebook(
    """
version: 1
currency: CNY
default_locale: en
limits: {max_event_bytes: 100000}
plans:
  - {id: basic, allowances: [{id: data, granted_bytes: 1000}]}
packs:
  - {id: day, granted_bytes: 200, validity_hours: 24}
rules:
  - {id: low, kind: usage_percent, thresholds: [50, 80, 100], category: balance, texts: {en: low}}
  - {id: last, kind: remaining_bytes, thresholds: [100], bucket_kinds: [allowance],
     category: balance, texts: {en: last}}
  - {id: weekly, kind: usage_summary, every: week, day: 1, at: "09:00", category: summary,
     texts: {en: week}}
  - {id: end, kind: before_cycle_end, days_before: 3, at: "10:00", category: summary,
     texts: {en: end}}
""",
    "by-hand.yaml",
)


class Log:
    """Records of one partition that arrive when they happen, unless told otherwise."""

    def __init__(self) -> None:
        self.records: list[PlacedRecord] = []

    def put(
        self, kind: str, name: str, at: float, arrives: float | None = None, **fields: Any
    ) -> None:
        number = len(self.records)
        event = {
            "type": kind,
            "id": fields.pop("id", f"e{number}"),
            "source": "s",
            "subscriber": name,
            "time": rfc3339(to_ms(day(at))),
            **fields,
        }
        stamp_ms = to_ms(day(at if arrives is None else arrives))
        value = json.dumps(event).encode()
        self.records.append(PlacedRecord("events", 0, number, name.encode(), value, stamp_ms))

    def activate(self, name: str, at: float, zone: str = "UTC") -> None:
        self.put("account.activated", name, at, plan="basic", time_zone=zone, billing_anchor_day=1)

    def use(self, name: str, used: int, at: float, arrives: float | None = None, **f: Any) -> None:
        self.put("usage.recorded", name, at, arrives, total_bytes=used, **f)


def a_month() -> Log:
    log = Log()
    log.activate(ALICE, 0, "Asia/Shanghai")
    log.use(BOB, 7, 0.1)  # waits for a day, in vain
    log.use(ALICE, 499, 1)
    log.use(ALICE, 1, 1.5)  # 50 %
    log.put("account.topped_up", ALICE, 2, pack="day")
    log.use(ALICE, 190, 2.5)  # 95 % of the pack
    log.use(ALICE, 1, 2.5, id="again")
    log.use(ALICE, 1, 2.5, 2.6, id="again")
    log.use(ALICE, 4, 2.9, 3.5)  # of the pack, though it has ended
    log.use(ALICE, 700, 10)  # 500 of the allowance, 200 overage
    log.put("account.closed", ALICE, 33)
    log.use(ALICE, 5, 30.5, 33.1)  # of the first cycle
    return log


def test_a_month_by_hand() -> None:
    outcome = expect(a_month().records, RULES)

    def told(
        rule: str, kind: str, level: int | None, buckets: tuple[str, ...], at: float, *figures: Any
    ) -> ReminderKey:
        return ReminderKey(ALICE, rule, kind, level, buckets, to_ms(day(at)), *figures)

    nine, ten = 1 / 24, 2 / 24  # in Shanghai, as parts of a UTC day
    data = ("data",)
    assert outcome.reminders == Counter(
        [
            told("low", "usage_percent", 50, data, 1.5, 500, 500, 0),
            told("low", "usage_percent", 80, ("day#1",), 2.5, 190, 10, 0),
            told("weekly", "usage_summary", None, data, 4 + nine, 500, 500, 0),
            told("low", "usage_percent", 100, data, 10, 1000, 0, 200),
            told("last", "remaining_bytes", 100, data, 10, 1000, 0, 200),
            told("weekly", "usage_summary", None, data, 11 + nine, 1000, 0, 200),
            told("weekly", "usage_summary", None, data, 18 + nine, 1000, 0, 200),
            told("weekly", "usage_summary", None, data, 25 + nine, 1000, 0, 200),
            told("end", "before_cycle_end", None, data, 28 + ten, 1000, 0, 200),
            told("weekly", "usage_summary", None, data, 32 + nine, 0, 1000, 0),
        ]
    )
    assert outcome.reminders_by_kind == {
        "usage_percent": 3,
        "remaining_bytes": 1,
        "usage_summary": 5,
        "before_cycle_end": 1,
    }
    assert outcome.rejects == {"unknown_subscriber": 1}
    assert outcome.audit == {
        "activated": 1,
        "fired": 10,
        "held": 1,
        "topped_up": 1,
        "superseded": 1 + 1,  # 50 % of the pack, 80 % of the allowance
        "duplicate": 1,
        "late_usage": 1 + 1,
        "bucket_expired": 3,
        "cycle_closed": 1,
        "closed": 1,
    }
    assert outcome.records == 12
    assert outcome.charged_bytes == 500 + 191 + 4 + 700 + 5
    midnight = -8 / 24  # in Shanghai
    assert outcome.accounts == {
        ALICE: ExpectedAccount(
            "closed",
            "basic",
            to_ms(day(31 + midnight)),
            to_ms(day(59 + midnight)),
            (),
            0,
            1400,
            (
                (to_ms(day(0)), to_ms(day(31 + midnight)), 1000, 1000, 0, 205, 5, 0, 0, 0),
                (to_ms(day(31 + midnight)), to_ms(day(33)), 1000, 0, 1000, 0, 0, 0, 0, 0),
            ),
        )
    }


def test_time_passes_to_where_it_is_told() -> None:
    log = Log()
    log.activate(ALICE, 0)
    log.use(BOB, 1, 0.5)
    assert expect(log.records, RULES).reminders == {}
    until = expect(log.records, RULES, until_ms=to_ms(day(12)))
    assert until.reminders_by_kind == {"usage_summary": 2}
    assert until.rejects == {"unknown_subscriber": 1}
    assert until.accounts[ALICE].buckets == (
        ShownBucket("data", "allowance", 1000, 0, to_ms(day(31))),
    )


def test_the_clock_of_a_partition_is_its_own_and_never_runs_backwards() -> None:
    log = Log()
    log.activate(ALICE, 10)
    log.use(ALICE, 500, 12, 9)  # a timestamp before the clock: it arrives at day 10, and is ahead
    elsewhere = PlacedRecord("events", 1, 0, None, None, to_ms(day(100)))
    outcome = expect([*log.records, elsewhere], RULES)
    assert outcome.rejects == {"time_in_future": 1, "tombstone": 1}
    assert outcome.reminders == {}


def test_a_key_is_read_from_a_reminder_and_repeated_ids_are_seen() -> None:
    value = json.dumps(
        {
            "id": "0123",
            "subscriber": ALICE,
            "rule": "low",
            "kind": "usage_percent",
            "threshold": {"unit": "percent", "value": 50},
            "buckets": [{"id": "data"}, {"id": "day#1"}],
            "as_of": "2026-01-02T12:00:00.001Z",
            "used_bytes": 1,
            "remaining_bytes": 2,
            "overage_bytes": 3,
        }
    ).encode()
    key = ReminderKey(
        ALICE, "low", "usage_percent", 50, ("data", "day#1"), to_ms(day(1.5)) + 1, 1, 2, 3
    )
    assert reminder_key(value) == key
    found = observed([value, value], [b'{"decision":"closed"}'], [b'{"reason":"empty"}'], 4, 5)
    assert found == Expectation(
        4,
        5,
        Counter({key: 2}),
        Counter({"usage_percent": 2}),
        Counter({"empty": 1}),
        Counter({"closed": 1}),
        repeated_ids=Counter({"0123": 2}),
    )


def _changed(outcome: Expectation, what: str) -> Expectation:
    some = next(iter(outcome.reminders))
    account = outcome.accounts[ALICE]
    changes: dict[str, dict[str, Any]] = {
        "records": {"records": 11},
        "charged bytes": {"charged_bytes": 0},
        "one reminder less": {"reminders": outcome.reminders - Counter([some])},
        "one reminder twice": {"reminders": outcome.reminders + Counter([some])},
        "another figure": {
            "reminders": outcome.reminders
            - Counter([some])
            + Counter([some._replace(used_bytes=some.used_bytes + 1)])
        },
        "kinds": {"reminders_by_kind": Counter()},
        "rejects": {"rejects": Counter({"empty": 1})},
        "audit": {"audit": outcome.audit + Counter({"closed": 1})},
        "no account": {"accounts": {BOB: account}},
        "another account": {"accounts": {ALICE: replace(account, overage_bytes=1)}},
        "an id used twice": {"repeated_ids": Counter({"0123": 2})},
    }
    return replace(outcome, **changes[what])


@pytest.mark.parametrize(
    "what",
    [
        "records",
        "charged bytes",
        "one reminder less",
        "one reminder twice",
        "another figure",
        "kinds",
        "rejects",
        "audit",
        "no account",
        "another account",
        "an id used twice",
    ],
)
def test_every_difference_is_shown_and_no_subscriber(what: str) -> None:
    expected = expect(a_month().records, RULES)
    assert differences(expected, expected) == []
    lines = differences(_changed(expected, what), expected)
    assert lines
    assert not any(name in line for line in lines for name in (ALICE, BOB))


def test_accounts_nobody_looked_at_are_not_compared() -> None:
    expected = expect(a_month().records, RULES)
    assert differences(replace(expected, accounts={}), expected) == []
