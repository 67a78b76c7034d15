"""Within version 1 nobody who keeps to the contract is ever broken."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.evolution import breaches, present, promised
from tests.contract.normal import Schema

USAGE = "usage.recorded.v1"
REMINDER = "reminder.requested.v1"
AUDIT = "audit.recorded.v1"


def test_no_promise_is_broken() -> None:
    assert breaches(promised(), present()) == []


def test_the_promises_are_all_written_down() -> None:
    """If this fails alone, something was added: run python -m tests.contract.evolution."""
    assert promised() == present()


def _fields(contract: dict[str, Schema], name: str) -> dict[str, Any]:
    fields: dict[str, Any] = contract[name]["fields"]
    return fields


Change = Callable[[dict[str, Schema]], Any]

BREAKING: dict[str, Change] = {
    "usage.recorded.v1 $.service: removed": lambda c: _fields(c, USAGE).pop("service"),
    "usage.recorded.v1 $.time: retyped": lambda c: _fields(c, USAGE)["time"].update(type="integer"),
    "usage.recorded.v1 $.type: retyped": lambda c: _fields(c, USAGE)["type"].pop("enum"),
    "usage.recorded.v1 $: service newly required": lambda c: c[USAGE]["required"].append("service"),
    "usage.recorded.v1 $: conditions changed": lambda c: c[USAGE].pop("conditions"),
    "usage.recorded.v1 $.id: maxLength narrowed": lambda c: _fields(c, USAGE)["id"].update(
        maxLength=64
    ),
    "usage.recorded.v1 $.rating_group: minimum narrowed": lambda c: _fields(c, USAGE)[
        "rating_group"
    ].update(minimum=1),
    "usage.recorded.v1 $.subscriber: pattern changed": lambda c: _fields(c, USAGE)[
        "subscriber"
    ].update(pattern="^[0-9]+$"),
    "account.plan_changed.v1 $.effective: enum lost values": lambda c: _fields(
        c, "account.plan_changed.v1"
    )["effective"]["enum"].remove("next_cycle"),
    "clock.advanced.v1: record removed": lambda c: c.pop("clock.advanced.v1"),
    "reminder.requested.v1 $.text: removed": lambda c: _fields(c, REMINDER).pop("text"),
    "reminder.requested.v1 $: text no longer always there": lambda c: c[REMINDER][
        "required"
    ].remove("text"),
    "reminder.requested.v1 $.encoding: enum gained values": lambda c: _fields(c, REMINDER)[
        "encoding"
    ]["enum"].append("utf8"),
    "reminder.requested.v1 $.text: may be null now": lambda c: _fields(c, REMINDER)["text"].update(
        nullable=True
    ),
    "reminder.requested.v1 $.segments: minimum widened": lambda c: _fields(c, REMINDER)[
        "segments"
    ].update(minimum=0),
    "reminder.requested.v1 $: readers must allow for unknown fields": lambda c: c[REMINDER].update(
        unknown_fields=False
    ),
    "reminder.requested.v1 $.buckets[].used_bytes: removed": lambda c: _fields(c, REMINDER)[
        "buckets"
    ]["items"]["fields"].pop("used_bytes"),
    "audit.recorded.v1 $.figures[]: retyped": lambda c: _fields(c, AUDIT)["figures"][
        "unknown_fields"
    ].update(type="number"),
}


@pytest.mark.parametrize(("breach", "change"), BREAKING.items(), ids=BREAKING)
def test_a_broken_promise_is_found(breach: str, change: Change) -> None:
    changed = copy.deepcopy(present())
    change(changed)

    assert breach in breaches(present(), changed)


ALLOWED: dict[str, Change] = {
    "input: optional field": lambda c: _fields(c, USAGE).update(apn={"type": "string"}),
    "input: longer ids": lambda c: _fields(c, USAGE)["id"].update(maxLength=256),
    "input: no longer required": lambda c: c[USAGE]["required"].remove("source"),
    "input: more values": lambda c: _fields(c, "account.plan_changed.v1")["effective"][
        "enum"
    ].append("at_time"),
    "output: field": lambda c: _fields(c, REMINDER).update(channel={"type": "string"}),
    "output: always there": lambda c: c[AUDIT]["required"].append("rule"),
    "output: shorter": lambda c: _fields(c, REMINDER)["rule"].update(maxLength=32),
    "record": lambda c: c.update({"usage.corrected.v1": {"type": "object"}}),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_an_addition_breaks_nothing(change: Change) -> None:
    changed = copy.deepcopy(present())
    change(changed)

    assert changed != present()
    assert breaches(present(), changed) == []
