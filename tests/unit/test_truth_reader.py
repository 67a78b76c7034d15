"""The reader of law 28 finds what is false: each message here was changed by hand."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.core.rules.placeholders import Kind
from streamproc.core.rules.preferences import PREFERENCES, Preference
from tests.support.truth.account import Snapshot
from tests.support.truth.checks import COMPOSED, Reader, meant_for
from tests.support.truth.figures import names_of
from tests.support.truth.play import Player, Scene
from tests.unit.test_truth_cases import Life, instant, rules_of, spoken

MB = 1_000_000


def scene_of_usage(rules: Any, used: int, **fields: Any) -> tuple[Life, Scene]:
    """What usage of somebody leads to that nobody has read yet."""
    life = Life(rules)
    life.begin(next(iter(rules.plans)), **fields)
    event = {
        "id": "u",
        "source": "test",
        "subscriber": life.player.name,
        "time": instant("01-02 10:00"),
        "type": "usage.recorded",
        "total_bytes": used,
    }
    return life, life.player.feed(event, instant("01-02 10:00"))


def found(life: Life, scene: Scene) -> set[str]:
    reader = Reader(life.player.rules, life.player, has_words=True)
    reader.read(scene)
    return {one.kind for one in reader.findings}


@pytest.mark.parametrize("one", PREFERENCES, ids=lambda one: one.action)
def test_the_reader_reads_the_setting_that_replies_to_a_choice_show(one: Preference) -> None:
    composed = {
        name for known in one.answers.values() for name, kind in known.items() if kind is Kind.TEXT
    }

    assert composed <= COMPOSED.keys()


RULES = rules_of(
    plans=[
        {
            "id": "plan",
            "allowances": [{"id": "data", "granted_bytes": 1000 * MB}],
            "overage_price_minor": 5,
        }
    ],
    rules=[
        spoken(
            "low",
            "usage_percent",
            "{percent}% of {bucket}, {remaining} left until {expires}; then {price}"
            "{remaining, plural, =0 {!} other {.}}",
            thresholds=[80, 100],
            mandatory=True,
        )
    ],
)


def test_a_true_message_is_found_true() -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    assert [one.text for one in scene.messages] == [
        "85% of data, 150 MB left until 2026-02-01 00:00; then €0.05."
    ]
    assert found(life, scene) == set()


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("85%", "84%", "percent"),
        ("data", "films", "bucket"),
        ("150 MB", "151 MB", "remaining"),
        ("150 MB", "149.99 MB", "remaining"),
        ("150 MB", "unlimited", "remaining"),
        ("2026-02-01", "2026-02-02", "expires"),
        ("€0.05", "€0.50", "price"),
        ("€0.05", "$0.05", "price"),
        ("€0.05", "0.05", "price"),
        ("€0.05.", "€0.05!", "remaining as plural"),
        ("left", "gone", "text"),
    ],
)
def test_another_figure_name_end_price_or_branch_is_found(old: str, new: str, kind: str) -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    (message,) = scene.messages
    assert old in message.text
    scene.messages = [replace(message, text=message.text.replace(old, new, 1))]
    assert found(life, scene) == {kind}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"recipient": "861380000099"}, "recipient"),
        ({"used_bytes": 1}, "used_bytes"),
        ({"overage_bytes": 1}, "overage_bytes"),
        ({"threshold": None}, "threshold"),
    ],
)
def test_another_field_of_the_record_is_found(fields: dict[str, Any], kind: str) -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    (message,) = scene.messages
    scene.messages = [replace(message, **fields)]
    assert kind in found(life, scene)


def test_a_threshold_that_is_not_reached_is_found() -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    (message,) = scene.messages
    assert message.threshold is not None
    scene.messages = [replace(message, threshold=replace(message.threshold, value=100))]
    assert "threshold" in found(life, scene)


def test_a_message_that_is_not_sent_is_found() -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    scene.messages = []
    assert found(life, scene) == {"lost"}


def test_a_message_that_is_sent_twice_is_found() -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    scene.messages *= 2
    assert found(life, scene) == {"id"}


@pytest.mark.parametrize(
    ("reader", "texts", "meant"),
    [
        ("pl", ["en", "pl"], ["pl"]),
        ("pl-PL", ["en", "pl"], ["pl"]),
        ("zh-HK", ["en", "zh-CN", "zh-TW"], ["zh-TW"]),
        ("es-MX", ["en", "es", "es-US"], ["es", "es-US"]),
        ("de", ["en", "zh-CN", "fr"], ["en", "fr"]),
    ],
)
def test_a_text_is_meant_for_those_who_read_its_language(
    reader: str, texts: list[str], meant: list[str]
) -> None:
    assert meant_for(reader, texts) == meant


def test_a_message_in_another_language_than_the_readers_is_found() -> None:
    life, scene = scene_of_usage(default_rulebook(), 450 * MB, locale="pl")
    _, english = scene_of_usage(default_rulebook(), 450 * MB, locale="en")
    assert found(life, scene) == set()
    life, scene = scene_of_usage(default_rulebook(), 450 * MB, locale="pl")
    scene.messages = english.messages
    assert "language" in found(life, scene)


CAPPED = rules_of(
    plans=[
        {
            "id": "plan",
            "allowances": [{"id": "data", "granted_bytes": 1000 * MB}],
            "overage_price_minor": 5,
            "cost_cap_minor": 1000,
        }
    ],
    rules=[spoken("costs", "overage_started", "{price}, so far {spend}")],
)


@pytest.mark.parametrize(("used", "kinds"), [(1010 * MB, {"lost"}), (1200 * MB, set())])
def test_a_price_under_a_cap_is_owed_unless_the_cap_is_reached_at_once(
    used: int, kinds: set[str]
) -> None:
    life, scene = scene_of_usage(CAPPED, used)
    scene.messages = []
    assert found(life, scene) == kinds


def test_a_price_beside_what_it_says_itself_is_found() -> None:
    life, scene = scene_of_usage(default_rulebook(), 600 * MB, locale="en")
    (message,) = scene.messages
    assert message.kind == "overage_started"
    level = next(one for one in life.player.rules.usage_rules if one.id == "low-balance")
    scene.messages = [
        message,
        replace(message, id="f" * 32, rule=level.id, kind=level.kind, buckets=message.buckets[:1]),
    ]
    assert "twice" in found(life, scene)


def test_a_price_that_only_a_level_stands_for_is_found() -> None:
    life, scene = scene_of_usage(default_rulebook(), 600 * MB, locale="en")
    (message,) = scene.messages
    level = next(one for one in life.player.rules.usage_rules if one.id == "low-balance")
    scene.messages = [replace(message, rule=level.id, kind=level.kind, buckets=message.buckets[:1])]
    assert "lost" in found(life, scene)


def test_packaged_words_that_are_not_so_are_found() -> None:
    life, scene = scene_of_usage(default_rulebook(), 450 * MB, locale="en")
    assert scene.messages
    assert found(life, scene) == set()
    scene.messages[0] = replace(
        scene.messages[0], text="Data alert: all of your data is used up (Jan 2, 10:00)."
    )
    assert any(kind.startswith("words") or kind == "text" for kind in found(life, scene))


def test_a_snapshot_stays_as_it_was() -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    state: Snapshot = scene.states[-1]
    life.use("01-02 11:00", 100 * MB)
    assert [one["used"] for one in state.live] == [850 * MB]
    assert isinstance(life.player, Player)


def night_with_notices() -> tuple[Life, Scene]:
    """The morning after an activation and an entry into a zone, both in quiet hours."""
    notices = [
        {"id": "hello", "kind": "activation_welcome", "category": "service",
         "texts": {"en": "{granted} with {services}"}},
        {"id": "abroad", "kind": "roaming_welcome", "category": "service", "ttl_seconds": 3600,
         "in_quiet_hours": "hold", "texts": {"en": "{zone} for {price} per {unit}"}},
    ]  # fmt: skip
    questions = [
        {"id": kind, "kind": f"{kind}_question", "category": "service",
         "texts": {"en": "{service} for {price}? {yes} {number}, {no} {number} by {deadline}"}}
        for kind in ("subscription", "charge")
    ]  # fmt: skip
    rules = rules_of(
        alerts={"quiet_hours": {"start": "22:00", "end": "07:00"}},
        plans=[{"id": "plan", "allowances": [{"id": "data", "granted_bytes": 1000 * MB}]}],
        packs=[{"id": "extra", "granted_bytes": 500 * MB, "validity_hours": 48}],
        services=[
            {"id": name, "names": {"en": name.title()}, "price_minor": 300}
            for name in ("news", "music")
        ],
        roaming_zones=[{"id": "eu", "names": {"en": "Europe"}, "price_minor": 20}],
        notices=[*notices, *questions],
        commands={},
        rules=[spoken("low", "usage_percent", thresholds=[80])],
    )
    life = Life(rules)
    life.begin("plan", when="01-01 23:00", services=["news"])
    life.at("01-01 23:10", "service.subscribed", service="music")
    life.pack("01-01 23:20", "extra")
    life.at("01-01 23:30", "location.updated", roaming_zone="eu")
    return life, life.player.reach(instant("01-02 07:00"))


def test_notices_that_waited_are_found_true() -> None:
    life, scene = night_with_notices()
    assert [one.text for one in scene.messages] == [
        "1 GB with News and Music",
        "Europe for €0.20 per MB",
    ]
    assert found(life, scene) == set()


@pytest.mark.parametrize(
    ("number", "old", "new", "kind"),
    [
        (0, "News and Music", "News", "services"),
        (0, "1 GB", "1.5 GB", "granted"),
        (1, "€0.20", "€0.30", "price"),
    ],
)
def test_a_notice_of_what_was_so_when_it_was_held_is_found(
    number: int, old: str, new: str, kind: str
) -> None:
    life, scene = night_with_notices()
    message = scene.messages[number]
    scene.messages[number] = replace(message, text=message.text.replace(old, new))
    assert found(life, scene) == {kind}


def test_a_notice_of_the_same_that_is_sent_twice_is_found() -> None:
    life, scene = night_with_notices()
    scene.messages.append(replace(scene.messages[1], id="f" * 32))
    assert found(life, scene) == {"twice"}


@pytest.mark.parametrize("is_told", [True, False])
def test_a_cost_that_nobody_is_told_of_because_its_cycle_ended_is_found(is_told: bool) -> None:
    rules = rules_of(
        alerts={"quiet_hours": {"start": "22:00", "end": "08:00"}},
        plans=[
            {
                "id": "plan",
                "allowances": [{"id": "data", "granted_bytes": 1000 * MB}],
                "overage_price_minor": 5,
            }
        ],
        rules=[spoken("costs", "overage_started", "{price}, {as_of}")],
    )
    life = Life(rules)
    life.begin("plan")
    life.use("01-31 23:00", 1001 * MB)
    scene = life.player.reach(instant("02-01 12:00"))
    (message,) = scene.messages
    assert message.text == "€0.05, 2026-02-01 00:00"
    assert (message.not_before - message.as_of).total_seconds() == 8 * 3600
    if not is_told:
        scene.messages = []
    life.reader.read(scene)
    life.reader.read(life.player.reach(instant("02-03 12:00")))
    assert {one.kind for one in life.reader.findings} == (set() if is_told else {"lost"})


@pytest.mark.parametrize("is_told", [True, False])
def test_a_cost_beside_home_data_that_nobody_is_told_of_is_found(is_told: bool) -> None:
    home = {"id": "data", "granted_bytes": 1000 * MB, "roaming_zones": ["home"]}
    rules = rules_of(
        plans=[{"id": "plan", "allowances": [home], "overage_price_minor": 5}],
        rules=[spoken("costs", "overage_started", "{price}, {remaining} left")],
    )
    life = Life(rules)
    life.begin("plan")
    event = {"id": "v", "source": "test", "subscriber": life.player.name, "type": "usage.recorded",
             "time": instant("01-02 11:00"), "total_bytes": MB, "roaming_zone": "asia"}  # fmt: skip
    scene = life.player.feed(event, instant("01-02 11:00"))
    assert [one.text for one in scene.messages] == ["€0.05, 1 GB left"]
    if not is_told:
        scene.messages = []
    life.reader.read(scene)
    assert {one.kind for one in life.reader.findings} == (set() if is_told else {"lost"})


def test_what_rolled_over_has_names_in_the_characters_of_the_text_alone() -> None:
    rules = rules_of(
        plans=[
            {
                "id": "plan",
                "allowances": [{"id": "data", "granted_bytes": MB, "rollover": {"max_bytes": MB}}],
            }
        ],
        rules=[spoken("low", "usage_percent", "{bucket}", thresholds=[80])],
    )
    carried = {"source": "data", "kind": "rollover"}
    assert len(names_of(carried, rules, ("zh-TW", "zh-CN"))) == 1
    assert len(names_of(carried, rules, ("pl", "en"))) == 2


def test_quiet_hours_that_are_set_while_a_message_waits_hold_it() -> None:
    rules = rules_of(
        plans=[{"id": "plan", "allowances": [{"id": "data", "granted_bytes": 1000 * MB}]}],
        rules=[
            spoken(
                "low", "usage_percent", thresholds=[80], coalesce_seconds=4 * 3600, mandatory=True
            )
        ],
        commands={},
    )
    for is_told in (True, False):
        life = Life(rules)
        life.begin("plan")
        life.use("01-02 21:30", 850 * MB)
        life.text("01-02 22:30", "QUIET 22:00-7:00")
        life.use("01-03 03:00", 10 * MB)
        scene = life.player.reach(instant("01-03 07:00"))
        assert len(scene.messages) == 1
        scene.messages = scene.messages if is_told else []
        life.reader.read(scene)
        life.until("01-04 08:00")
        assert [one.kind for one in life.reader.findings] == ([] if is_told else ["lost"])


@pytest.mark.parametrize("is_told", [True, False])
def test_a_cost_from_before_a_purchase_that_nobody_is_told_of_is_found(is_told: bool) -> None:
    rules = rules_of(
        plans=[
            {
                "id": "plan",
                "allowances": [{"id": "data", "granted_bytes": 1000 * MB}],
                "overage_price_minor": 5,
            }
        ],
        rules=[spoken("costs", "overage_started", "{price}, {remaining} left, {as_of}")],
    )
    life = Life(rules)
    life.begin("plan")
    life.use("01-02 10:00", 1000 * MB)
    life.top_up("01-05 12:00", 500 * MB)
    event = {"id": "v", "source": "test", "subscriber": life.player.name, "type": "usage.recorded",
             "time": instant("01-03 11:00"), "total_bytes": MB}  # fmt: skip
    scene = life.player.feed(event, instant("01-07 11:00"))
    assert [one.text for one in scene.messages] == ["€0.05, 0 MB left, 2026-01-05 12:00"]
    if not is_told:
        scene.messages = []
    life.reader.read(scene)
    life.reader.read(life.player.reach(instant("01-09 12:00")))
    assert {one.kind for one in life.reader.findings} == (set() if is_told else {"lost"})


def test_late_usage_that_the_larger_plan_covered_reaches_nothing_again() -> None:
    sizes = {"large": 1000 * MB, "small": 500 * MB}
    rules = rules_of(
        plans=[
            {"id": name, "allowances": [{"id": "data", "granted_bytes": size}]}
            for name, size in sizes.items()
        ],
        rules=[spoken("low", "usage_percent", thresholds=[100])],
    )
    life = Life(rules)
    life.begin("large")
    life.use("01-02 10:00", 600 * MB)
    assert len(life.at("01-04 12:00", "account.plan_changed", plan="small")) == 1
    assert not life.use("01-03 11:00", 200 * MB, arrives="01-04 12:05")
    life.until("01-06 12:00")
    assert not life.reader.findings


def test_what_rolled_over_owes_nothing_when_late_usage_has_emptied_it() -> None:
    """It is 0 of 0 then: nothing of it was ever used."""
    rolled = {"id": "data", "granted_bytes": 100 * MB, "rollover": {"max_bytes": 100 * MB}}
    low = spoken("low", "usage_percent", thresholds=[80], bucket_kinds=["rollover"])
    rules = rules_of(
        plans=[{"id": "plan", "allowances": [rolled]}],
        rules=[low],
        alerts={"quiet_hours": {"start": "21:00", "end": "07:00"}},
    )
    life = Life(rules)
    life.begin("plan")
    life.use("01-02 10:00", 60 * MB)
    life.use("02-01 00:01", 35 * MB)  # of the 40 MB that rolled over
    late = {"arrives": "02-01 00:02"}
    life.use("01-31 23:59", 40 * MB, **late)
    account = life.player.account
    assert account is not None
    (bucket,) = [one for one in account.buckets if one.kind == "rollover"]
    assert (bucket.granted_bytes, bucket.used_bytes) == (0, 0)
    assert life.until("02-02 12:00") == []
    life.all_true()


LIMITED = rules_of(
    plans=[
        {
            "id": "plan",
            "allowances": [{"id": "data", "granted_bytes": 1000 * MB}],
            "policies": [{"id": "end", "when": "nothing_left", "state": "barred"}],
        },
        {
            "id": "capped",
            "allowances": [{"id": "data", "granted_bytes": 1000 * MB}],
            "overage_price_minor": 5,
            "cost_cap_minor": 1000,
            "policies": [{"id": "stop", "when": "cost_cap", "state": "barred"}],
        },
        {
            "id": "empty",
            "allowances": [],
            "policies": [{"id": "slow", "when": "nothing_left", "state": "throttled",
                          "throttle_kbps": 64}],
        },
    ],
    packs=[{"id": "day", "granted_bytes": 100 * MB, "validity_hours": 24}],
    rules=[
        spoken("stopped", "access_limited", "No data", policies=["end", "stop", "slow"]),
        spoken("again", "resolved", "Data works", of=["stopped"]),
    ],
)  # fmt: skip
LIMITS_OF_LIVES: list[tuple[str, list[tuple[str, dict[str, Any]]], list[str]]] = [
    ("plan", [("usage.recorded", {"total_bytes": 1000 * MB})], ["No data"]),
    ("capped", [("usage.recorded", {"total_bytes": 9000 * MB})], ["No data"]),
    ("empty", [], ["No data"]),
    ("plan", [("account.plan_changed", {"plan": "empty", "effective": "now"})], ["No data"]),
    (
        "empty",
        [("account.topped_up", {"pack": "day"})],
        ["Data works"],
    ),
    (
        "capped",
        [("usage.recorded", {"total_bytes": 9000 * MB}), ("account.topped_up", {"pack": "day"})],
        ["No data"],
    ),
    (
        "capped",
        [
            ("usage.recorded", {"total_bytes": 9000 * MB}),
            ("account.cost_cap_lifted", {"tariff": "", "until": "cycle_end"}),
        ],
        ["Data works"],
    ),
]  # fmt: skip


def limited(plan: str, events: list[tuple[str, dict[str, Any]]]) -> tuple[Reader, Scene]:
    """A life, read up to its last event, and the scene of that event."""
    player = Player(LIMITED)
    reader = Reader(LIMITED, player)
    first = ("account.activated", {"plan": plan, "time_zone": "UTC", "billing_anchor_day": 1})
    *before, last = [first, *events]
    for number, (kind, fields) in enumerate((*before, last)):
        at_ms = instant(f"01-{number + 2:02} 10:00")
        common = {"id": f"e{number}", "source": "test", "subscriber": player.name, "time": at_ms}
        scene = player.feed({**common, "type": kind, **fields}, at_ms)
        if number < len(before):
            reader.read(scene)
    assert not reader.findings
    return reader, scene


@pytest.mark.parametrize(("plan", "events", "texts"), LIMITS_OF_LIVES)
def test_a_limit_that_begins_stays_after_a_purchase_or_ends_without_a_message_is_found(
    plan: str, events: list[tuple[str, dict[str, Any]]], texts: list[str]
) -> None:
    reader, scene = limited(plan, events)
    assert [one.text for one in scene.messages] == texts
    reader.read(scene)
    assert reader.findings == []
    reader, scene = limited(plan, events)
    scene.messages = []
    reader.read(scene)
    assert [one.kind for one in reader.findings] == ["lost"]


def test_a_limit_that_ends_at_an_instant_without_a_message_is_found() -> None:
    for is_told in (True, False):
        usage = ("usage.recorded", {"total_bytes": 1000 * MB})
        reader, scene = limited("plan", [usage])
        reader.read(scene)
        scene = reader.player.reach(instant("02-01 00:00"))
        assert [one.text for one in scene.messages] == ["Data works"]
        scene.messages = scene.messages if is_told else []
        reader.read(scene)
        assert [one.kind for one in reader.findings] == ([] if is_told else ["lost"])


def test_a_limit_that_is_not_in_force_is_found() -> None:
    reader, scene = limited("plan", [("usage.recorded", {"total_bytes": 1000 * MB})])
    (message,) = scene.messages
    reader, scene = limited("plan", [("usage.recorded", {"total_bytes": 999 * MB})])
    assert scene.messages == []
    bucket = message.buckets[0]
    less = {"used_bytes": 999 * MB, "remaining_bytes": 1 * MB}
    scene.messages = [replace(message, **less, buckets=[replace(bucket, **less)])]
    reader.read(scene)
    assert [one.kind for one in reader.findings] == ["limit"]


def test_the_end_of_a_contract_owes_no_word_that_data_works() -> None:
    """The cycle ends before, in the same scene, and a message about it may still wait."""
    reader, scene = limited("plan", [("usage.recorded", {"total_bytes": 1000 * MB})])
    reader.read(scene)
    at_ms = instant("02-01 00:00:10")
    common = {"source": "test", "subscriber": reader.player.name, "time": at_ms}
    scene = reader.player.feed({"id": "end", "type": "account.closed", **common}, at_ms)
    scene.messages = []
    reader.read(scene)
    assert reader.findings == []
