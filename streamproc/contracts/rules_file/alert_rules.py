"""Rules of the rules file and settings for all messages: conditions between several fields."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from streamproc.contracts.rules_file.format.entries import AlertsEntry
from streamproc.core.instants import HOUR_MS
from streamproc.core.rules.as_written import Problem, entries, items
from streamproc.core.rules.kinds import kind_of
from streamproc.core.rules.kinds.entry import quiet_hours
from streamproc.core.rules.sending import UNRESTRICTED, AlertPolicy, Cap


def problems(data: dict[str, Any]) -> Iterator[Problem]:
    """Contradictions between fields of the data, as the operator wrote it."""
    alerts = data.get("alerts")
    hours = alerts.get("quiet_hours") if isinstance(alerts, dict) else None
    if isinstance(hours, dict) and "start" in hours and hours["start"] == hours.get("end"):
        yield ("alerts", "quiet_hours", "end"), "is the start too; leave quiet_hours out"
    names = _Names(data)
    for index, rule in entries(data, "rules"):
        kind = kind_of(rule.get("kind"))
        found = [*_of_every_rule(rule), *names.problems(rule)]
        for path, problem in (*found, *(kind.problems(rule, data) if kind else ())):
            yield ("rules", index, *path), problem


class _Names:
    """The names of plans and packs that rules can use."""

    def __init__(self, data: dict[str, Any]) -> None:
        plans = [plan for _, plan in entries(data, "plans")]
        tariffs = [one for plan in plans for _, one in entries(plan, "tariffs")]
        allowances = [one for plan in plans for _, one in entries(plan, "allowances")]
        packs = [pack for _, pack in entries(data, "packs")]
        self._buckets = [one.get("id") for one in (*allowances, *packs)]
        self._tariffs = [one.get("id") for one in tariffs]

    def problems(self, rule: dict[str, Any]) -> Iterator[Problem]:
        for place, name in enumerate(items(rule, "buckets")):
            if isinstance(name, str) and name not in self._buckets:
                yield ("buckets", place), f"there is no allowance or pack {name!r}"
        tariff = rule.get("tariff")
        if isinstance(tariff, str) and tariff not in self._tariffs:
            yield ("tariff",), f"no plan has a tariff {tariff!r}"


def _of_every_rule(rule: dict[str, Any]) -> Iterator[Problem]:
    instants = {name: _instant(rule.get(name)) for name in ("valid_from", "valid_until")}
    for name, at in instants.items():
        if isinstance(rule.get(name), str) and at is None:
            yield (name,), "there is no such instant"
    begin, end = instants.values()
    if begin and end and begin >= end:
        yield ("valid_until",), "is not after valid_from"


def _instant(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def alert_policy(alerts: AlertsEntry) -> AlertPolicy:
    """The settings for all messages of a subscriber."""
    policy = AlertPolicy(
        quiet_hours(alerts.quiet_hours),
        tuple(Cap(one.messages, one.window_hours * HOUR_MS) for one in alerts.caps),
    )
    return UNRESTRICTED if policy == UNRESTRICTED else policy
