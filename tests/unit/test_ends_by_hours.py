"""The end of a pack is reported once, whatever quiet hours its subscriber chooses meanwhile."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.state.account import RareState
from streamproc.core.state.effects import Reminder
from streamproc.core.state.events import ProfileChanged, SmsReceived
from tests.support.line import Line, day, decisions, reminders

RULES = """
version: 1
currency: EUR
default_locale: en
commands: {}
plans:
  - {id: basic, allowances: [{id: data, granted_bytes: 100}]}
packs:
  - {id: week, granted_bytes: 200, validity_hours: 168}
rules:
  - {id: ends, kind: expiry, hours_before: 3, not_between: {start: "22:00", end: "07:00"},
     bucket_kinds: [pack], category: c, texts: {en: "until {expires, time, ::Hm}"}}
"""
BOUGHT = 2.5
END = BOUGHT + 7
"""A day at 12:00: by the rule alone its reminder is due at 09:00."""


def hour(clock: float, days_before: int = 0) -> float:
    """A time on the day of the end, or some days before."""
    return END - 0.5 + clock / 24 - days_before


def line_of() -> Line:
    line = Line(load_rulebook(RULES, "r.yaml"))
    line.activate()
    line.top_up(at=BOUGHT, pack="week")
    return line


def of_ends(line: Line) -> list[Reminder]:
    return [one for one in reminders(line.effects) if one.rule == "ends"]


def reported(line: Line) -> list[float]:
    """The hours of the last day at which the end was reported."""
    line.reach(day(END + 1))
    return [(one.not_before - day(END - 0.5)).total_seconds() / 3600 for one in of_ends(line)]


def chooses(line: Line, at: float, hours: str) -> None:
    line.send(SmsReceived, at, text=f"QUIET {hours}")


def test_what_was_due_by_the_hours_before_is_not_due_again() -> None:
    line = line_of()
    chooses(line, hour(20, 1), "8:00-11:00")
    line.reach(day(hour(8)))
    assert len(of_ends(line)) == 1
    chooses(line, hour(8), "OFF")
    assert [round(one * 60) for one in reported(line)] == [8 * 60 - 1]


def test_nor_after_still_other_hours_and_a_move() -> None:
    line = line_of()
    chooses(line, hour(20, 1), "8:00-11:00")
    line.reach(day(hour(8)))
    line.send(ProfileChanged, hour(8.1), time_zone="America/New_York")
    for number, hours in enumerate(("OFF", "20:00-23:00", "8:00-11:00", "DEFAULT")):
        chooses(line, hour(8.2 + number / 10), hours)
    assert len(reported(line)) == 1


@pytest.mark.parametrize(("hours", "told_at"), [("20:00-11:00", 11.0), ("22:00-9:30", 9.5)])
def test_what_the_new_hours_would_have_had_before_is_due_now(hours: str, told_at: float) -> None:
    line = line_of()
    chooses(line, hour(7.5), "7:45-10:00")
    line.effects = []
    chooses(line, hour(7.6), hours)
    assert [round(one, 2) for one in reported(line)] == [told_at]


def test_what_is_remembered_of_it_ends_with_the_pack() -> None:
    line = line_of()
    chooses(line, hour(20, 1), "8:00-11:00")
    line.reach(day(hour(8)))
    chooses(line, hour(8), "OFF")
    assert line.account is not None
    assert line.account.extra is not None
    assert line.account.extra.ends_told == [("ends", "week#1")]
    line.reach(day(END))
    assert line.account.extra.ends_told == RareState().ends_told


def test_a_move_never_makes_the_report_of_an_end_too_late() -> None:
    """At the move it is after 10:00 in Shanghai, and before 10:00 in New York."""
    rules = RULES.partition("rules:")[0] + (
        "rules:\n"
        "  - {id: ends, kind: before_expiry, days_before: 1, at: '10:00', category: c,"
        " texts: {en: '{expires}'}}\n"
        "  - {id: cycle, kind: before_cycle_end, days_before: 1, at: '10:00', category: c,"
        " texts: {en: '{cycle_end}'}}\n"
        "  - {id: sum, kind: usage_summary, every: day, at: '10:00', category: c,"
        " texts: {en: sum}}\n"
    )
    line = Line(load_rulebook(rules, "r.yaml"))
    line.activate(zone="America/New_York", anchor=10)
    line.top_up(at=2.5, pack="week")
    line.effects = []
    line.send(ProfileChanged, 8.5, time_zone="Asia/Shanghai")
    said = [one.text for one in reminders(line.effects) if one.rule != "sum"]
    assert sorted(said) == ["2026-01-10 00:00", "2026-01-10 20:00"]
    assert decisions(line.effects)[-1] == "missed"
    line.reach(day(12))
    assert [one.rule for one in reminders(line.effects)].count("ends") == 1
    assert [one.rule for one in reminders(line.effects)].count("cycle") == 1
