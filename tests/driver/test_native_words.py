"""What the compiled part tells in the words it was taught is what the core would have said."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import Rows
from streamproc.worker.counting import Told
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.settings import Native
from tests.unit.test_native import KEY as ALICE
from tests.unit.test_native import START_MS, Log, needs_native

DAY_MS = 86_400_000
BOB = b"8613800000002"
ALL = "{bucket}/{used}/{granted}/{remaining}/{overage}/{percent}/{threshold}/{as_of}"
TEXTS = {
    "every figure": ALL,
    "figures alone": "{used}",
    "no figures": "Look at your balance.",
    "nothing left apart": "{remaining, plural, =0 {all of {bucket}} unlimited {no end} other "
    "{{percent}% of {bucket}, {remaining} left}} ({as_of, date, ::MMMd}, {as_of, time, ::Hm}).",
    "UCS-2 with a date": f"\u3010\u6d41\u91cf\u3011{{as_of, date}} {ALL}",
    "left to the core: date and time in one": "{used} {as_of, datetime}",
    "left to the core: braces": "{{{used}}}",
    "of 160 characters": "x" * 160,
    "of 161 characters": "x" * 161,
    "of 70 UCS-2 characters": "\u6d41" * 70,
    "of 71 UCS-2 characters": "\u6d41" * 71,
    "UCS-2 with figures": f"\u3010\u6d41\u91cf\u3011{ALL}",
    "left to the core: GSM-7 beyond ASCII": f"\u00e9 {ALL}",
    "left to the core: escapes of GSM-7": f"[{ALL}] \u20ac",
    "left to the core: quotes": f'\\"{ALL}\\" \\\\ \\n',
    "left to the core: surrogate pairs": f"\U0001f4f1 {ALL}",
    "left to the core: a plural": "{percent, plural, =1 {one} other {# percents}} {used}",
    "left to the core: other instants": "{used} until {cycle_end}",
}
RULES = """\
version: 1
currency: EUR
default_locale: en
plans:
  - id: basic
    allowances:
      - {{id: data, granted_bytes: {granted}}}
      - {{id: night, granted_bytes: 777, priority: 90}}
rules:
  - id: used
    kind: usage_percent
    thresholds: [1, 7, 33, 50, 99]
    category: balance
    priority: 3
    mandatory: true
    texts: {{{locale}: "{text}"}}
  - id: left
    kind: remaining_bytes
    thresholds: [{left}]
    category: last
    ttl_seconds: 77
    texts: {{{locale}: "{text}"}}
  - id: share
    kind: remaining_percent
    thresholds: [20]
    category: balance
    texts: {{{locale}: "{text}"}}
  - id: absolute
    kind: used_bytes
    buckets: [night, data]
    thresholds: [{used}]
    category: balance
    texts: {{{locale}: "{text}"}}
"""
SIZES = (1_000, 1_234_567, 50_000_000, 987_654_321_000, 8_000_000_000_000)


def life(zone: str, granted: int) -> list[Log]:
    """Two subscribers use a nineteenth of their grant each day, so that each threshold is one
    event's alone and clocks change on the way; what the core tells of one teaches for the other."""
    activation = (
        '{"type":"account.activated","id":"a","source":"crm","subscriber":"8613800000001",'
        f'"time":"2026-03-01T00:00:00Z","plan":"basic","time_zone":"{zone}",'
        '"billing_anchor_day":1,"locale":"en-GB"}'
    ).encode()
    log = [Log(ALICE, activation, START_MS, 0)]
    for number in range(30):
        at_ms = START_MS + number * (DAY_MS + 3_723_456)
        hour, day = number % 24, 1 + number
        value = (
            f'{{"type":"usage.recorded","id":"u{number}","source":"ocs",'
            f'"subscriber":"8613800000001","time":"2026-03-{day:02}T{hour:02}:30:00.{number:03}Z",'
            f'"total_bytes":{granted // 19 - number % 3}}}'
        ).encode()
        log.append(Log(ALICE, value, at_ms, number + 1))
    bob = [
        one._replace(key=BOB, value=(one.value or b"").replace(ALICE, BOB), offset=one.offset + 100)
        for one in log
    ]
    return [one for both in zip(log, bob, strict=True) for one in both]


def outcome(native: Native, rules: Rulebook, log: list[Log]) -> tuple[Any, int]:
    """All that comes out, and how many reminders the compiled part told of."""
    processor: Any = QuotaProcessor(rules, WorkerTopics(), "event", native)
    rows: Rows[Account] = processor.new_rows()
    outbox, told = Outbox(), 0
    emit_told = processor._emit_told

    def counting(to: Outbox, found: list[Told], since_ms: int) -> None:
        nonlocal told
        told += len(found)
        emit_told(to, found, since_ms)

    processor._emit_told = counting
    clock_ms = 0
    for start, end in pairwise(range(len(log) + 1)):
        clock_ms = processor.apply("events", 3, log[start:end], rows, outbox, clock_ms)
        rows.take_changes()
    return (outbox.topics, rows.stored, processor.counts), told


@needs_native
@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("locale", ["en", "zh-CN", "de"])
def test_it_tells_in_the_words_of_the_core(name: str, locale: str) -> None:
    is_left = name.startswith("left to the core") or locale == "de"
    for zone, granted in zip(
        ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"),
        SIZES,
        strict=True,
    ):
        text = RULES.format(
            granted=granted, left=granted // 3, used=granted // 9, locale=locale, text=TEXTS[name]
        )
        rules = load_rulebook(text, "r.yaml")
        log = [one._replace(timestamp=one.timestamp + 60 * DAY_MS) for one in life(zone, granted)]
        compiled, told = outcome("on", rules, log)
        assert compiled == outcome("off", rules, log)[0]
        reminders = len(compiled[0][WorkerTopics().reminders])
        assert reminders >= 12
        # Bob's, but for the day on which clocks change and for several thresholds at once.
        assert told == 0 if is_left else told >= reminders // 3


NAMES = {
    "GSM-7": ("Home data", True),
    "GSM-7 beyond ASCII": ("Données d'été", True),
    "other characters": ("国内流量", False),
    "escapes of GSM-7": ("[data]", False),
    "quotes": ('the \\"data\\"', False),
    "surrogate pairs": ("\U0001f4f1", False),
}


@needs_native
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("literal", ["", "\u6d41\u91cf"])
def test_it_tells_of_buckets_by_their_names(name: str, literal: str) -> None:
    """In a text that is UCS-2 anyway a name may have any character that counts once."""
    shown, is_simple = NAMES[name]
    is_told = is_simple or (bool(literal) and name in ("other characters", "escapes of GSM-7"))
    granted = 50_000_000
    text = RULES.format(granted=granted, left=17, used=99, locale="en", text=f"{literal}{ALL}")
    named = text.replace("{id: data,", f'{{id: data, names: {{de: Daten, en: "{shown}"}},')
    assert named != text
    rules = load_rulebook(named, "r.yaml")
    log = [one._replace(timestamp=one.timestamp + 60 * DAY_MS) for one in life("UTC", granted)]
    compiled, told = outcome("on", rules, log)
    assert compiled == outcome("off", rules, log)[0]
    _, as_ids = outcome("on", load_rulebook(text, "r.yaml"), log)
    reminders = compiled[0][WorkerTopics().reminders]
    spoken = shown.replace("\\", "").encode() if name != "quotes" else b"the "
    assert any(spoken in value for _, value in reminders)
    assert told == as_ids if is_told else told < as_ids
