"""Golden bytes: records as a release wrote them, which every later release must read.

Each file in ``data/golden`` holds a record's bytes (``text``, or ``base64`` for packed ones), with
key and headers where they matter, and the fields that were in it. Files are never changed.
When a record gains a field or a version, add a sample here and run
``python -m tests.contract.golden``, which writes the files that are missing. What no release writes
any more (``reminder-v1-crossed``: a text about two buckets) has a file, but no sample.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from streamproc.core.rules.plan_terms import PolicyCounter, Rollover, Tariff, Tier
from streamproc.core.rules.rulebook import Allowance, CorrectionRule, Limits, Plan, Rulebook
from streamproc.core.rules.scope import Scope
from streamproc.core.state.account import Account, pack
from streamproc.core.state.events import (
    CostCapLifted,
    MemberJoined,
    PreferencesSet,
    ProfileChanged,
    UsageRefunded,
)
from streamproc.engine.changelog import Progress, encode_progress
from streamproc.engine.rows import DUE_BYTES
from tests.contract.contract import DATA, EXAMPLES
from tests.support.line import GB, LOW, SUBSCRIBER, TEXT, WEEKLY, Line, day, rulebook

GOLDEN: Path = DATA / "golden"
VIDEO = Scope(rating_groups=frozenset({20}))
ROAMING = Scope(roaming_zones=frozenset({"eu"}))


def fields_of(value: Any) -> Any:
    """A record's fields by name, whatever it is packed as; as JSON."""
    if isinstance(value, msgspec.Struct):
        kind = value.__struct_config__.tag
        own = {name: fields_of(getattr(value, name)) for name in value.__struct_fields__}
        own = {name: one for name, one in own.items() if one is not msgspec.UNSET}
        return {"type": kind, **own} if kind else own
    if isinstance(value, list | tuple):
        return [fields_of(inner) for inner in value]
    if isinstance(value, dict):
        return {key: fields_of(inner) for key, inner in value.items()}
    return value if value is msgspec.UNSET else msgspec.to_builtins(value)


def load(path: Path) -> tuple[bytes, dict[str, Any]]:
    """A golden record's bytes, and the file."""
    file: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return (
        base64.b64decode(file["base64"]) if "base64" in file else file["text"].encode(),
        file,
    )


def _active() -> Account:
    """Every sort of bucket, a cycle that is over, ids to remember."""
    line = Line(rulebook())
    line.activate(plan="basic", zone="Asia/Shanghai", anchor=15)
    line.use(6 * GB, at=1)
    line.reach(day(20))
    line.use(9 * GB, at=20)
    line.top_up(at=21, pack="extra")
    line.top_up(at=21, granted_bytes=2 * GB)
    line.top_up(at=21, granted_bytes=GB, expires_time=day(40))
    line.use(GB // 2, at=22)
    line.reach(day(29))
    line.opt("summary", at=29)
    line.change_plan("basic", at=30, effective="next_cycle")
    return line.account


def _summed_up() -> Account:
    """Told on a Monday what was used since the one before."""
    weekly = replace(WEEKLY, texts={"en": "{period_used} used since the last summary"})
    line = Line(rulebook(timed_rules=(weekly,)))
    line.activate()
    line.use(2 * GB, at=2)
    line.reach(day(5))
    line.use(GB, at=6)
    return line.account


def _moved() -> Account:
    """Choices, segments and a time zone that was left."""
    line = Line(rulebook())
    line.activate(zone="Asia/Shanghai")
    line.feed(PreferencesSet("p", "app", SUBSCRIBER, day(1), "day", "20:00", own_percents=[60, 95]))
    line.feed(
        ProfileChanged(
            "c", "crm", SUBSCRIBER, day(1), time_zone="Europe/Berlin", segments=["vip", "press"]
        )
    )
    return line.account


def _held() -> Account:
    line = Line(rulebook())
    line.use(GB, at=1, rating_group=20, roaming_zone="eu", service="video")
    line.top_up(at=1, pack="extra")
    line.close(at=1.5)
    return line.account


def _closed() -> Account:
    line = Line(rulebook())
    line.activate()
    line.use(GB, at=1)
    line.close(at=2)
    return line.account


def _pool() -> Account:
    """A pool whose members, prices, caps and policies are all in use."""
    plan = Plan(
        "pool",
        (
            Allowance("data", 10 * GB, 50, rollover=Rollover(GB)),
            Allowance("more", 0, 60, VIDEO, True),
        ),
        5,
        tariffs=(Tariff("roaming", (Tier(0, 9, 1_000_000),), ROAMING, 100_000),),
        policies=(
            PolicyCounter("bar", "cost_cap", "barred", tariff="roaming"),
            PolicyCounter("kids", "member_cap", "throttled", throttle_kbps=64),
        ),
    )
    follow_up = CorrectionRule("sorry", TEXT, "usage", False, 5, 1000)
    rules = Rulebook((plan,), (), (LOW,), (), Limits(), "en", "EUR", correction_rules=(follow_up,))
    line = Line(rules)
    line.activate(plan="pool")
    line.send(MemberJoined, at=1, member="861380001", role="owner")
    line.send(MemberJoined, at=1, member="861380002", cap_bytes=GB)
    line.use(2 * GB, at=2, member="861380002")
    line.use(4 * GB, at=3, rating_group=20)
    line.reach(day(33))
    line.use(12 * GB, at=34, member="861380002")
    line.use(GB, at=34, roaming_zone="eu")
    line.send(CostCapLifted, at=35, tariff="", until="revoked")
    line.send(UsageRefunded, at=36, refunded_bytes=8 * GB, notify=False)
    return line.account


def _late() -> Account:
    """A closed cycle with buckets of its own, whose late usage took some of others."""
    plan = Plan(
        "roll",
        (
            Allowance("data", 10 * GB, 50, rollover=Rollover(5 * GB)),
            Allowance("film", GB, 40, VIDEO),
        ),
    )
    line = Line(rulebook(plans=(plan,)))
    line.activate(plan="roll")
    line.top_up(at=1, pack="extra")
    line.top_up(at=2, granted_bytes=2 * GB)
    line.use(5 * GB, at=9)
    line.reach(day(31))
    line.use(6 * GB, at=30, arrives=31.5)
    return line.account


def _downgraded() -> Account:
    """Changes to a smaller plan: one in a closed cycle, one in the present cycle."""
    plans = (
        Plan("big", (Allowance("data", 10 * GB, 50),)),
        Plan("small", (Allowance("data", 3 * GB, 50),)),
    )
    line = Line(rulebook(plans=plans))
    line.activate(plan="big")
    line.use(8 * GB, at=1)
    line.change_plan("small", at=2)
    line.change_plan("big", at=33)
    line.use(6 * GB, at=34)
    line.change_plan("small", at=35)
    return line.account


def _row() -> bytes:
    account = _active()
    return account.next_due_ms.to_bytes(DUE_BYTES, "big", signed=True) + pack(account)


def _example(name: str, stem: str) -> bytes:
    return (EXAMPLES / name / "valid" / f"{stem}.json").read_bytes()


SAMPLES: dict[str, Callable[[], bytes]] = {
    "state-v1-active": lambda: pack(_active()),
    "state-v1-extra-none": lambda: pack(_active()),
    "state-v1-schedules": lambda: pack(_moved()),
    "state-v1-held": lambda: pack(_held()),
    "state-v1-closed": lambda: pack(_closed()),
    "state-v1-quota": lambda: pack(_pool()),
    "state-v1-periods": lambda: pack(_summed_up()),
    "state-v1-late": lambda: pack(_late()),
    "state-v1-downgrade": lambda: pack(_downgraded()),
    "row-v1": _row,
    "progress-v1": lambda: encode_progress(
        Progress(1, {"streamproc.events": 18234, "corrections": 7}, 1_767_601_800_000)
    ),
    "progress-v1-marks": lambda: encode_progress(
        Progress(1, {"streamproc.events": 18234}, 1_767_601_800_000, {"streamproc.events": 7 << 29})
    ),
    "progress-v1-partitions": lambda: encode_progress(
        Progress(1, {"streamproc.events": 18234}, 1_767_601_800_000, partitions=12)
    ),
    "progress-v1-epochs": lambda: encode_progress(
        Progress(1, {"streamproc.events": 18234}, 1_767_601_800_000, epochs=[-1, 4_007_842_309])
    ),
    "progress-v2": lambda: encode_progress(
        Progress(2, {"streamproc.events": 18234}, 1_767_601_800_000, written_by="0.2.0")
    ),
    "event-v1-usage": lambda: _example("usage.recorded.v1", "all_fields"),
    "event-v1-activated": lambda: _example("account.activated.v1", "with_locale"),
    "event-v1-plan-changed": lambda: _example("account.plan_changed.v1", "next_cycle"),
    "event-v1-pack": lambda: _example("account.topped_up.v1", "pack"),
    "event-v1-topped-up": lambda: _example("account.topped_up.v1", "bytes_with_end"),
    "event-v1-opted-out": lambda: _example("account.opted_out.v1", "category"),
    "event-v1-opted-in": lambda: _example("account.opted_in.v1", "category"),
    "event-v1-profile": lambda: _example("account.profile_changed.v1", "all_fields"),
    "event-v1-preferences": lambda: _example("account.preferences_set.v1", "all_fields"),
    "event-v1-closed": lambda: _example("account.closed.v1", "closed"),
    "event-v1-refunded": lambda: _example("usage.refunded.v1", "all_fields"),
    "event-v1-cost-cap-lifted": lambda: _example("account.cost_cap_lifted.v1", "until_revoked"),
    "event-v1-cost-cap-restored": lambda: _example("account.cost_cap_restored.v1", "tariff"),
    "event-v1-member-joined": lambda: _example("account.member_joined.v1", "with_cap"),
    "event-v1-member-left": lambda: _example("account.member_left.v1", "left"),
    "policy-v1": lambda: _example("policy.changed.v1", "member_barred"),
    "event-v1-clock": lambda: _example("clock.advanced.v1", "end_of_replay"),
    "reminder-v1-used-up": lambda: _example("reminder.requested.v1", "pack_used_up"),
    "reminder-v1-timed": lambda: _example("reminder.requested.v1", "usage_summary"),
    "event-v1-activated-services": lambda: _example("account.activated.v1", "with_services"),
    "event-v1-service-requested": lambda: _example("service.requested.v1", "ordered"),
    "event-v1-service-subscribed": lambda: _example("service.subscribed.v1", "with_next_charge"),
    "event-v1-service-unsubscribed": lambda: _example("service.unsubscribed.v1", "ended"),
    "event-v1-charge-requested": lambda: _example("service.charge_requested.v1", "monthly_fee"),
    "event-v1-service-charged": lambda: _example("service.charged.v1", "confirmed"),
    "event-v1-service-refunded": lambda: _example("service.refunded.v1", "double"),
    "event-v1-location": lambda: _example("location.updated.v1", "abroad"),
    "event-v1-sms": lambda: _example("sms.received.v1", "in_chinese"),
    "order-v1-confirmation": lambda: _example("confirmation.decided.v1", "timed_out"),
    "order-v1-unsubscription": lambda: _example("unsubscription.requested.v1", "by_number"),
    "order-v1-refund": lambda: _example("refund.requested.v1", "double"),
    "audit-v1": lambda: _example("audit.recorded.v1", "superseded"),
    "audit-v1-opted-out": lambda: _example("audit.recorded.v1", "opted_out"),
    "audit-v1-fired": lambda: _example("audit.recorded.v1", "fired"),
    "reject-v1": lambda: _example("input.rejected.v1", "unknown_plan"),
}
"""By file name, which begins with the sort of record."""


def write_missing(decode: Callable[[str, bytes, dict[str, Any]], Any]) -> None:
    for name, make in SAMPLES.items():
        path = GOLDEN / f"{name}.json"
        if path.exists():
            continue
        value = make()
        file: dict[str, Any] = (
            {"base64": base64.b64encode(value).decode()}
            if name.startswith(("state", "row", "progress"))
            else {"text": value.decode()}
        )
        file["fields"] = fields_of(decode(name, value, file))
        path.write_text(json.dumps(file, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    from tests.contract.test_golden import read

    write_missing(read)
