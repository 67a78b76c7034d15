"""Rules with every feature at once: the packaged showcase with the plans and packs of quota."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.kinds import BUCKET_KINDS, TIMED_KINDS, WATCH_KINDS
from streamproc.core.rules.rulebook import Rulebook

MORE: list[dict[str, Any]] = [
    {"id": "sorry-always", "kind": "usage_corrected", "when": "always"},
    {
        "id": "working-days",
        "kind": "cron",
        "cron": "30 9 * * mon-fri",
        "cool_down_seconds": 604_800,
    },
    {"id": "this-once", "kind": "once", "date": "2026-02-20", "at": "12:00"},
    {"id": "cycle-over", "kind": "cycle_end"},
    {"id": "pack-over", "kind": "expiry"},
    {"id": "a-word-later", "kind": "after_activation", "hours_after": 20},
]
"""Entries that neither file has."""
OF_BUCKETS = ("usage_percent", "remaining_bytes", "used_bytes")


@cache
def everything() -> Rulebook:
    """The showcase, with plans, packs and rules of quota.yaml and every schedule.

    Caps are lower, so that few subscribers reach them within two months.
    """
    return load_rulebook(everything_text(), "everything.yaml")


def everything_text() -> str:
    """The file of :func:`everything`."""
    return yaml.safe_dump(_everything(), sort_keys=False)


@cache
def every_kind() -> Rulebook:
    """The packaged showcase, with a rule of each kind about usage that it does not have."""
    file = _data("showcase")
    had = {one["kind"] for one in file["rules"]}
    about_usage = {*BUCKET_KINDS, *WATCH_KINDS} - had
    file["rules"] += [one for one in _more() if one["kind"] in about_usage]
    return load_rulebook(yaml.safe_dump(file, sort_keys=False), "every_kind.yaml")


def mostly_unused_text(basic_text: str) -> str:
    """A rules file with everything of :func:`everything` that its subscribers do not use.

    These are plans that nobody has, packs, and rules that can be limited to such plans or their
    buckets. Rules for everybody are left out, and so are quiet hours and caps.
    """
    basic, full = yaml.safe_load(basic_text), _everything()
    had = {one["id"] for name in ("plans", "packs", "rules") for one in basic[name]}
    more = {
        name: [one for one in full[name] if one["id"] not in had]
        for name in ("plans", "packs", "rules")
    }
    plans = [one["id"] for one in more["plans"]]
    buckets = [bucket["id"] for one in more["plans"] for bucket in one["allowances"]]
    more["rules"] = [
        *({**one, "plans": plans} for one in more["rules"] if one["kind"] in TIMED_KINDS),
        *({**one, "buckets": buckets} for one in more["rules"] if one["kind"] in OF_BUCKETS),
    ]
    return yaml.safe_dump(_joined(basic, more), sort_keys=False)


def all_for_everybody_text(basic_text: str) -> str:
    """:func:`everything`, with the plans, packs and rules of a rules file in addition."""
    return yaml.safe_dump(_joined(_everything(), yaml.safe_load(basic_text)), sort_keys=False)


def _joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """The first file, with plans, packs and rules of the second that it does not have."""
    joined = dict(first)
    for name in ("plans", "packs", "rules"):
        known = {one["id"] for one in first[name]}
        joined[name] = [*first[name], *(one for one in second[name] if one["id"] not in known)]
    return joined


def _data(name: str) -> dict[str, Any]:
    file = resources.files("streamproc.contracts") / "rules" / f"{name}.yaml"
    data: dict[str, Any] = yaml.safe_load(file.read_bytes())
    return data


def _more() -> list[dict[str, Any]]:
    return [{**one, "category": "summary", "texts": {"en": "."}} for one in MORE]


def _everything() -> dict[str, Any]:
    showcase, quota = _data("showcase"), _data("quota")
    for plan in quota["plans"]:
        for one in (plan, *plan.get("tariffs", ())):
            if "cost_cap_minor" in one:
                one["cost_cap_minor"] = one["cost_cap_minor"] // 10
    known = {one["id"] for one in showcase["rules"]}
    more = [one for one in quota["rules"] if one["id"] not in known]
    more += _more()
    return {
        **showcase,
        "plans": [*showcase["plans"], *quota["plans"]],
        "packs": [*showcase["packs"], *quota["packs"]],
        "rules": [*showcase["rules"], *more],
    }
