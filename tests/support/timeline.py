"""A rules file and what happens to one subscriber under it, told as a timeline."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from streamproc.contracts.rulesfile import load_rulebook
from streamproc.core.effects import Audited, Effect, Rejected, Reminder
from tests.support.line import START, Line

QUIET = (
    *("activated", "topped_up", "plan_changed", "cycle_closed", "bucket_expired", "late_usage"),
    *("left_category", "joined_category", "fired"),
)
"""Decisions that are no business of the alert rules, or that repeat a reminder."""

HEAD = """\
version: 1
currency: EUR
default_locale: en
plans:
  - id: basic
    allowances: [{id: data, granted_bytes: 1000}]
    overage_price_minor: 10
    overage_unit_bytes: 10
  - id: big
    allowances: [{id: data, granted_bytes: 3000}]
packs:
  - {id: day, granted_bytes: 200, validity_hours: 24}
"""


def line(rules: str, head: str = HEAD, zone: str = "UTC", plan: str = "basic") -> Line:
    """An active subscriber under a file of ``head`` and ``rules``."""
    one = Line(load_rulebook(head + rules, "rules.yaml"))
    one.activate(zone=zone, plan=plan)
    return one


def story(effects: list[Effect]) -> list[str]:
    """What was sent, with its text, and what else was decided, in order."""
    told = []
    for one in effects:
        if isinstance(one, Reminder):
            told.append(f"{one.rule}: {one.text}")
        elif isinstance(one, Rejected):
            told.append(f"rejected: {one.reason}")
        elif isinstance(one, Audited) and one.decision not in QUIET:
            level = f" {one.threshold}" if isinstance(one.threshold, int) else ""
            told.append(f"({one.decision} {one.rule}{level})")
    return told


_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d)  (\S.*)")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}


def act(one: Line, when: datetime, command: str) -> list[Effect]:
    """Do what a line of a timeline says; see :func:`played`."""
    at = (when - START) / timedelta(days=1)
    words = command.split()
    match words[0]:
        case "use":
            fields = {"roaming_zone": words[4]} if words[3:4] == ["in"] else {}
            return one.use(int(words[1]) * _UNITS[words[2]], at=at, **fields)
        case "top-up":
            return one.top_up(at=at, granted_bytes=int(words[1]) * _UNITS[words[2]])
        case "pack":
            return one.top_up(at=at, pack=words[1])
        case "plan":
            return one.change_plan(words[1], at=at)
        case "opt-out" | "opt-in":
            return one.opt(words[1], at=at, out=words[0] == "opt-out")
        case "wait":
            return one.reach(when)
    raise ValueError(f"no such action: {command}")


def played(rules: str, timeline: str, head: str, plan: str, zone: str = "UTC") -> tuple[str, str]:
    """A timeline as it is written, and as it comes true.

    Its lines are instants (UTC) with an action, each followed by what it leads to, indented: the
    reminders (``rule: text``) and, in brackets, other decisions. The account begins with 2026.
    """
    one = Line(load_rulebook(head + rules, "rules.yaml"))
    one.activate(plan=plan, zone=zone)
    lines = []
    for text in timeline.strip("\n").split("\n"):
        found = _LINE.fullmatch(text)
        if found is None:
            assert text.startswith(" "), text
            continue
        lines.append(text)
        when = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
        lines += [f"{'':18}{line}" for line in story(act(one, when, found[2]))]
    return timeline.strip("\n"), "\n".join(lines)
