"""Many lives from one number, which decides rules, texts and subscribers; collects false
statements."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from streamproc.contracts.records.codec import encode_effect
from streamproc.contracts.rules_file.packs import pack_names
from streamproc.contracts.rules_file.read.parse import decode, parse
from streamproc.contracts.rules_file.texts import TextsDirectory, packaged_content
from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.results import ReminderKey, reminder_key
from tests.support.truth.checks import Finding, Reader
from tests.support.truth.lives import DAY, Habits, life
from tests.support.truth.play import Player, Scene
from tests.support.truth.probes import ALL_LOCALES, loaded, with_probes
from tests.support.truth.rules import UNIT, rules_data

LIVES = 6
"""Lives per rulebook."""
EVENTS = 150
PACKAGED = ("default.yaml", "quota.yaml", *(f"packs/{name}.yaml" for name in pack_names()))
AFTER_MS = 3 * DAY
"""This long after a life's last event, every waiting message must have been sent."""


@dataclass
class Report:
    """Counts of messages, and false statements."""

    messages: int = 0
    checks: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """Messages by kind."""
    false: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Findings by kind of rule and part of the message."""
    findings: list[Finding] = field(default_factory=list)
    """The first findings."""

    def add(self, other: Report, most: int = 3) -> None:
        """``most``: how many examples of a kind are kept."""
        self.messages += other.messages
        self.checks += other.checks
        self.kinds += other.kinds
        self.false += other.false
        known = Counter((one.rule, one.kind) for one in self.findings)
        for one in other.findings:
            if known[one.rule, one.kind] < most:
                known[one.rule, one.kind] += 1
                self.findings.append(one)


@dataclass(frozen=True)
class Place:
    """Rules, and the lives under them."""

    name: str
    rules: Rulebook
    habits: Habits
    is_packaged: bool = False
    """Its texts are the packaged ones, so their words are checked too."""


@lru_cache(maxsize=2)
def place_of(number: int) -> Place:
    """One of four numbers means packaged rules with probes, one packaged rules with their own
    words."""
    kind, which = number % 4, PACKAGED[number // 4 % len(PACKAGED)]
    if kind in (2, 3):
        is_richer = number // 4 // len(PACKAGED) % 2 == 1
        return packaged_place(which, has_probes=kind == 2, is_richer=is_richer)
    others = random.Random(f"locales {number}").sample(ALL_LOCALES[1:], 5)
    data = with_probes(rules_data(number), (ALL_LOCALES[0], *others))
    return Place(f"rules {number}", loaded(data), Habits.of(data, unit_bytes=UNIT))


@lru_cache(maxsize=64)
def packaged_place(name: str, has_probes: bool, is_richer: bool = False) -> Place:
    """``is_richer``: with additions that an operator could make: roll-over, and data for films."""
    data = packaged_data(name)
    if is_richer:
        _enrich(data)
    found = with_probes(data, ALL_LOCALES) if has_probes else data
    rules = loaded(found)
    habits = Habits.of(data, unit_bytes=unit_of(data), most_units=250)
    how = f"{'richer, ' if is_richer else ''}{'probed' if has_probes else 'in its own words'}"
    return Place(f"{name} {how}", rules, habits, not has_probes)


def _enrich(data: dict[str, Any]) -> None:
    for plan in data["plans"]:
        sizes = [one["granted_bytes"] for one in plan["allowances"] if "granted_bytes" in one]
        for one in plan["allowances"]:
            if "granted_bytes" in one:
                one.setdefault("rollover", {"max_bytes": one["granted_bytes"] // 2})
        films = {"id": "films", "names": {"en": "film data"}, "rating_groups": [20], "priority": 40}
        plan["allowances"].append({**films, "granted_bytes": max([*sizes, 10**9]) // 2})


def packaged_data(name: str) -> dict[str, Any]:
    """The data of a packaged rules file, with the texts beside it."""
    content = packaged_content(name)
    data, _ = parse(decode(content.rules, name), name)
    directory = TextsDirectory(content.texts)
    directory.merge_into(data, name)
    assert not directory.problems, directory.problems
    return data


def unit_of(data: Mapping[str, Any]) -> int:
    """A unit of usage with which plans are used up within some dozen events."""
    sizes: list[int] = [
        one["granted_bytes"]
        for plan in data["plans"]
        for one in plan["allowances"]
        if "granted_bytes" in one
    ]
    return max(sum(sizes) // max(len(sizes), 1) // 800, 1)


def lived(place: Place, seed: int, events: int = EVENTS) -> Report:
    """One life, checked."""
    player = Player(place.rules)
    reader = Reader(place.rules, player, f"{place.name}, life {seed}:", place.is_packaged)
    report = Report()
    told: Counter[ReminderKey] = Counter()
    now_ms = 0

    def read(scene: Scene) -> None:
        report.kinds.update(one.kind for one in scene.messages)
        told.update(reminder_key(encode_effect(one)) for one in scene.messages)
        reader.read(scene)

    for arrival_ms, event in life(seed, events, place.habits):
        now_ms = max(now_ms, arrival_ms)
        read(player.feed(event, now_ms))
    read(player.reach(now_ms + AFTER_MS))
    report.messages, report.checks = reader.messages, reader.checks
    report.findings = [*reader.findings, *_differences(told, player, reader.where)]
    report.false.update((one.rule, one.kind) for one in report.findings)
    return report


def _differences(told: Counter[ReminderKey], player: Player, where: str) -> list[Finding]:
    """Messages that only the core or only the oracle makes."""
    expected = player.expectation.reminders
    return [
        Finding(what, key.kind, str(key), "told by both", where=where)
        for what, keys in (("only core", told - expected), ("only oracle", expected - told))
        for key in keys
    ]


def searched(number: int, lives: int = LIVES, events: int = EVENTS) -> Report:
    """All lives of a number."""
    report, place = Report(), place_of(number)
    for life_number in range(lives):
        report.add(lived(place, number * 1000 + life_number, events))
    return report
