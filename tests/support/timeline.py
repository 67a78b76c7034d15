"""A rules file, and the life of one subscriber under it, written as a timeline."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from difflib import unified_diff
from functools import cache
from textwrap import wrap
from typing import Any
from zoneinfo import ZoneInfo

from streamproc.contracts.rules_file.load import load_rulebook, packaged_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import Audited, Effect, PolicyChanged, Rejected, Reminder
from streamproc.core.state.events import (
    AccountActivated,
    CostCapLifted,
    CostCapRestored,
    LocationUpdated,
    MemberJoined,
    SmsReceived,
    SubscriberEvent,
)
from tests.support.line import START, Line

QUIET = (
    *("activated", "topped_up", "plan_changed", "cycle_closed", "bucket_expired", "late_usage"),
    *("left_category", "joined_category", "fired", "member_joined", "located", "command"),
)
"""Decisions that alert rules do not cause, or that repeat other lines."""

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


@cache
def _loaded(text: str) -> Rulebook:
    return load_rulebook(text, "rules.yaml")


def line(rules: str, head: str = HEAD, zone: str = "UTC", plan: str = "basic") -> Line:
    """An active subscriber with the rules of ``head`` and ``rules``."""
    one = Line(_loaded(head + rules))
    one.activate(zone=zone, plan=plan)
    return one


def story(effects: list[Effect]) -> list[str]:
    """The sent messages with their texts, and other decisions, in order."""
    return [words for _, words in _told(effects)]


def _told(effects: list[Effect]) -> list[tuple[datetime, str]]:
    """For each effect that is worth a line: time and words."""
    told = []
    for one in effects:
        if isinstance(one, Reminder):
            to = f" to {one.recipient}" if one.recipient else ""
            told.append((one.as_of, f"{one.rule}{to}: {one.text}"))
        elif isinstance(one, Rejected):
            told.append((one.received_time, f"rejected: {one.reason}"))
        elif isinstance(one, PolicyChanged):
            told.append((one.time, f"policy {one.counter} {one.state}"))
        elif isinstance(one, Audited) and one.decision not in QUIET:
            words = [one.decision, one.rule or ""]
            words += [str(one.threshold)] if isinstance(one.threshold, int) else []
            told.append((one.time, f"({' '.join(filter(None, words))})"))
    return told


_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d)  (\S.*)")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}


def act(one: Line, when: datetime, command: str) -> list[Effect]:
    """Do what a line of a timeline says; see :func:`played`."""
    at = (when - START) / timedelta(days=1)
    words = command.split()
    match words[0]:
        case "use":
            fields = dict(zip(words[3::2], words[4::2], strict=True))
            names = {"in": "roaming_zone", "by": "member", "for": "rating_group"}
            more: dict[str, Any] = {names[name]: value for name, value in fields.items()}
            if "for" in fields:
                more["rating_group"] = int(fields["for"])
            return one.use(int(words[1]) * _UNITS[words[2]], at=at, **more)
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
    kind, more = _event(words)
    return one.send(kind, at=at, **more)


def _event(words: list[str]) -> tuple[type[SubscriberEvent], dict[str, Any]]:
    """The less usual events, and their fields."""
    match words:
        case ["activate", plan, zone, locale, *rest]:
            anchor = int(rest[1]) if rest else 1
            place = {"time_zone": zone, "billing_anchor_day": anchor, "locale": locale}
            return AccountActivated, {"plan": plan, **place}
        case ["consent", *tariff] if tariff[-2:] == ["until", "revoked"]:
            return CostCapLifted, {"tariff": "".join(tariff[:-2]), "until": "revoked"}
        case ["consent", *tariff]:
            return CostCapLifted, {"tariff": "".join(tariff)}
        case ["restore", *tariff]:
            return CostCapRestored, {"tariff": "".join(tariff)}
        case ["arrive", place]:
            return LocationUpdated, {"roaming_zone": place}
        case ["join", member, role]:
            return MemberJoined, {"member": member, "role": role}
        case ["sms", *text]:
            return SmsReceived, {"text": " ".join(text)}
    raise ValueError(f"no such action: {' '.join(words)}")


def played(rules: str, timeline: str, head: str, plan: str) -> tuple[str, str]:
    """A timeline as it is written, and as it happens.

    Its lines are instants (UTC) with an action. Under each are its results, indented:
    reminders (``rule: text``), policy changes and, in brackets, other decisions. The
    account begins with 2026.
    """
    one = Line(_loaded(head + rules))
    one.activate(plan=plan)
    lines = []
    for text, when, command in _actions(timeline, "UTC"):
        lines.append(text)
        lines += [f"{'':18}{words}" for words in story(act(one, when, command))]
    return timeline.strip("\n"), "\n".join(lines)


def lived(rules: Rulebook, timeline: str) -> tuple[str, str]:
    """The same for a life that begins with its activation, in the subscriber's local time.

    An effect at another instant than its line's has day and time before it; long texts are wrapped.
    """
    one = Line(rules)
    lines = []
    zone = timeline.split(maxsplit=5)[4]
    for text, when, command in _actions(timeline, zone):
        lines.append(text)
        for happened, words in _told(act(one, when, command)):
            is_then = happened == when
            clock = "" if is_then else f"{happened.astimezone(ZoneInfo(zone)):%m-%d %H:%M}"
            lines += wrap(
                words,
                100,
                initial_indent=f"{clock:>16}  ",
                subsequent_indent=" " * 20,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return timeline.strip("\n"), "\n".join(lines)


def lives(pack: str, timeline: str) -> None:
    """A life under a rule pack is as it is written."""
    written, true = lived(packaged_rulebook(f"packs/{pack}.yaml"), timeline)
    lines = unified_diff(written.splitlines(), true.splitlines(), "written", "true", lineterm="")
    assert true == written, "\n".join(lines)


def _actions(timeline: str, zone: str) -> list[tuple[str, datetime, str]]:
    """The lines with actions: as written, their instant, and the action."""
    found = []
    for text in timeline.strip("\n").split("\n"):
        parts = _LINE.fullmatch(text)
        if parts is None:
            assert text.startswith(" "), text
            continue
        when = datetime.fromisoformat(parts[1]).replace(tzinfo=ZoneInfo(zone))
        found.append((text, when.astimezone(UTC), parts[2]))
    return found
