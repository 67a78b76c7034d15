"""Rules with every feature at once: the packaged showcase over the plans and packs of quota."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, get_args

import yaml

from streamproc.contracts.rulesfile import load_rulebook
from streamproc.core.rulebook import Rulebook, TimedKind

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
"""What neither file has."""


TIMED = get_args(TimedKind)
LONG_AGO = {"valid_from": "2019-01-01T00:00:00Z", "valid_until": "2020-01-01T00:00:00Z"}


def _loaded(data: dict[str, Any]) -> Rulebook:
    return load_rulebook(yaml.safe_dump(data, sort_keys=False), "everything.yaml")


def _data(name: str) -> dict[str, Any]:
    file = resources.files("streamproc.contracts") / "rules" / f"{name}.yaml"
    data: dict[str, Any] = yaml.safe_load(file.read_bytes())
    return data


@cache
def everything() -> Rulebook:
    """The showcase, with plans, packs and rules of quota.yaml and every schedule beside its own.

    Caps are lower: they must be reached by few subscribers in two months.
    """
    return _loaded(_everything())


@cache
def mostly_unused() -> Rulebook:
    """The default rules, and all of :func:`everything` that their subscribers do not meet.

    That is plans that nobody has, packs, and rules for those plans that are in force no more. What
    is for everybody stays out: quiet hours and caps.
    """
    basic, full = _data("default"), _everything()
    had = {one["id"] for name in ("plans", "packs", "rules") for one in basic[name]}
    more = {
        name: [one for one in full[name] if one["id"] not in had]
        for name in ("plans", "packs", "rules")
    }
    others = [one["id"] for one in more["plans"]]
    more["rules"] = [
        {**one, **LONG_AGO, **({"plans": others} if one["kind"] in TIMED else {})}
        for one in more["rules"]
    ]
    return _loaded({**basic, **{name: [*basic[name], *more[name]] for name in more}})


def _everything() -> dict[str, Any]:
    showcase, quota = _data("showcase"), _data("quota")
    for plan in quota["plans"]:
        for one in (plan, *plan.get("tariffs", ())):
            if "cost_cap_minor" in one:
                one["cost_cap_minor"] = one["cost_cap_minor"] // 10
    known = {one["id"] for one in showcase["rules"]}
    more = [one for one in quota["rules"] if one["id"] not in known]
    more += [{**one, "category": "summary", "texts": {"en": "."}} for one in MORE]
    data = {
        **showcase,
        "plans": [*showcase["plans"], *quota["plans"]],
        "packs": [*showcase["packs"], *quota["packs"]],
        "rules": [*showcase["rules"], *more],
    }
    return data
