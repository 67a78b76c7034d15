"""Rules about ends of packs and top-ups that choose kinds; what the packaged ones say of each."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from streamproc.contracts.rules_file.load import RulesError, default_rulebook, load_rulebook
from streamproc.core.instants import to_ms
from streamproc.core.state.account import pack, rare_state_of, unpack
from streamproc.core.state.events import ProfileChanged
from streamproc.core.step.transition import advance
from tests.support.line import START, SUBSCRIBER, Line, day, decisions, reminders
from tests.support.timeline import HEAD

RULES = """\
rules:
  - {id: packs, kind: expiry, bucket_kinds: [pack], category: c, texts: {en: "pack {bucket}"}}
  - {id: topups, kind: before_expiry, days_before: 1, at: "10:00", bucket_kinds: [topup],
     category: c, texts: {en: "top-up"}}
"""


def test_a_rule_about_ends_speaks_of_its_kinds_alone() -> None:
    line = Line(load_rulebook(HEAD + RULES, "r.yaml"))
    line.activate(plan="basic")
    line.top_up(at=1, pack="day")
    line.top_up(at=1, granted_bytes=50, expires_time=datetime(2026, 1, 9, 12, tzinfo=UTC))
    line.reach(datetime(2026, 1, 20, tzinfo=UTC))
    assert [(one.rule, f"{one.as_of:%d %H:%M}") for one in reminders(line.effects)] == [
        ("packs", "03 00:00"),
        ("topups", "08 10:00"),
    ]


def test_the_packaged_rules_tell_once_of_the_end_of_a_day_pack_whenever_it_is_bought() -> None:
    for hour in range(24):
        line = Line(default_rulebook())
        line.activate(plan="lite-500mb", zone="UTC")
        line.top_up(at=3 + hour / 24, pack="day-1gb")
        line.reach(datetime(2026, 1, 10, tzinfo=UTC))
        told = [one for one in reminders(line.effects) if one.rule.endswith("expiry")]
        assert [one.rule for one in told] == ["day-pack-expiry"], hour
        told_at = told[0].as_of
        assert (8, 0) <= (told_at.hour, told_at.minute) < (21, 0), hour
        left = day(4 + hour / 24) - told_at
        assert timedelta(hours=3) <= left <= timedelta(hours=15, minutes=1), hour


NIGHT = """\
rules:
  - {id: soon, kind: expiry, hours_before: 3, not_between: {start: "21:00", end: "08:00"},
     category: c, texts: {en: "{bucket} ends {expires}"}}
"""


def told_under(rules: str, bought: datetime, zone: str, hours: int = 24) -> list[datetime]:
    head = HEAD.replace("validity_hours: 24", f"validity_hours: {hours}")
    line = Line(load_rulebook(head + rules, "r.yaml"))
    line.activate(plan="basic", zone=zone)
    line.top_up(at=(bought - START) / timedelta(days=1), pack="day")
    line.reach(bought + timedelta(days=3))
    return [one.as_of.astimezone(ZoneInfo(zone)) for one in reminders(line.effects)]


def test_a_pack_that_lives_within_one_night_is_told_of_by_nobody() -> None:
    bought = datetime(2026, 1, 5, 22, tzinfo=UTC)
    assert told_under(NIGHT, bought, "UTC", 9) == []
    assert told_under(NIGHT, bought, "UTC", 11) == [datetime(2026, 1, 6, 8, tzinfo=UTC)]


def test_the_evening_before_is_by_the_clocks_of_a_night_in_which_they_change() -> None:
    zone = ZoneInfo("Europe/Berlin")
    bought = datetime(2026, 3, 28, 6, tzinfo=zone)
    assert told_under(NIGHT, bought.astimezone(UTC), "Europe/Berlin") == [
        datetime(2026, 3, 28, 20, 59, tzinfo=zone)
    ]


def test_who_was_told_in_the_evening_and_moves_is_not_told_again() -> None:
    for zone, moved_at in (("Asia/Shanghai", 14.2), ("Europe/Berlin", 20.5)):
        line = Line(load_rulebook(HEAD + NIGHT, "r.yaml"))
        line.activate(plan="basic", zone=zone)
        line.top_up(at=3.2, pack="day")
        line.send(ProfileChanged, at=3 + moved_at / 24, time_zone="Europe/London")
        line.reach(datetime(2026, 1, 10, tzinfo=UTC))
        assert len(reminders(line.effects)) == 1, zone


@pytest.mark.parametrize(
    ("own", "hours_before", "told"),
    [
        ((18, 10), 3, [17, 59]),  # both hours are quiet: before the first of them
        ((18, 10), 12, [10, 0]),
        ((8, 21), 3, [7, 59]),  # nothing of the day is left: the subscriber's own count
        ((12, 12), 15, [8, 0]),  # never quiet: the rule is not told at night all the same
        ((1, 2), 3, [19, 0]),
    ],
)
def test_neither_the_rules_hours_nor_the_subscribers_own_are_disturbed(
    own: tuple[int, int], hours_before: int, told: list[int]
) -> None:
    rules = NIGHT.replace("hours_before: 3", f"hours_before: {hours_before}")
    line = Line(load_rulebook(HEAD + rules, "r.yaml"))
    line.activate(plan="basic", zone="UTC")
    account = line.account
    rare_state_of(account).quiet_minutes = [60 * one for one in own]
    line.state = pack(account)
    line.top_up(at=3 + 22 / 24, pack="day")
    line.reach(datetime(2026, 1, 10, tzinfo=UTC))
    (said,) = reminders(line.effects)
    assert [said.as_of.hour, said.as_of.minute] == told
    assert "quiet_hours" not in decisions(line.effects)


@pytest.mark.parametrize(("bought_at", "told"), [(6, []), (10, ["morning"])])
def test_a_worker_that_comes_back_at_night_leaves_it_for_the_morning(
    bought_at: int, told: list[str]
) -> None:
    rules = NIGHT.replace("hours_before: 3", "hours_before: 10")
    line = Line(load_rulebook(HEAD + rules, "r.yaml"))
    line.activate(plan="basic", zone="UTC")
    line.top_up(at=3 + bought_at / 24, pack="day")
    assert line.state is not None
    night_ms = to_ms(day(4 + 2 / 24))  # the reminder was due at 20:59
    account, effects = advance(
        unpack(line.state), SUBSCRIBER, night_ms, line.rules, line.ids, lateness_counts=True
    )
    assert (reminders(effects), decisions(effects)) == ([], ["quiet_hours"])
    assert account is not None
    line.state, line.effects = pack(account), []
    line.reach(datetime(2026, 1, 10, tzinfo=UTC))
    assert ["morning" for one in reminders(line.effects) if one.as_of == day(4 + 8 / 24)] == told
    assert len(reminders(line.effects)) == len(told)


def test_hours_to_be_left_out_are_checked() -> None:
    for was, problem in (
        ("hours_before: 3", "not_between: is for what is told hours_before the end"),
        ('start: "21:00"', "not_between.end: is the start too; leave not_between out"),
    ):
        new = "hours_before: 0" if "hours" in was else 'start: "08:00"'
        with pytest.raises(RulesError, match=re.escape(problem)):
            load_rulebook(HEAD + NIGHT.replace(was, new), "r.yaml")


def test_the_packaged_rules_tell_of_the_end_of_longer_packs_and_of_top_ups() -> None:
    line = Line(default_rulebook())
    line.activate(plan="lite-500mb", zone="UTC")
    line.top_up(at=3.5, pack="week-3gb")
    line.top_up(at=3.5, granted_bytes=50, expires_time=datetime(2026, 1, 9, 12, tzinfo=UTC))
    line.reach(datetime(2026, 1, 20, tzinfo=UTC))
    told = [one for one in reminders(line.effects) if one.rule.endswith("expiry")]
    assert [(one.rule, f"{one.as_of:%d %H}") for one in told] == [
        ("topup-expiry", "08 10"),
        ("pack-expiry", "10 10"),
    ]
