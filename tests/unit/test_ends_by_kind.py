"""Rules about ends of packs and top-ups that choose kinds; what the packaged ones say of each."""

from __future__ import annotations

from datetime import UTC, datetime

from streamproc.contracts.rules_file.load import default_rulebook, load_rulebook
from tests.support.line import Line, reminders
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
    for hour in (0, 6, 9, 10, 12, 18, 23):
        line = Line(default_rulebook())
        line.activate(plan="lite-500mb", zone="UTC")
        line.top_up(at=3 + hour / 24, pack="day-1gb")
        line.reach(datetime(2026, 1, 10, tzinfo=UTC))
        told = [one for one in reminders(line.effects) if one.rule.endswith("expiry")]
        assert [(one.rule, one.as_of.hour) for one in told] == [
            ("day-pack-expiry", (hour - 3) % 24)
        ], hour


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
