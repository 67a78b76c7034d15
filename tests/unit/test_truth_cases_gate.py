"""A message speaks of what it names, and goes to whom it is about."""

from __future__ import annotations

from datetime import time

import pytest
from msgspec.structs import replace

from streamproc.contracts.rules_file.load import load_rulebook, packaged_rulebook
from streamproc.core.alerts import speakers
from streamproc.core.alerts.message import Message
from streamproc.core.alerts.timed_rules import TIMED
from streamproc.core.instants import from_ms, to_ms
from streamproc.core.rules.sending import AlertPolicy, Cap, QuietHours
from streamproc.core.state.account import pack, rare_state_of
from streamproc.core.state.effects import Audited, Cause, Effect, Reminder
from streamproc.core.state.events import (
    MemberJoined,
    MemberLeft,
    PreferencesSet,
    ProfileChanged,
    SmsReceived,
    UsageRefunded,
)
from streamproc.core.state.message_memory import Mark, Waiting
from streamproc.core.state.moment import moment_of_time
from tests.support.line import SUBSCRIBER, Line, day
from tests.support.timeline import HEAD, line

HOUR = 1 / 24
MINUTE = HOUR / 60
NIGHT_HEAD = HEAD.replace(
    "plans:", "alerts: {quiet_hours: {start: '22:00', end: '07:00'}}\nplans:", 1
)
LOW = "id: low, kind: usage_percent, thresholds: [50, 80, 100]"
TEXT = "category: c, texts: {en: '{percent}% of {bucket}'}"
M1, M2, M3, OWNER = "861380011", "861380012", "861380013", "861380019"


def rules(*lines: str) -> str:
    return "rules:\n" + "".join(f"  - {{{one}, {TEXT}}}\n" for one in lines)


def told(effects: list[Effect]) -> list[str]:
    """What was sent, with the figures of its bucket in bytes, and to whom in a pool."""
    found = []
    for one in effects:
        if isinstance(one, Reminder):
            to = f" to {one.recipient}" if one.recipient else ""
            figures = f", {one.used_bytes} of {one.granted_bytes}" if "% of" in one.text else ""
            found.append(f"{one.rule}{to}: {one.text}{figures}")
    return found


def dropped(effects: list[Effect]) -> list[tuple[object, ...]]:
    """What did not go out (yet): decision, bucket, threshold, member."""
    return [
        (one.decision, one.bucket or "", one.threshold, one.member or "")
        for one in effects
        if isinstance(one, Audited) and one.rule and one.decision != "fired"
    ]


def over_night(one: Line) -> list[Effect]:
    """The plan at 40 %, a pack bought in the evening, and usage until 23:21."""
    effects = one.use(400, at=1.5)
    effects = effects + one.top_up(at=1 + 21 * HOUR + 50 * MINUTE, pack="day")
    for number in range(32):
        at = 1 + 22 * HOUR + (10 + 71 / 31 * number) * MINUTE
        effects = effects + one.use(10, at=at)
    return effects


# Buckets


def test_an_event_that_reaches_levels_of_two_buckets_is_two_messages() -> None:
    one = Line(packaged_rulebook("default.yaml"))
    one.activate(plan="lite-500mb")
    one.use(350_000_000, at=1)
    one.top_up(at=2, pack="day-1gb")
    found = [
        (one.buckets[0].id, len(one.buckets), one.threshold and one.threshold.value, one.used_bytes)
        for one in one.use(1_060_000_000, at=2.1)
        if isinstance(one, Reminder) and one.kind == "usage_percent"
    ]
    assert found == [("day-1gb#1", 1, 100, 1_000_000_000), ("data-lite", 1, 80, 410_000_000)]


EACH = ["low: 100% of day, 200 of 200", "low: 52% of data, 520 of 1000"]


def test_what_waits_in_the_night_is_told_bucket_by_bucket() -> None:
    one = line(rules(LOW), head=NIGHT_HEAD)
    assert told(over_night(one)) == []
    assert told(one.reach(day(2.5))) == EACH


LEVELS = {
    "remaining_bytes": ("[0, 40, 100, 480]", ["day, 200 of 200", "data, 520 of 1000"]),
    "remaining_percent": ("[0, 20, 48]", ["day, 200 of 200", "data, 520 of 1000"]),
    "used_bytes": ("[100, 200, 510]", ["day, 200 of 200", "data, 520 of 1000"]),
}


@pytest.mark.parametrize("kind", LEVELS)
def test_the_same_of_every_kind_of_level(kind: str) -> None:
    thresholds, ends = LEVELS[kind]
    one = line(rules(f"id: low, kind: {kind}, thresholds: {thresholds}"), head=NIGHT_HEAD)
    over_night(one)
    assert [text.partition(" of ")[2] for text in told(one.reach(day(2.5)))] == ends


def test_a_cool_down_keeps_buckets_apart_and_lets_them_go_together() -> None:
    one = line(rules(f"{LOW}, cool_down_seconds: 43_200"))
    assert told(over_night(one)) == ["low: 50% of day, 100 of 200"]
    assert told(one.reach(day(2.7))) == EACH
    assert told(one.use(300, at=2.72)) == []  # the rule cools down since
    assert told(one.reach(day(3.5))) == ["low: 82% of data, 820 of 1000"]


def test_a_cap_keeps_buckets_apart_and_counts_each() -> None:
    head = HEAD.replace("plans:", "alerts: {caps: [{messages: 1, window_hours: 12}]}\nplans:", 1)
    one = line(rules(LOW), head=head)
    assert told(over_night(one)) == ["low: 50% of day, 100 of 200"]
    assert told(one.reach(day(2.5))) == EACH[:1]
    assert told(one.reach(day(2.9))) == []
    assert told(one.reach(day(3.1))) == EACH[1:]


def test_what_waits_for_others_waits_bucket_by_bucket() -> None:
    one = line(rules(f"{LOW}, coalesce_seconds: 43_200"))
    assert told(over_night(one)) == []
    assert told(one.reach(day(2.7))) == EACH


def test_the_audit_names_the_bucket_of_every_decision() -> None:
    one = line(rules(LOW), head=NIGHT_HEAD)
    over_night(one)
    one.reach(day(2.5))
    decided = [one for one in one.effects if isinstance(one, Audited) and one.rule]
    assert {one.decision for one in decided} == {"quiet_hours", "superseded", "fired"}
    assert {one.bucket for one in decided} == {"day#1", "data"}


def test_packs_that_end_at_different_hours_are_told_each_with_its_end() -> None:
    text = (
        "rules:\n  - {id: ends, kind: before_expiry, days_before: 1, at: '23:00',"
        " category: c, texts: {en: '{bucket} until {expires}'}}\n"
    )
    head = NIGHT_HEAD.replace(
        "packs:\n",
        "packs:\n  - {id: a, granted_bytes: 300, validity_hours: 36}\n"
        "  - {id: b, granted_bytes: 400, validity_hours: 41}\n",
    )
    one = line(text, head=head)
    one.top_up(at=1, pack="a")
    one.top_up(at=1, pack="b")
    assert told(one.reach(day(2 + 7 * HOUR))) == [
        "ends: a until 2026-01-03 12:00",
        "ends: b until 2026-01-03 17:00",
    ]


def test_what_is_over_is_told_bucket_by_bucket() -> None:
    text = rules(LOW.replace("[50, 80, 100]", "[50]") + ", in_quiet_hours: send")
    text += f"  - {{id: again, kind: resolved, of: [low], {TEXT}}}\n"
    one = line(text, head=NIGHT_HEAD)
    one.top_up(at=1.5, granted_bytes=100)
    one.use(1100, at=1.6)
    one.top_up(at=1.95, granted_bytes=900)
    one.change_plan("big", at=1.96)
    assert told(one.reach(day(2.5))) == [
        "again: 10% of extra data, 100 of 1000",
        "again: 33% of data, 1000 of 3000",
    ]


GONE = "id: gone, kind: zero_balance, group: g, severity: critical, coalesce_seconds: 3600"


@pytest.mark.parametrize("for_count", [1, 2])
def test_one_message_stands_for_all_that_is_about_the_same_thing(for_count: int) -> None:
    """Two buckets have nothing in common, but "nothing is left" is about both of them.

    With ``for_count: 2`` it waits already when the two others come.
    """
    low = f"id: low, kind: usage_percent, thresholds: [100], group: g, for_count: {for_count}"
    one = line(rules(GONE, low))
    one.top_up(at=1, pack="day")
    effects = one.use(1300, at=1.1) + one.use(10, at=1.11)
    sent = [effect for effect in effects if isinstance(effect, Reminder)]
    assert [effect.rule for effect in sent] == ["gone"]
    assert ("merged", "data", 100, "") in dropped(effects)
    assert ("merged", "day#1", 100, "") in dropped(effects)
    assert told(one.reach(day(3))) == []


# A held message that is true no more


def test_a_lower_threshold_that_still_is_reached_is_told_instead() -> None:
    one = line(rules(LOW), head=NIGHT_HEAD)
    one.use(500, at=1.95)
    one.use(350, at=1.96)
    one.send(UsageRefunded, 1.97, refunded_bytes=250)
    effects = one.reach(day(2.5))
    assert told(effects) == ["low: 60% of data, 600 of 1000"]
    assert dropped(effects) == [("no_longer_true", "data", 80, "")]
    reminder = next(one for one in effects if isinstance(one, Reminder))
    assert reminder.threshold is not None
    assert reminder.threshold.value == 50


def test_the_same_of_thresholds_that_one_event_jumped_over() -> None:
    for kind, thresholds in (("usage_percent", "[50, 80]"), ("remaining_bytes", "[200, 500]")):
        one = line(rules(f"id: low, kind: {kind}, thresholds: {thresholds}"), head=NIGHT_HEAD)
        one.use(850, at=1.95)
        one.send(UsageRefunded, 1.96, refunded_bytes=250)
        assert told(one.reach(day(2.5))) == ["low: 60% of data, 600 of 1000"]


def test_none_that_was_told_before_is_told_again() -> None:
    one = line(rules(LOW), head=NIGHT_HEAD)
    assert told(one.use(500, at=1.5)) != []
    one.use(350, at=1.96)
    one.send(UsageRefunded, 1.97, refunded_bytes=250)
    assert told(one.reach(day(2.5))) == []


def test_of_spend_the_lower_amount_is_told_instead() -> None:
    text = (
        "rules:\n  - {id: spent, kind: spend_amount, thresholds: [50, 90], category: c,"
        " texts: {en: '{threshold}: {spend}'}}\n"
    )
    one = line(text, head=NIGHT_HEAD)
    one.use(1100, at=1.95)
    one.send(UsageRefunded, 1.96, refunded_bytes=40)
    assert told(one.reach(day(2.5))) == ["spent: €0.50: €0.60"]


# Groups


def test_a_mandatory_level_of_one_bucket_is_not_lost_in_that_of_another() -> None:
    one = Line(packaged_rulebook("packs/india.yaml"))
    one.activate(plan="combo-30gb")
    one.use(12_000_000_000, at=1)
    one.top_up(at=2, pack="day-1gb")
    found = [
        (one.buckets[0].id, one.used_bytes)
        for one in one.use(14_500_000_000, at=2.1)
        if isinstance(one, Reminder)
    ]
    assert found == [("day-1gb#1", 1_000_000_000), ("combo", 25_500_000_000)]


def test_a_group_merges_what_is_about_the_same_bucket() -> None:
    text = rules(
        "id: percent, kind: usage_percent, thresholds: [50], group: g",
        "id: left, kind: remaining_bytes, thresholds: [100], group: g, severity: warning",
    )
    one = line(text)
    one.top_up(at=1, pack="day")
    effects = one.use(800, at=1.1)
    assert told(effects) == [
        "left: 100% of day, 200 of 200",
        "percent: 60% of data, 600 of 1000",
    ]
    assert dropped(effects) == [("merged", "day#1", 50, "")]


def test_that_nothing_is_left_is_also_about_every_bucket_that_is_used_up() -> None:
    text = rules("id: low, kind: usage_percent, thresholds: [100], group: g")
    text += (
        "  - {id: empty, kind: zero_balance, group: g, severity: warning, category: c,"
        " texts: {en: nothing left}}\n"
    )
    one = line(text)
    one.top_up(at=1, pack="day")
    assert told(one.use(1200, at=1.1)) == ["empty: nothing left"]
    some = line(text.replace("severity: warning", "severity: info"))
    some.top_up(at=1, pack="day")
    assert told(some.use(1200, at=1.1)) == [
        "low: 100% of day, 200 of 200",
        "low: 100% of data, 1000 of 1000",
    ]


@pytest.mark.parametrize(
    "rule",
    [
        "kind: spend_amount, thresholds: [1]",
        "kind: velocity, thresholds: [100], window_seconds: 3600",
    ],
)
def test_what_is_about_the_account_swallows_no_buckets_message(rule: str) -> None:
    text = rules("id: low, kind: usage_percent, thresholds: [100], group: g, mandatory: true")
    text += (
        f"  - {{id: all, {rule}, group: g, severity: critical, mandatory: true, category: c,"
        " texts: {en: all}}\n"
    )
    assert sorted(told(line(text).use(1100, at=1))) == [
        "all: all",
        "low: 100% of data, 1000 of 1000",
    ]


def price_and_levels(urgency: str, head: str = HEAD) -> Line:
    return line(
        rules("id: low, kind: usage_percent, thresholds: [100], group: g, mandatory: true")
        + f"  - {{id: price, kind: overage_started, group: g, {urgency}, category: c,"
        " texts: {en: 'used up, {price} a unit'}}\n",
        head,
    )


def test_the_price_of_what_comes_next_says_of_each_bucket_that_it_is_used_up() -> None:
    one = price_and_levels("mandatory: true, severity: warning")
    one.top_up(at=1, pack="day")
    effects = one.use(1300, at=1.1)
    assert told(effects) == ["price: used up, €0.10 a unit"]
    assert dropped(effects) == [("merged", "day#1", 100, ""), ("merged", "data", 100, "")]


@pytest.mark.parametrize(
    "urgency", ["mandatory: true, priority: 50", "mandatory: false, severity: critical"]
)
def test_a_price_that_is_not_the_more_urgent_message_is_told_by_itself(urgency: str) -> None:
    one = price_and_levels(urgency)
    assert told(one.use(1100, at=1)) == [
        "low: 100% of data, 1000 of 1000",
        "price: used up, €0.10 a unit",
    ]


def test_a_price_at_home_says_nothing_of_data_for_something_else() -> None:
    films = "{id: films, granted_bytes: 500, rating_groups: [20], priority: 40}"
    head = HEAD.replace("granted_bytes: 1000}]", f"granted_bytes: 1000}}, {films}]", 1)
    one = price_and_levels("mandatory: true, severity: warning", head)
    assert told(one.use(1700, at=1, rating_group=20)) == [
        "price: used up, €0.10 a unit",
        "low: 100% of films, 500 of 500",
    ]


def test_a_price_that_follows_a_tariff_swallows_no_level() -> None:
    head = HEAD.replace(
        "overage_unit_bytes: 10\n",
        "overage_unit_bytes: 10\n    tariffs: [{id: t, rating_groups: [20],"
        " overage_price_minor: 1, overage_unit_bytes: 1}]\n",
        1,
    )
    one = price_and_levels("mandatory: true, severity: warning, tariff: t", head)
    assert told(one.use(1100, at=1, rating_group=20)) == [
        "price: used up, €0.01 a unit",
        "low: 100% of data, 1000 of 1000",
    ]


def test_a_level_that_waits_for_the_morning_is_told_with_the_price_at_night() -> None:
    text = rules("id: low, kind: usage_percent, thresholds: [100], group: g")
    text += (
        "  - {id: price, kind: overage_started, group: g, severity: warning,"
        " in_quiet_hours: send, category: c, texts: {en: used up}}\n"
    )
    one = line(text, NIGHT_HEAD)
    assert told(one.use(1000, at=1 + 23 * HOUR)) == []
    assert told(one.use(1, at=1 + 23.5 * HOUR)) == ["price: used up"]
    assert told(one.reach(day(3))) == []


def test_a_mandatory_message_is_not_merged_into_one_of_another_fact() -> None:
    group = "group: g, mandatory: true, category: c, texts: {en: x}"
    text = (
        "rules:\n  - {id: spent, kind: spend_amount, thresholds: [1], severity: critical, "
        f"{group}}}\n"
        f"  - {{id: fast, kind: velocity, thresholds: [100], window_seconds: 3600, {group}}}\n"
        f"  - {{id: more, kind: spend_amount, thresholds: [2], {group}}}\n"
    )
    assert told(line(text).use(1100, at=1)) == ["spent: x", "fast: x"]


# Pools

POOL = HEAD.replace("granted_bytes: 1000}", "granted_bytes: 10_000}")
POOL_NIGHT = POOL.replace(
    "plans:", "alerts: {quiet_hours: {start: '22:00', end: '07:00'}}\nplans:", 1
)
SHARE = "id: share, kind: usage_percent, thresholds: [50, 100], bucket_kinds: [member]"


def pool(text: str, head: str = POOL, owner: bool = False) -> Line:
    one = line(text, head=head)
    one.send(MemberJoined, 0.1, member=M1, role="member", cap_bytes=100)
    one.send(MemberJoined, 0.1, member=M2, role="member", cap_bytes=1000)
    if owner:
        one.send(MemberJoined, 0.1, member=OWNER, role="owner")
    return one


SHARES = [
    f"share to {M1}: 100% of your share, 100 of 100",
    f"share to {M2}: 100% of your share, 1000 of 1000",
]


@pytest.mark.parametrize("what", ["quiet", "coalesce_seconds: 43_200"])
def test_what_members_reached_is_told_to_each_by_itself(what: str) -> None:
    head, more = (POOL_NIGHT, "") if what == "quiet" else (POOL, f", {what}")
    one = pool(rules(SHARE + more), head)
    one.use(60, at=1 + 22.15 * HOUR, member=M1)
    one.use(50, at=1 + 22.15 * HOUR, member=M1)
    effects = one.use(1000, at=1 + 23.2 * HOUR, member=M2)
    assert dropped(effects)[-1][1:] == (f"member:{M2}", 100, M2)
    effects = one.reach(day(2.5))
    assert told(effects) == SHARES
    for reminder in (one for one in effects if isinstance(one, Reminder)):
        assert [bucket.id for bucket in reminder.buckets] == [f"member:{reminder.recipient}"]
    fired = [one for one in effects if isinstance(one, Audited) and one.decision == "fired"]
    assert [(one.member, one.bucket) for one in fired] == [(m, f"member:{m}") for m in (M1, M2)]


def test_caps_and_cool_downs_are_of_each_recipient() -> None:
    caps = POOL.replace("plans:", "alerts: {caps: [{messages: 1, window_hours: 12}]}\nplans:", 1)
    for one in (pool(rules(SHARE), caps), pool(rules(f"{SHARE}, cool_down_seconds: 43_200"))):
        assert told(one.use(60, at=1, member=M1)) != []
        assert told(one.use(50, at=1.1, member=M1)) == []
        assert told(one.use(1000, at=1.2, member=M2)) == SHARES[1:]
        assert told(one.reach(day(1.5))) == SHARES[:1]


def test_who_heard_already_hears_no_second_time_while_another_waits() -> None:
    text = rules(f"{SHARE}, audience: both, cool_down_seconds: 43_200")
    one = pool(text, owner=True)
    assert told(one.use(60, at=1, member=M1)) == [
        f"share to {OWNER}: 60% of share of {M1}, 60 of 100",
        f"share to {M1}: 60% of your share, 60 of 100",
    ]
    effects = one.use(600, at=1.1, member=M2)
    assert told(effects) == [f"share to {M2}: 60% of your share, 600 of 1000"]
    assert told(one.reach(day(1.5))) == [f"share to {OWNER}: 60% of share of {M2}, 600 of 1000"]
    assert told(one.reach(day(3))) == []


def test_your_share_is_that_of_who_reads_it() -> None:
    """Of an owner with a share, and of the pool's own number if it is a member."""
    text = rules(f"{SHARE}, audience: account_holder")
    one = pool(text)
    one.send(MemberJoined, 0.2, member=SUBSCRIBER, role="member", cap_bytes=100)
    assert told(one.use(60, at=1, member=SUBSCRIBER)) == ["share: 60% of your share, 60 of 100"]
    assert told(one.use(600, at=1.1, member=M2)) == [f"share: 60% of share of {M2}, 600 of 1000"]
    one = pool(text)
    one.send(MemberJoined, 0.2, member=OWNER, role="owner", cap_bytes=100)
    assert told(one.use(60, at=1, member=OWNER)) == [
        f"share to {OWNER}: 60% of your share, 60 of 100"
    ]


@pytest.mark.parametrize("role", ["member", "owner"])
def test_the_own_number_of_a_pool_gets_one_message_though_it_is_a_member_too(role: str) -> None:
    one = pool(rules(f"{SHARE}, audience: both"))
    one.send(MemberJoined, 0.2, member=SUBSCRIBER, role=role, cap_bytes=100)
    effects = one.use(60, at=1, member=SUBSCRIBER)
    assert [one.recipient or SUBSCRIBER for one in effects if isinstance(one, Reminder)] == [
        SUBSCRIBER
    ]


def test_a_list_of_buckets_names_a_share_as_its_reader_does() -> None:
    text = rules(f"{SHARE}, audience: both").replace("{percent}% of {bucket}", "{buckets}")
    one = pool(text, owner=True)
    assert told(one.use(60, at=1, member=M1)) == [
        f"share to {OWNER}: share of {M1} <1 MB",
        f"share to {M1}: your share <1 MB",
    ]


def test_an_owner_hears_the_highest_of_what_several_members_reached() -> None:
    text = rules(f"{LOW}, audience: both")
    one = pool(text, POOL_NIGHT, owner=True)
    one.use(5000, at=1.95, member=M1)
    one.use(3000, at=1.96, member=M2)
    effects = one.reach(day(2.5))
    levels = [
        (one.recipient, one.threshold and one.threshold.value)
        for one in effects
        if isinstance(one, Reminder)
    ]
    assert sorted(levels, key=str) == [(M1, 50), (M2, 80), (OWNER, 80)]
    assert dropped(effects) == [("superseded", "data", 50, OWNER)]


def test_late_usage_of_who_left_is_told_to_present_members_or_the_owner() -> None:
    for owner, audience, to in (
        (False, "device_user", [M1, M2]),
        (True, "device_user", [M1, M2]),
        (True, "account_holder", [OWNER]),
        (True, "both", [OWNER, M1, M2]),
    ):
        for member in (M3, "861389999"):  # who left, and who never belonged
            one = pool(rules(f"{LOW}, audience: {audience}"), owner=owner)
            one.send(MemberJoined, 0.2, member=M3, role="member")
            one.send(MemberLeft, 1, member=M3)
            text = "80% of data, 8000 of 10000"
            assert told(one.use(8000, at=0.9, arrives=2, member=member)) == [
                f"low to {name}: {text}" for name in to
            ]


def test_who_left_while_a_message_waited_is_told_nothing() -> None:
    one = pool(rules(LOW, SHARE), POOL_NIGHT)
    one.send(MemberJoined, 0.2, member=M3, role="member", cap_bytes=8000)
    one.use(8000, at=1.95, member=M3)
    one.send(MemberLeft, 1.96, member=M3)
    text = "80% of data, 8000 of 10000"
    assert told(one.reach(day(2.5))) == [f"low to {M1}: {text}", f"low to {M2}: {text}"]


def test_the_last_member_leaves_a_message_to_the_account_itself() -> None:
    one = line(rules(LOW), head=NIGHT_HEAD)
    one.send(MemberJoined, 0.1, member=M1, role="member")
    one.use(800, at=1.95, member=M1)
    one.send(MemberLeft, 1.96, member=M1)
    assert told(one.reach(day(2.5))) == ["low: 80% of data, 800 of 1000"]


def test_a_cap_that_somebody_elses_usage_counts_up_is_told_to_whom_it_is_about() -> None:
    one = pool(rules(f"{SHARE}, for_count: 2"))
    assert told(one.use(60, at=1, member=M1)) == []
    assert told(one.use(10, at=1.1, member=M2)) == [f"share to {M1}: 60% of your share, 60 of 100"]


def test_that_a_cap_is_reached_no_more_is_its_members_business() -> None:
    text = rules(SHARE) + f"  - {{id: again, kind: resolved, of: [share], {TEXT}}}\n"
    one = pool(text, POOL_NIGHT)
    one.use(60, at=1.5, member=M1)
    one.use(600, at=1.6, member=M2)
    one.send(MemberJoined, 1.95, member=M1, role="member", cap_bytes=200)
    one.send(MemberJoined, 1.96, member=M2, role="member", cap_bytes=2000)
    assert told(one.reach(day(2.5))) == [
        f"again to {M1}: 30% of your share, 60 of 200",
        f"again to {M2}: 30% of your share, 600 of 2000",
    ]


def test_rules_about_the_account_are_about_nobody_in_particular() -> None:
    text = "rules:\n  - {id: fast, kind: velocity, thresholds: [100], window_seconds: 3600,"
    text += " category: c, texts: {en: fast}}\n"
    one = pool(text, POOL_NIGHT)
    one.use(100, at=1.95, member=M1)
    assert told(one.reach(day(2.5))) == [f"fast to {M1}: fast", f"fast to {M2}: fast"]


# What a held message waits for changes


def test_a_move_to_where_it_is_day_lets_a_held_message_out_at_once() -> None:
    one = line(rules(LOW), head=NIGHT_HEAD, zone="America/New_York")
    assert told(one.use(500, at=1 + 28 * HOUR)) == []  # 23:00
    effects = one.send(ProfileChanged, 1 + 29 * HOUR, time_zone="Pacific/Honolulu")
    assert told(effects) == ["low: 50% of data, 500 of 1000"]
    assert told(one.reach(day(5))) == []


def test_a_move_to_another_night_is_told_of() -> None:
    one = line(rules(LOW), head=NIGHT_HEAD)
    one.use(500, at=1 + 22.5 * HOUR)
    effects = one.send(ProfileChanged, 1 + 23 * HOUR, time_zone="Europe/Berlin")
    assert ("quiet_hours", "data", 50, "") in dropped(effects)
    assert told(one.reach(day(2 + 6 * HOUR))) == ["low: 50% of data, 500 of 1000"]


@pytest.mark.parametrize("text", ["QUIET OFF", "QUIET 23:30-6", "QUIET DEFAULT"])
def test_other_quiet_hours_let_a_held_message_out_at_once(text: str) -> None:
    one = line(rules(LOW), head=HEAD + "commands: {}\n")
    one.send(SmsReceived, 1, text="QUIET 22-7")
    assert told(one.use(500, at=1 + 22.5 * HOUR)) == []
    effects = one.send(SmsReceived, 1 + 23 * HOUR, text=text)
    assert told(effects)[-1] == "low: 50% of data, 500 of 1000"
    assert told(one.reach(day(5))) == []


def test_longer_quiet_hours_hold_for_longer() -> None:
    one = line(rules(LOW), head=NIGHT_HEAD + "commands: {}\n")
    one.use(500, at=1 + 23 * HOUR)
    effects = one.send(SmsReceived, 1 + 23.5 * HOUR, text="QUIET 22-9")
    assert ("quiet_hours", "data", 50, "") in dropped(effects)
    assert told(one.reach(day(2 + 8.9 * HOUR))) == []
    assert told(one.reach(day(2 + 9 * HOUR))) == ["low: 50% of data, 500 of 1000"]


def test_who_opts_out_drops_at_once_what_waits() -> None:
    for text in (None, "STOP"):
        one = line(rules(LOW), head=NIGHT_HEAD + "commands: {}\n")
        one.use(500, at=1 + 23 * HOUR)
        at = 1 + 23.5 * HOUR
        effects = one.opt("c", at=at) if text is None else one.send(SmsReceived, at, text=text)
        assert ("opted_out", "data", 50, "") in dropped(effects)
        extra = one.account.extra
        assert extra is None or not extra.waiting
        assert not any("low" in one for one in told(one.reach(day(5))))


def test_what_is_true_no_more_is_not_sent_by_a_change() -> None:
    one = line(rules(LOW), head=NIGHT_HEAD)
    one.use(500, at=1 + 23 * HOUR)
    one.change_plan("big", at=1 + 23.1 * HOUR)
    effects = one.send(ProfileChanged, 1 + 23.5 * HOUR, time_zone="Asia/Shanghai")
    assert told(effects) == []
    assert ("no_longer_true", "data", 50, "") in dropped(effects)


def test_other_rules_hold_what_waits_by_their_own_hours() -> None:
    one = line(rules(LOW), head=NIGHT_HEAD)
    one.use(500, at=1 + 23 * HOUR)
    for alerts, at in (
        (AlertPolicy(), 1 + 23.5 * HOUR + 1 / 86_400),
        (AlertPolicy(QuietHours(time(22), time(6))), 2 + 6 * HOUR),
        (AlertPolicy(QuietHours(time(22), time(9))), 2 + 9 * HOUR),
        (AlertPolicy(caps=(Cap(5, 1000),)), 1 + 23.5 * HOUR + 1 / 86_400),
    ):
        other = Line(load_rulebook(HEAD + rules(LOW), "rules.yaml"))
        other.rules = type(one.rules)(
            tuple(one.rules.plans.values()), (), one.rules.usage_rules, (), one.rules.limits,
            "en", "EUR", alerts,
        )  # fmt: skip
        other.state = one.state
        effects = other.use(1, at=1 + 23.5 * HOUR)
        effects = effects + other.reach(day(3))
        sent = [effect.as_of for effect in effects if isinstance(effect, Reminder)]
        assert len(sent) == 1
        assert abs((sent[0] - day(at)).total_seconds()) <= 1


# States of earlier versions


def test_a_held_message_of_an_earlier_version_about_several_buckets_is_split() -> None:
    one = line(rules(LOW), head=NIGHT_HEAD)
    over_night(one)
    account = one.account
    extra = rare_state_of(account)
    first = extra.waiting[0]
    marks = [mark for waiting in extra.waiting for mark in waiting.marks]
    assert len(marks) == 2
    extra.waiting = [replace(first, marks=marks, lower=[], told=[])]
    one.state = pack(account)
    assert told(one.reach(day(2.5))) == EACH


def test_a_packed_message_of_an_earlier_version_is_read() -> None:
    import msgspec

    old = ["usage", "low", [[5, "a", 50, 1, ""], [6, "b", 80, 2, ""]], 5, 9, 0]
    cause = msgspec.to_builtins(Cause(due_time=from_ms(to_ms(day(1)))))
    found = msgspec.msgpack.decode(msgspec.msgpack.encode([*old, cause]), type=Waiting)
    assert found.marks == [Mark(5, "a", 50, 1), Mark(6, "b", 80, 2)]
    assert found.lower == []
    assert found.told == []


# Bounds


def test_of_many_steps_passed_in_a_night_the_last_ones_are_kept() -> None:
    text = "rules:\n  - {id: step, kind: every_bytes, step_bytes: 10, category: c,"
    text += " texts: {en: '{threshold}'}}\n"
    one = line(text, head=NIGHT_HEAD)
    one.use(1000, at=1.5)
    for number in range(40):
        one.use(10, at=1.95 + number / 10_000)
    extra = one.account.extra
    assert extra is not None
    (waiting,) = extra.waiting
    assert [mark.threshold for mark in waiting.lower] == [10, *range(210, 400, 10)]
    one.send(UsageRefunded, 1.97, refunded_bytes=55)
    levels = [one.threshold for one in one.reach(day(2.5)) if isinstance(one, Reminder)]
    assert [one and one.value for one in levels] == [340]
    assert one.account.extra is None


def test_late_summaries_that_take_the_place_of_one_that_waits_are_one_message() -> None:
    """Two of one rule at one instant, as a move to another zone may bring them."""
    text = "rules:\n  - {id: daily, kind: usage_summary, every: day, at: '23:00', category: c,"
    text += " texts: {en: '{used}'}}\n"
    one = line(text)
    account, (rule,) = one.account, one.rules.timed_rules
    cause = Cause(due_time=day(2))
    old = Waiting("timed", "daily", [Mark(1, arming=1)], 1, to_ms(day(9)), 0, cause)
    rare_state_of(account).waiting = [old]
    late = [Message(TIMED, rule, Mark(number, arming=number), cause) for number in (2, 3)]
    effects = speakers.submit(moment_of_time(account, "861380000", one.rules, to_ms(day(2))), late)
    assert [type(one) for one in effects] == [Audited, Audited, Reminder]
    assert rare_state_of(account).waiting == []


SUMMARY = "rules:\n  - {id: summary, kind: cron, cron: '0 6,7 * * *', category: c,"
SUMMARY += " texts: {en: '{used}'}}\n"


def test_a_summary_that_waited_until_the_next_one_is_due_gives_way_to_it() -> None:
    one = line(SUMMARY, head=NIGHT_HEAD)
    one.use(100, at=1.5)
    effects = one.reach(day(2.5))
    decisions = [one.decision for one in effects if isinstance(one, Audited)]
    assert decisions == ["quiet_hours", "superseded", "fired"]
    (message,) = (one for one in effects if isinstance(one, Reminder))
    assert message.as_of == day(2 + 7 * HOUR)


def test_who_has_two_summaries_of_a_pool_waiting_gets_the_later_one_alone() -> None:
    """One was heard by a member already, so that the other did not take its place."""
    one = line(SUMMARY.replace("0 6,7", "0 3"))
    account = one.account
    cause = Cause(due_time=day(2))
    waiting = [
        Waiting("timed", "summary", [Mark(1, arming=1)], 1, to_ms(day(2)), 0, cause),
        Waiting("timed", "summary", [Mark(2, arming=2)], 2, to_ms(day(2)), 0, cause),
    ]
    rare_state_of(account).waiting = waiting
    moment = moment_of_time(account, "861380000", one.rules, to_ms(day(2)))
    effects = speakers.release(moment, to_ms(day(2)), [])
    assert [type(one) for one in effects] == [Audited, Reminder]
    assert rare_state_of(account).waiting == []


def test_a_level_that_is_in_force_again_is_told_under_another_id() -> None:
    """Usage fell below it while the subscriber's own levels replaced it."""
    one = line(rules(LOW))
    first = [effect.id for effect in one.use(1000, at=1) if isinstance(effect, Reminder)]
    one.send(PreferencesSet, 2, own_percents=[20])
    one.send(UsageRefunded, 3, refunded_bytes=100)
    one.send(PreferencesSet, 4, own_percents=[])
    again = [effect.id for effect in one.use(100, at=5) if isinstance(effect, Reminder)]
    assert len({*first, *again}) == len([*first, *again]) == 2
