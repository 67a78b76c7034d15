"""docs/schedules.md says what is so: its examples are run."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import from_ms
from streamproc.core.rules.kinds import TIMED_KINDS
from streamproc.core.state.effects import Reminder
from streamproc.core.state.events import (
    AccountActivated,
    PlanChanged,
    PreferencesSet,
    ProfileChanged,
    SubscriberEvent,
    ToppedUp,
)
from tests.support.line import SUBSCRIBER, Line, reminders

TEXT = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(yaml|text)\n(.*?)```", re.DOTALL)
HEAD = re.compile(r"(\S+), anchor (\d+), (.{16}) to (.{16})")
PLANS = """
version: 1
currency: CNY
default_locale: en
plans:
  - {id: basic-5gb, allowances: [{id: data, granted_bytes: 5_000}]}
  - {id: family-20gb, allowances: [{id: data, granted_bytes: 20_000}]}
packs:
  - {id: week-3gb, granted_bytes: 3_000, validity_hours: 168}
  - {id: day-1gb, granted_bytes: 1_000, validity_hours: 24}
"""


def examples() -> list[tuple[str, str]]:
    """Rules and timeline of each."""
    found, rules = [], ""
    for language, content in BLOCK.findall(TEXT):
        if language == "yaml":
            rules = content
        else:
            found.append((rules, content))
    return found


def with_texts(rules: str) -> str:
    """The rules file of an example, which leaves out what is the same everywhere."""
    listed: list[dict[str, Any]] = yaml.safe_load(rules)["rules"]
    for rule in listed:
        rule |= {"category": "c", "texts": {"en": "{used}"}}
        if "date" in rule:
            rule["date"] = str(rule["date"])
    return PLANS + yaml.safe_dump({"rules": listed})


class Timeline:
    """One subscriber on the clocks of the zone they are in."""

    def __init__(self, rules: str, zone: str, anchor: int, start: str) -> None:
        self.zone = ZoneInfo(zone)
        self.line = Line(load_rulebook(with_texts(rules), "docs.yaml"))
        self.shown: list[str] = []
        when = self.at(start)
        begin = AccountActivated("a", "crm", SUBSCRIBER, when, "basic-5gb", zone, anchor)
        self.note(self.line.feed(begin))

    def at(self, local: str) -> datetime:
        return datetime.fromisoformat(local).replace(tzinfo=self.zone)

    def happens(self, local: str, what: str) -> None:
        when, words = self.at(local), what.split()
        self.note(self.line.reach(when))
        common = (f"e-{local}", "crm", SUBSCRIBER, when)
        event: SubscriberEvent
        if words[0] == "buys":
            event = ToppedUp(*common, pack=words[1])
        elif words[0] == "has":
            event = PlanChanged(*common, words[1])
        elif words[0] == "moves":
            self.zone = ZoneInfo(words[2])
            event = ProfileChanged(*common, time_zone=words[2])
        elif words[0] == "is":
            event = ProfileChanged(*common, segments=[] if words[2] == "none" else [words[2]])
        else:
            assert words[0] == "chooses"
            every: Any = words[1]
            at: dict[str, Any] = {"summary_at": words[3]} if len(words) == 4 else {}
            event = PreferencesSet(*common, summary_every=every, **at)
        self.note(self.line.feed(event))

    def note(self, effects: list[Any]) -> None:
        self.shown += [self._shown(one) for one in reminders(effects)]

    def _shown(self, one: Reminder) -> str:
        return f"{one.as_of.astimezone(self.zone):%Y-%m-%d %H:%M} {one.rule}"


@pytest.mark.parametrize(("rules", "timeline"), examples())
def test_an_example_is_so(rules: str, timeline: str) -> None:
    above, _, below = timeline.partition("--\n")
    head, *events = above.strip().split("\n")
    found = HEAD.fullmatch(head)
    assert found is not None, head
    zone, anchor, start, end = found.groups()
    run = Timeline(rules, zone, int(anchor), start)
    for event in events:
        run.happens(event[2:18], event[19:])
    run.note(run.line.reach(run.at(end)))
    assert run.shown == below.strip().split("\n")
    instants = [one.as_of for one in reminders(run.line.effects)]
    assert instants == sorted(instants)
    assert from_ms(run.line.account.next_due_ms) > run.at(end)


def test_every_kind_of_schedule_has_an_example() -> None:
    rules = "".join(rules for rules, _ in examples())
    assert [kind for kind in TIMED_KINDS if f"kind: {kind}" not in rules] == []
