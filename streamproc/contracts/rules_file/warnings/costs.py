"""Rules about money, overage and empty balances under plans that have none."""

from __future__ import annotations

from collections.abc import Iterator

from streamproc.contracts.rules_file.format.entries import (
    EveryBytesEntry,
    ForecastEntry,
    OverageStartedEntry,
    SpendAmountEntry,
    SpendPercentEntry,
    VelocityEntry,
    ZeroBalanceEntry,
)
from streamproc.contracts.rules_file.read.lines import Path
from streamproc.contracts.rules_file.warnings.subject import Subject, Warned, costs
from streamproc.core.texts.quantities import readable_bytes


def nothing_costs(subject: Subject) -> Warned:
    """Rules about spend where nothing has a price."""
    plans = subject.file.plans
    tariffs = [one for plan in plans for one in plan.tariffs]
    for path, rule in _spend_rules(subject):
        if rule.tariff is not None:
            if not any(costs(one) for one in tariffs if one.id == rule.tariff):
                yield (*path, "tariff"), f"never speaks: nothing costs under tariff {rule.tariff}"
        elif isinstance(rule, SpendPercentEntry) and rule.cap_minor is None:
            if not any(costs(plan) for plan in plans if plan.cost_cap_minor is not None):
                yield path, "never speaks: no plan with a cap has an overage_price_minor"
        elif not any(map(costs, plans)) and not any(map(costs, tariffs)):
            yield path, "never speaks: no plan and no tariff has an overage_price_minor"


def _spend_rules(subject: Subject) -> Iterator[tuple[Path, SpendAmountEntry | SpendPercentEntry]]:
    yield from subject.rules(SpendAmountEntry)
    yield from subject.rules(SpendPercentEntry)


def nothing_goes_beyond(subject: Subject) -> Warned:
    """Rules about overage where every plan is unlimited."""
    if subject.has_overage():
        return
    beyond = [*subject.rules(OverageStartedEntry), *_spend_rules(subject)]
    for path, _ in beyond:
        yield path, "never speaks: every plan has unlimited data, so nothing goes beyond"
    for path, steps in subject.rules(EveryBytesEntry):
        if steps.of == "overage":
            yield path, "never speaks: every plan has unlimited data, so nothing goes beyond"


def nothing_runs_out(subject: Subject) -> Warned:
    """Rules about an empty balance, or its forecast, where nothing has a limit."""
    is_limited = any(not one.unlimited for one in subject.allowances())
    if is_limited:
        return
    for path, _ in subject.rules(ForecastEntry):
        yield path, "never speaks: no allowance of any plan has a limit"
    if subject.file.packs or not any(subject.allowances()):
        return
    for path, _ in subject.rules(ZeroBalanceEntry):
        yield path, "never speaks: no allowance of any plan has a limit"


def velocity_of_several_events(subject: Subject) -> Warned:
    """A velocity that not even the largest event reaches: probably a slip of units."""
    largest = subject.file.limits.max_event_bytes
    for path, rule in subject.rules(VelocityEntry):
        for index, value in enumerate(rule.thresholds):
            if value > largest:
                yield (
                    (*path, "thresholds", index),
                    f"{readable_bytes(value)} are more than the largest event that is taken "
                    f"(limits.max_event_bytes, {readable_bytes(largest)}): it takes several of "
                    f"them within {rule.window_seconds} seconds",
                )
