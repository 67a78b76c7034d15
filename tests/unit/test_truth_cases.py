"""Messages that were once false, each for its kind: what the customer reads now (law 28).

Where wording is free, only figures and claims are looked at. Besides, every message of every case
is read by the law's own reader (``tests/support/truth``).
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from streamproc.contracts.rules_file.load import (
    default_rulebook,
    load_rulebook,
    load_rules,
    packaged_rulebook,
)
from streamproc.contracts.rules_file.packs import pack_path
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import Reminder
from tests.support.truth.checks import Reader
from tests.support.truth.claims import claims_of
from tests.support.truth.lives import SUBSCRIBER
from tests.support.truth.play import Player
from tests.support.truth.probes import LOCALES

MB = 1_000_000
GB = 1000 * MB
PLAIN = "{percent}|{bucket}|{used}|{remaining}|{granted}"
"""A text of figures alone."""


M1, M2, M3 = "861380000011", "861380000012", "861380000013"


class Life:
    """One subscriber; clocks show UTC unless told otherwise."""

    def __init__(self, rules: Rulebook) -> None:
        self.player = Player(rules)
        self.reader = Reader(rules, self.player, has_words=True)
        self.told: list[Reminder] = []
        self.count = 0

    def at(self, when: str, kind: str, **fields: Any) -> list[Reminder]:
        """An event at ``MM-DD HH:MM[:SS]`` of 2026; ``arrives`` may be later."""
        self.count += 1
        arrives = fields.pop("arrives", when)
        event = {
            "id": f"e{self.count}",
            "source": "test",
            "subscriber": SUBSCRIBER,
            "time": instant(when),
            "type": kind,
            **fields,
        }
        scene = self.player.feed(event, instant(arrives))
        assert not scene.rejected, scene.rejected
        return self._keep(scene)

    def until(self, when: str) -> list[Reminder]:
        return self._keep(self.player.reach(instant(when)))

    def _keep(self, scene: Any) -> list[Reminder]:
        self.reader.read(scene)
        self.told += scene.messages
        return list(scene.messages)

    def begin(self, plan: str, locale: str = "en", when: str = "01-01 00:00", **fields: Any) -> Any:
        place = {"time_zone": "UTC", "billing_anchor_day": 1, **fields}
        return self.at(when, "account.activated", plan=plan, locale=locale, **place)

    def use(self, when: str, used: int, **fields: Any) -> list[Reminder]:
        return self.at(when, "usage.recorded", total_bytes=used, **fields)

    def pack(self, when: str, name: str) -> list[Reminder]:
        return self.at(when, "account.topped_up", pack=name)

    def top_up(self, when: str, granted: int, **fields: Any) -> list[Reminder]:
        return self.at(when, "account.topped_up", granted_bytes=granted, **fields)

    def text(self, when: str, text: str) -> str:
        (reply,) = self.at(when, "sms.received", text=text)
        return reply.text

    def all_true(self) -> None:
        assert not self.reader.findings, "\n".join(map(str, self.reader.findings))


def instant(when: str) -> int:
    form = "%Y-%m-%d %H:%M:%S" if when.count(":") == 2 else "%Y-%m-%d %H:%M"
    return int(datetime.strptime(f"2026-{when}", form).replace(tzinfo=UTC).timestamp() * 1000)


def rules_of(**fields: Any) -> Rulebook:
    """A rules file in which a case says what it is about."""
    data = {"version": 1, "currency": "EUR", "default_locale": "en", **fields}
    return load_rulebook(json.dumps(data), "rules.yaml")


def spoken(name: str, kind: str, text: str = PLAIN, **fields: Any) -> dict[str, Any]:
    common = {"category": "balance", "texts": {"en": text}}
    return {"id": name, "kind": kind, **common, **fields}


def pack_rules(name: str) -> Rulebook:
    return load_rules(pack_path(name))


def source(one: Reminder) -> str:
    """What a message is about: one bucket."""
    (bucket,) = one.buckets
    return bucket.id.partition("#")[0]


def texts(told: list[Reminder]) -> list[str]:
    return [one.text for one in told]


QUIET = {"alerts": {"quiet_hours": {"start": "22:00", "end": "07:00"}}}


# M1: two buckets of one event


def test_m1_a_used_up_pack_does_not_speak_for_the_plan() -> None:
    life = Life(default_rulebook())
    life.begin("lite-500mb")
    life.use("01-02 10:00", 350 * MB)
    life.pack("01-02 11:00", "day-1gb")
    told = life.use("01-02 12:00", 1060 * MB)
    by_source = {source(one): one.text for one in told}
    assert sorted(map(source, told)) == ["data-lite", "day-1gb"]
    assert "90 MB" in by_source["data-lite"]
    assert "90 MB" not in by_source["day-1gb"]
    assert not re.search(r"\b0 M?B\b", by_source["data-lite"])
    life.all_true()


# M2, M3: two buckets that wait together


def night(rules: Rulebook) -> Life:
    """Both cross something in one night."""
    life = Life(rules)
    life.begin("plan")
    life.use("01-02 12:00", 400 * MB)
    life.pack("01-02 21:50", "day")
    for number in range(32):
        minute = 10 + number * 71 // 31
        life.use(f"01-02 {22 + minute // 60}:{minute % 60:02}", 10 * MB)
    life.until("01-03 07:00")
    life.until("01-04 07:00")
    return life


def waiting(rule: dict[str, Any], alerts: dict[str, Any]) -> Rulebook:
    return rules_of(
        plans=[{"id": "plan", "allowances": [{"id": "data", "granted_bytes": GB}]}],
        packs=[{"id": "day", "granted_bytes": 200 * MB, "validity_hours": 24}],
        rules=[{"id": "low", "category": "balance", "texts": {"en": PLAIN}, **rule}],
        alerts=alerts,
    )


PERCENT = {"kind": "usage_percent", "thresholds": [50, 80, 100]}
NIGHT = QUIET["alerts"]
DAY_SAYS, DATA_SAYS = "100|day|200 MB|0 MB|200 MB", "52|data|520 MB|480 MB|1 GB"


@pytest.mark.parametrize(
    ("rule", "alerts"),
    [
        pytest.param(PERCENT, NIGHT, id="quiet hours"),
        pytest.param({**PERCENT, "cool_down_seconds": 43_200}, NIGHT, id="cool-down"),
        pytest.param(
            PERCENT,
            {**NIGHT, "caps": [{"messages": 1, "window_hours": 12}]},
            id="cap",
        ),
        pytest.param({**PERCENT, "coalesce_seconds": 10_000}, {}, id="coalescing"),
        pytest.param({**PERCENT, "group": "one"}, NIGHT, id="group"),
        pytest.param({"kind": "remaining_bytes", "thresholds": [0, 500 * MB]}, NIGHT, id="left"),
        pytest.param(
            {"kind": "remaining_percent", "thresholds": [0, 49]}, NIGHT, id="percent left"
        ),
        pytest.param({"kind": "used_bytes", "thresholds": [200 * MB, 500 * MB]}, NIGHT, id="used"),
    ],
)
def test_m2_m3_what_waits_together_is_told_apart(
    rule: dict[str, Any], alerts: dict[str, Any]
) -> None:
    life = night(waiting(rule, alerts))
    told = [one for one in life.told if one.as_of.day > 2 or one.as_of.hour >= 22]
    assert sorted(texts(told)) == [DAY_SAYS, DATA_SAYS]
    life.all_true()


# M4, M5: pools


def pool(**fields: Any) -> Life:
    life = Life(
        rules_of(
            plans=[
                {
                    "id": "pool",
                    "allowances": [{"id": "shared", "granted_bytes": 10_000}],
                    "policies": [
                        {"id": "share", "when": "member_cap", "state": "throttled",
                         "throttle_kbps": 64}
                    ],
                }
            ],
            **fields,
        )
    )  # fmt: skip
    life.begin("pool")
    return life


def join(life: Life, member: str, **fields: Any) -> None:
    life.at("01-01 01:00", "account.member_joined", member=member, **fields)


@pytest.mark.parametrize("alerts", [NIGHT, {"caps": [{"messages": 1, "window_hours": 2}]}])
def test_m4_each_member_reads_of_his_own_share(alerts: dict[str, Any]) -> None:
    rule = spoken("share", "usage_percent", thresholds=[50, 100], bucket_kinds=["member"])
    life = pool(rules=[rule], alerts=alerts)
    join(life, M1, cap_bytes=100)
    join(life, M2, cap_bytes=1000)
    life.use("01-02 22:09", 60, member=M1)
    life.use("01-02 22:09:30", 50, member=M1)
    life.use("01-02 23:10", 1000, member=M2)
    life.until("01-04 00:00")
    last = {one.recipient: one for one in life.told}
    assert {name: one.buckets[0].id for name, one in last.items()} == {
        M1: "member:" + M1,
        M2: "member:" + M2,
    }
    assert last[M1].buckets[0].used_bytes == 100
    assert last[M2].text.startswith("100|")
    life.all_true()


def test_m5_who_left_is_told_nothing() -> None:
    life = pool(rules=[spoken("low", "usage_percent", thresholds=[80])])
    for name in (M1, M2, M3):
        join(life, name)
    life.at("01-04 12:00", "account.member_left", member=M3)
    told = life.use("01-03 12:00", 8500, member=M3, arrives="01-05 12:00")
    assert told
    assert {one.recipient for one in told} <= {M1, M2}
    life.all_true()


# M6: groups


def test_m6_a_group_hides_nothing_of_another_bucket() -> None:
    life = Life(pack_rules("india"))
    life.begin("combo-30gb")
    life.use("01-02 10:00", 12 * GB)
    life.pack("01-02 11:00", "day-1gb")
    told = life.use("01-02 12:00", 14_500 * MB)
    assert sorted(map(source, told)) == ["combo", "day-1gb"]
    (combo,) = [one for one in told if source(one) == "combo"]
    assert "85%" in combo.text
    life.all_true()


# M7, M8, M19: unlimited, scoped and missing allowances


def test_m7_unlimited_reads_unlimited() -> None:
    life = Life(
        rules_of(
            plans=[{"id": "endless", "allowances": [{"id": "data", "unlimited": True}]}],
            rules=[spoken("weekly", "usage_summary", at="09:00")],
            notices=[
                {"id": "hello", "kind": "activation_welcome", "category": "service",
                 "texts": {"en": "Welcome: {granted}."}}
            ],
            commands={},
        )
    )  # fmt: skip
    (welcome,) = life.begin("endless")
    life.use("01-02 10:00", 5 * MB)
    read = [welcome.text, *(life.text("01-02 11:00", one) for one in ("DATA", "BALANCE", "0000"))]
    for one in read:
        assert "unlimited" in one.lower(), one
        assert not re.search(r"100%|\b0 [kM]?B (left|of)|of 5 MB|: 0 B", one), one
    life.all_true()


def test_m8_films_without_limit_are_no_home_data() -> None:
    life = Life(
        rules_of(
            plans=[
                {
                    "id": "films",
                    "allowances": [
                        {"id": "video", "unlimited": True, "rating_groups": [20]},
                        {"id": "home", "granted_bytes": GB},
                    ],
                }
            ],
            rules=[
                spoken("weekly", "usage_summary", "{remaining}|{granted}|{overage}", at="09:00")
            ],
            commands={},
        )
    )
    life.begin("films")
    life.use("01-02 10:00", 1050 * MB, rating_group=10)
    balance = life.text("01-02 11:00", "BALANCE")
    assert re.search(r"video\W+unlimited", balance)
    assert not re.search(r"home\W+unlimited", balance)
    life.until("01-06 00:00")
    assert life.told[-1].text == "0 MB|1 GB|50 MB"
    life.all_true()


def test_m19_a_plan_without_allowances_has_used_up_nothing() -> None:
    life = Life(
        rules_of(
            plans=[{"id": "metered", "allowances": []}],
            rules=[spoken("weekly", "usage_summary", at="09:00")],
            commands={},
        )
    )
    life.begin("metered")
    for word in ("DATA", "0000", "BALANCE"):
        said = life.text("01-02 10:00", word)
        assert "100%" not in said
        assert "0 B of 0 B" not in said
    life.all_true()


@pytest.mark.parametrize("locale", LOCALES)
def test_who_never_had_data_has_used_up_none(locale: str) -> None:
    """Of a plan without allowances nothing is left, from the first day on."""
    life = Life(packaged_rulebook("quota.yaml"))
    life.begin("prepaid", locale)
    (summary,) = life.until("01-06 00:00")
    claims = claims_of(summary.text, locale, summary.kind)
    assert [one.name for one in claims] == ["nothing left"]
    life.all_true()


# M9, M20: ends


def test_m9_only_what_ends_with_the_cycle_expires_with_it() -> None:
    life = Life(default_rulebook())
    life.begin("basic-5gb")
    life.use("01-02 10:00", 4 * GB)
    life.top_up("01-03 10:00", 2 * GB, expires_time=instant("06-01 00:00"))
    life.pack("01-28 12:00", "week-3gb")
    told = life.until("01-29 10:00")
    (said,) = [one for one in told if one.kind == "before_cycle_end"]
    assert "1 GB" in said.text
    assert "6 GB" not in said.text
    life.all_true()


def test_m20_each_pack_has_its_own_end() -> None:
    life = Life(
        rules_of(
            plans=[{"id": "plan", "allowances": [{"id": "data", "granted_bytes": 1000}]}],
            packs=[
                {"id": "a", "granted_bytes": 300 * MB, "validity_hours": 48},
                {"id": "b", "granted_bytes": 400 * MB, "validity_hours": 48},
            ],
            rules=[
                spoken(
                    "ends", "before_expiry", "{bucket}; {expires}; {remaining}",
                    days_before=1, at="23:00",
                )
            ],
            **QUIET,
        )
    )  # fmt: skip
    life.begin("plan")
    life.pack("01-02 12:00", "a")
    life.pack("01-02 17:00", "b")
    life.until("01-04 08:00")
    assert sorted(texts(life.told)) == [
        "a; 2026-01-04 12:00; 300 MB",
        "b; 2026-01-04 17:00; 400 MB",
    ]
    life.all_true()


# M10, M11, M12: what costs


def test_m10_the_price_is_told_when_the_first_byte_costs() -> None:
    life = Life(pack_rules("us"))
    life.begin("flex-5gb")
    life.top_up("01-02 10:00", 2 * GB)
    used_up = life.use("01-03 10:00", 5 * GB)
    assert used_up
    assert not any("now on" in one.text for one in used_up)
    assert not any("now on" in one.text for one in life.use("01-04 10:00", 2 * GB))
    costs = life.use("01-05 10:00", 900 * MB)
    assert any("$15" in one.text for one in costs)
    life.all_true()


def test_m11_a_film_allowance_is_followed_by_the_plan() -> None:
    life = Life(default_rulebook())
    life.begin("family-20gb")
    told = life.use("01-02 10:00", 9_900 * MB, rating_group=20)
    assert told
    assert {source(one) for one in told} == {"video"}
    for one in told:
        assert not re.search(r"price|cost|CN¥|¥", one.text), one.text
    life.all_true()


@pytest.mark.parametrize(
    "rule",
    [
        spoken("percent", "usage_percent", thresholds=[50, 100]),
        spoken("empty", "zero_balance", "{remaining}"),
        spoken("left", "remaining_bytes", thresholds=[0]),
    ],
    ids=lambda one: one["kind"],
)
def test_m12_a_smaller_plan_that_is_used_up_is_told_at_once(rule: dict[str, Any]) -> None:
    life = Life(
        rules_of(
            plans=[
                {"id": "large", "allowances": [{"id": "data", "granted_bytes": 300}]},
                {
                    "id": "small",
                    "allowances": [{"id": "data", "granted_bytes": 100}],
                    "policies": [{"id": "end", "when": "nothing_left", "state": "barred"}],
                },
            ],
            rules=[rule],
        )
    )
    life.begin("large")
    life.use("01-02 10:00", 120)
    told = life.at("01-03 10:00", "account.plan_changed", plan="small")
    assert told
    assert told[-1].remaining_bytes == 0
    life.use("01-03 11:00", 5)
    life.all_true()


# M13: late usage


def test_m13_usage_of_the_last_second_goes_to_what_was_valid_then() -> None:
    life = Life(
        rules_of(
            plans=[
                {"id": "plan", "allowances": [{"id": "data", "granted_bytes": 100}],
                 "overage_price_minor": 10}
            ],
            rules=[spoken("low", "usage_percent", thresholds=[80])],
        )
    )  # fmt: skip
    life.begin("plan")
    life.use("01-09 10:00", 100)
    life.top_up("01-10 10:00", 1000)
    life.use("01-31 23:59:59", 40, arrives="02-01 00:05")
    account = life.player.account
    assert account is not None
    (top_up,) = [one for one in account.buckets if one.kind == "topup"]
    assert (top_up.used_bytes, top_up.granted_bytes) == (40, 1000)
    assert account.overage_bytes == 0
    assert [one.overage_bytes for one in account.history] == [0]
    life.all_true()


# M14, M15: what waits is looked at again


def sleeper(zone: str, **fields: Any) -> Life:
    life = Life(
        rules_of(
            plans=[{"id": "plan", "allowances": [{"id": "data", "granted_bytes": 1000}]}],
            rules=[spoken("low", "usage_percent", thresholds=[10])],
            commands={},
            **fields,
        )
    )
    life.begin("plan", time_zone=zone)
    return life


def test_m14_a_move_into_daytime_lets_go_what_waits() -> None:
    life = sleeper("America/New_York", **QUIET)
    assert not life.use("01-06 04:00", 100)  # 23:00 there
    told = life.at("01-06 05:00", "account.profile_changed", time_zone="Pacific/Honolulu")
    assert [one.rule for one in told] == ["low"]
    life.all_true()


@pytest.mark.parametrize("text", ["QUIET OFF", "QUIET 1:00-2:00"])
def test_m15_quiet_hours_that_end_let_go_what_waits(text: str) -> None:
    life = sleeper("UTC")
    life.text("01-02 12:00", "QUIET 22:00-7:00")
    assert not life.use("01-02 22:30", 100)
    told = life.at("01-02 23:00", "sms.received", text=text)
    assert "low" in [one.rule for one in told]
    life.all_true()


# M16 to M18: languages and keywords


@pytest.mark.parametrize(
    ("locale", "letters"),
    [
        ("pl", r"[a-z]"),
        ("ru", r"[а-я]"),
        ("ar", r"[\u0600-\u06ff]"),
        ("zh-TW", r"[\u4e00-\u9fff]"),
        ("de", r"[a-z]"),
    ],
)
def test_m16_the_welcome_is_in_a_script_that_its_reader_reads(locale: str, letters: str) -> None:
    life = Life(default_rulebook())
    (welcome,) = life.begin("basic-5gb", locale)
    assert re.search(letters, welcome.text)
    if locale != "zh-TW":
        assert not re.search(r"[\u4e00-\u9fff]", welcome.text)
        assert welcome.locale == locale or locale == "de"
    life.all_true()


@pytest.mark.parametrize("text", ["STOP.", "td。", "0000!", '"退订"', "stop balance.", "“TZ”"])
def test_m17_signs_around_a_keyword_make_no_difference(text: str) -> None:
    life = sleeper("UTC")
    (reply,) = life.at("01-02 12:00", "sms.received", text=text)
    assert reply.rule != "help"
    life.all_true()


@pytest.mark.parametrize(
    "word", ["STOP", "QUIT", "END", "REVOKE", "OPT OUT", "CANCEL", "UNSUBSCRIBE", "Stop."]
)
def test_m18_words_of_revocation_opt_out(word: str) -> None:
    life = Life(pack_rules("us"))
    life.begin("flex-5gb")
    life.text("01-02 12:00", word)
    account = life.player.account
    assert account is not None
    assert set(account.opted_out) == set(life.player.rules.categories)
    life.use("01-03 10:00", 5 * GB)
    assert not [one for one in life.told if one.kind == "usage_percent"]
    life.all_true()
