"""Law 18, and the calendar under it: cycles, local times, what falls due when."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.core.instants import DAY_MS, from_ms, to_ms
from streamproc.core.rules.rule import Every, TimedRule
from streamproc.core.schedule.calendar import (
    cycle_of,
    known_zone,
    local_date,
    local_instant_ms,
    local_time,
)
from streamproc.core.state.events import AccountActivated
from streamproc.lab.oracle import days
from tests.property.budget import budget
from tests.property.rulebooks import TIMES, timed_rule
from tests.support.line import SUBSCRIBER, Line, day, reminders, rulebook

ALL_ZONES = sorted(name for name in available_timezones() if "/" in name or name == "UTC")
ZONES = st.sampled_from(ALL_ZONES) | st.sampled_from(
    ["America/Havana", "America/Santiago", "Asia/Beirut", "Africa/Cairo", "Australia/Lord_Howe"]
)
DATES = st.dates(date(2011, 1, 1), date(2037, 12, 31))
INSTANTS = st.integers(to_ms(datetime.fromisoformat("2011-01-01T00:00Z")), 2_140_000_000_000)
CLOCK_TIMES = st.times().map(lambda at: at.replace(microsecond=0)) | TIMES


def shown(instant_ms: int, zone: str) -> datetime:
    return from_ms(instant_ms).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@budget(300)
@given(zone=ZONES, on=DATES, at=CLOCK_TIMES)
def test_law_18_a_local_time_is_its_first_occurrence_or_the_end_of_its_gap(
    zone: str, on: date, at: time
) -> None:
    found = local_instant_ms(on, at, known_zone(zone))
    wanted = datetime.combine(on, at)
    assert found == days.instant_of(on, at, zone)
    assert shown(found, zone) >= wanted
    assert shown(found - 1, zone) < wanted


def changes(zone: str, year: int) -> list[int]:
    """Instants of a year at which clocks change, to the minute."""
    tz = ZoneInfo(zone)
    start = to_ms(datetime(year, 1, 1, tzinfo=ZoneInfo("UTC")))
    found = []
    for hour in range(start, start + 366 * DAY_MS, 3_600_000):
        if (
            from_ms(hour).astimezone(tz).utcoffset()
            != from_ms(hour + 3_600_000).astimezone(tz).utcoffset()
        ):
            minute = hour
            while (
                from_ms(minute).astimezone(tz).utcoffset()
                == from_ms(minute + 60_000).astimezone(tz).utcoffset()
            ):
                minute += 60_000
            found.append(minute + 60_000)
    return found


@pytest.mark.parametrize(
    ("zone", "year"),
    [
        ("Europe/Berlin", 2026),
        ("America/New_York", 2026),
        ("America/Havana", 2026),
        ("America/Santiago", 2026),
        ("Asia/Beirut", 2026),
        ("Australia/Lord_Howe", 2026),
        ("Africa/Casablanca", 2026),
        ("America/St_Johns", 2010),  # back at one past midnight, into the day before
        ("Pacific/Apia", 2011),  # a day left out
    ],
)
def test_law_18_every_minute_around_a_change_of_clocks(zone: str, year: int) -> None:
    tz = known_zone(zone)
    for change in changes(zone, year):
        around = shown(change, zone)
        for minutes in range(-200, 200, 10):
            wanted = around + timedelta(minutes=minutes)
            found = local_instant_ms(wanted.date(), wanted.time(), tz)
            assert found == days.instant_of(wanted.date(), wanted.time(), zone)
        for offset_ms in (-7_200_000, -1, 0, 1, 1_800_000, 3_600_000, 7_200_000):
            instant = change + offset_ms
            assert local_time(instant, tz).replace(tzinfo=None) == shown(instant, zone)
            assert local_date(instant, tz) == days.day_of(instant, zone)
            # Where clocks go back over midnight, a day ends, comes again, and ends for good.
            for anchor in (around.day, (around + timedelta(days=1)).day):
                start, end = cycle_of(instant, anchor, tz)
                assert start <= instant < end
                assert (start, end) == days.cycle_around(instant, anchor, zone)


@budget(200)
@given(zone=ZONES, instant=INSTANTS)
def test_law_18_what_clocks_show(zone: str, instant: int) -> None:
    tz = known_zone(zone)
    assert local_time(instant, tz).replace(tzinfo=None) == shown(instant, zone)
    assert local_date(instant, tz) == days.day_of(instant, zone) == shown(instant, zone).date()


@budget(100)
@given(zone=ZONES, instant=INSTANTS, anchor=st.integers(1, 31))
def test_law_18_cycles_follow_one_another_without_gap_or_drift(
    zone: str, instant: int, anchor: int
) -> None:
    tz = known_zone(zone)
    cycles = [cycle_of(instant, anchor, tz)]
    assert cycles[0][0] <= instant < cycles[0][1]
    for _ in range(14):
        cycles.append(cycle_of(cycles[-1][1], anchor, tz))
    for (_, end), (start, _) in pairwise(cycles):
        assert start == end
    for start, end in cycles:
        assert cycle_of(start, anchor, tz) == cycle_of(end - 1, anchor, tz) == (start, end)
        assert days.cycle_around(start, anchor, zone) == (start, end)
        first = shown(start, zone).date()
        last_of_month = (first.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(1)
        assert first.day == min(anchor, last_of_month.day)
        assert 27 * DAY_MS < end - start < 32 * DAY_MS


@st.composite
def summaries(draw: st.DrawFn) -> TimedRule:
    usual: tuple[Every, ...] = ("day", "week", "month")
    every = draw(st.sampled_from(usual))
    on = draw(st.integers(1, 7 if every == "week" else 31))
    return timed_rule("summary", "usage_summary", draw(TIMES), every, on)


def due_days(rule: TimedRule, first: date, count: int) -> list[date]:
    """Days of a summary, from the rule's words."""
    found = []
    for number in range(count):
        one = first + timedelta(days=number)
        is_last = (one + timedelta(days=1)).day == 1
        if (
            rule.every == "day"
            or (rule.every == "week" and one.isoweekday() == rule.day)
            or (rule.every == "month" and (one.day == rule.day or (is_last and one.day < rule.day)))
        ):
            found.append(one)
    return found


@budget(40)
@given(
    zone=ZONES,
    rule=summaries(),
    start=st.floats(0, 700),
    steps=st.lists(st.floats(0, 40), min_size=1, max_size=8),
)
def test_law_18_a_summary_comes_once_at_each_of_its_local_times(
    zone: str, rule: TimedRule, start: float, steps: list[float]
) -> None:
    line = Line(rulebook(timed_rules=(rule,)))
    line.activate(at=start, zone=zone)
    at = start
    for step in steps:
        at += step
        line.reach(day(at))
    sent = [to_ms(one.as_of) for one in reminders(line.effects)]
    first = shown(to_ms(day(start)), zone).date() - timedelta(days=1)
    wanted = [
        days.instant_of(one, rule.at, zone) for one in due_days(rule, first, int(at - start) + 4)
    ]
    # A day that a zone leaves out altogether shares its instant with the next one.
    assert sent == sorted({one for one in wanted if to_ms(day(start)) < one <= to_ms(day(at))})
    assert len({one.id for one in reminders(line.effects)}) == len(sent)


@pytest.mark.parametrize(("by_ms", "comes"), [(-1, True), (0, False), (1, False)])
def test_law_18_a_summary_comes_if_it_falls_due_after_the_activation(
    by_ms: int, comes: bool
) -> None:
    rule = timed_rule("summary", "usage_summary", time(9), "week", 1)
    line = Line(rulebook(timed_rules=(rule,)))
    due = datetime(2026, 1, 5, 9, tzinfo=UTC)
    when = due + timedelta(milliseconds=by_ms)
    line.feed(AccountActivated("a", "crm", SUBSCRIBER, when, "basic", "UTC", 1))
    sent = [one.as_of for one in reminders(line.reach(due + timedelta(days=7)))]
    assert sent == ([due] if comes else []) + [due + timedelta(days=7)]


@budget(40)
@given(
    zone=ZONES,
    anchor=st.integers(1, 31),
    at=TIMES,
    before=st.integers(1, 27),
    start=st.floats(0, 400),
)
def test_law_18_a_reminder_before_the_cycles_end_comes_once_in_every_cycle(
    zone: str, anchor: int, at: time, before: int, start: float
) -> None:
    rule = timed_rule("end", "before_cycle_end", at, days_before=before)
    line = Line(rulebook(timed_rules=(rule,), history_cycles=24))
    line.activate(at=start, zone=zone, anchor=anchor)
    line.reach(day(start + 200))
    sent = [to_ms(one.as_of) for one in reminders(line.effects)]
    ends = [cycle.end_ms for cycle in line.account.history] + [line.account.cycle_end_ms]
    wanted = [
        days.instant_of(shown(end, zone).date() - timedelta(days=before), at, zone) for end in ends
    ]
    assert sent == [one for one in wanted if to_ms(day(start)) < one <= to_ms(day(start + 200))]
    assert len(sent) >= len(ends) - 2


@budget(40)
@given(
    zone=ZONES,
    at=TIMES,
    before=st.integers(0, 10),
    bought=st.floats(0, 60),
    lasts=st.floats(0.01, 30),
    used_up=st.booleans(),
)
def test_law_18_a_reminder_before_expiry_comes_while_there_is_something_left(
    zone: str, at: time, before: int, bought: float, lasts: float, used_up: bool
) -> None:
    rule = timed_rule("expiry", "before_expiry", at, days_before=before)
    line = Line(rulebook(timed_rules=(rule,), usage_rules=()))
    line.activate(zone=zone)
    ends = day(bought + lasts)
    line.top_up(at=bought, granted_bytes=100, expires_time=ends)
    line.use(100 if used_up else 99, at=bought, rating_group=0)
    line.reach(day(200))
    # The allowance comes first in the order of charge, so the top-up stays untouched.
    assert [one.remaining_bytes for one in reminders(line.effects)] in ([], [100])
    due = days.instant_of(shown(to_ms(ends), zone).date() - timedelta(days=before), at, zone)
    comes = to_ms(day(bought)) < due <= to_ms(ends)
    assert [to_ms(one.as_of) for one in reminders(line.effects)] == ([due] if comes else [])
