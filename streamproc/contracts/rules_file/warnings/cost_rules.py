"""Rules about money, overage and empty balances, with plans that have none of these."""

from __future__ import annotations

from streamproc.contracts.rules_file.format.conversation import RoamingWelcomeEntry
from streamproc.contracts.rules_file.format.plans import PlanEntry
from streamproc.contracts.rules_file.warnings.subject import Subject, Warned, costs
from streamproc.core.rules.kinds.access_limited import AccessLimitedEntry
from streamproc.core.rules.kinds.base import Need
from streamproc.core.rules.kinds.entry import plain_texts
from streamproc.core.rules.kinds.overage_started import OverageStartedEntry
from streamproc.core.rules.kinds.spend_amount import SpendAmountEntry
from streamproc.core.rules.kinds.spend_percent import SpendPercentEntry
from streamproc.core.rules.kinds.velocity import VelocityEntry
from streamproc.core.rules.scope import HOME_ZONE, ORDINARY_RATING_GROUP, Scope
from streamproc.core.texts.quantities import readable_bytes


def nothing_costs(subject: Subject) -> Warned:
    """Rules about spend where nothing has a price."""
    plans = subject.file.plans
    tariffs = [one for plan in plans for one in plan.tariffs]
    for path, rule in subject.rules_in_need(Need.PRICE):
        tariff = getattr(rule, "tariff", None)
        if tariff is not None:
            if not any(costs(one) for one in tariffs if one.id == tariff):
                yield (*path, "tariff"), f"never speaks: nothing costs under tariff {tariff}"
        elif not any(map(costs, plans)) and not any(map(costs, tariffs)):
            yield path, "never speaks: no plan and no tariff has an overage_price_minor"
    if not any(costs(plan) for plan in plans if plan.cost_cap_minor is not None):
        for path, _ in subject.rules_in_need(Need.PRICE_UNDER_CAP):
            yield path, "never speaks: no plan with a cap has an overage_price_minor"


def nothing_goes_beyond(subject: Subject) -> Warned:
    """Rules about overage where every plan is unlimited."""
    if subject.has_overage():
        return
    for path, _ in subject.rules_in_need(Need.OVERAGE):
        yield path, "never speaks: every plan has unlimited data, so nothing goes beyond"


def nothing_runs_out(subject: Subject) -> Warned:
    """Rules about an empty balance, or its forecast, where nothing has a limit."""
    is_limited = any(not one.unlimited for one in subject.allowances())
    if is_limited:
        return
    for path, _ in subject.rules_in_need(Need.LIMIT_OF_PLAN):
        yield path, "never speaks: no allowance of any plan has a limit"
    if subject.file.packs or not any(subject.allowances()):
        return
    for path, _ in subject.rules_in_need(Need.LIMIT):
        yield path, "never speaks: no allowance of any plan has a limit"


def costs_beside_home_data(subject: Subject) -> Warned:
    """Texts that can say that data is used up, while other usage costs that this data never
    covered."""
    plans = [one.id for one in subject.file.plans if costs(one) and _has_gap(one, subject)]
    if not plans:
        return
    for path, rule in subject.rules(OverageStartedEntry):
        for locale, text in plain_texts(rule.texts).items() if not rule.tariff else ():
            if "{remaining" not in text:
                yield (
                    (*path, "texts", locale),
                    f"under plan {plans[0]} usage may cost that its data do not cover, while they "
                    "are left: say so by a branch of {remaining}, or give that usage a tariff",
                )


def cap_untold(subject: Subject) -> Warned:
    """Rules about overage under a cost cap, where no rule reports what was spent up to the cap."""
    all_plans = subject.file.plans
    named = _stops_that_tell_spend(subject)
    own = [
        one.id
        for one in all_plans
        if one.cost_cap_minor is not None and costs(one) and (one.id, None) not in named
    ]
    capped = [
        (one.id, plan.id)
        for plan in all_plans
        for one in plan.tariffs
        if one.cost_cap_minor is not None and costs(one) and (plan.id, one.id) not in named
    ]
    amounts = {rule.tariff for _, rule in subject.rules(SpendAmountEntry)}
    shares = {rule.tariff for _, rule in subject.rules(SpendPercentEntry)}
    for path, rule in subject.rules(OverageStartedEntry):
        plans = [plan for tariff, plan in capped if tariff == rule.tariff] if rule.tariff else own
        if plans and rule.tariff not in shares and not amounts & {None, rule.tariff}:
            yield (
                path,
                f"under plan {plans[0]} one event may reach the cost cap, and then this rule is "
                "silent: tell what was spent by a spend_percent rule, too",
            )


def _stops_that_tell_spend(subject: Subject) -> set[tuple[str, str | None]]:
    """Plan and tariff of each cap that stops data, if a rule reports that with what was spent."""
    told = {
        name
        for _, rule in subject.rules(AccessLimitedEntry)
        if all("{spend" in text for text in plain_texts(rule.texts).values())
        for name in rule.policies
    }
    return {
        (plan.id, one.tariff)
        for plan in subject.file.plans
        for one in plan.policies
        if one.when == "cost_cap" and one.id in told
    }


def other_price_in_zone(subject: Subject) -> Warned:
    """Zones whose welcome tells another price than a plan has there.

    A tariff that names the zone has its own price in the welcome. In a file without any price of
    overage, prices are calculated elsewhere.
    """
    plans = subject.file.plans
    is_told = any(isinstance(one, RoamingWelcomeEntry) for one in subject.file.notices)
    tariffs = [one for plan in plans for one in plan.tariffs]
    if not is_told or not (any(map(costs, plans)) or any(map(costs, tariffs))):
        return
    for index, zone in enumerate(subject.file.roaming_zones):
        told = (zone.price_minor, zone.unit_bytes)
        for plan in plans:
            covering = (one for one in plan.tariffs if _is_ordinary_in(one.scope, zone.id))
            tariff = next(covering, None)
            if tariff is not None and tariff.scope.roaming_zones is not None:
                continue
            priced = plan if tariff is None else tariff
            if (priced.overage_price_minor, priced.overage_unit_bytes) != told:
                yield (
                    ("roaming_zones", index, "price_minor"),
                    f"the welcome tells this price also to subscribers of plan {plan.id}, which "
                    "charges another one there: give it a tariff that names the zone",
                )
                break


def _is_ordinary_in(scope: Scope, zone: str) -> bool:
    return scope.covers(ORDINARY_RATING_GROUP, zone)


def _has_gap(plan: PlanEntry, subject: Subject) -> bool:
    """Whether usage that the file names costs the plan's own price while home data is left."""
    home = [one.scope for one in plan.allowances if one.scope.is_home_data]
    scopes = [*subject.scopes, *(one.scope for one in plan.tariffs)]
    groups = {ORDINARY_RATING_GROUP, *(g for one in scopes for g in one.rating_groups or ())}
    zones = {HOME_ZONE, *(one.id for one in subject.file.roaming_zones)}
    zones.update(zone for one in scopes for zone in one.roaming_zones or ())
    return bool(home) and any(
        not any(one.covers(group, zone) for one in home)
        and not any(one.scope.covers(group, zone) for one in plan.tariffs)
        for group in groups
        for zone in zones
    )


def velocity_of_several_events(subject: Subject) -> Warned:
    """A velocity that not even the largest event reaches: probably a wrong unit."""
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
