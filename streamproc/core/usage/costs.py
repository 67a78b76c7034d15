"""Which usage costs now: overage whose next byte is charged.

Home data is one sort of data: after its end, with the first byte of overage, all ordinary usage
costs. Other usage can cost earlier (abroad, while home data is left) or later (at night, until the
data for the night is used up). So an account keeps one example of each such sort of usage that has
cost in the cycle (``RareState.costly``). A sort costs now if no bucket with bytes left covers it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from streamproc.core.rules.rulebook import EVERYTHING, Rulebook
from streamproc.core.rules.scope import HOME_ZONE, ORDINARY_RATING_GROUP, Scope
from streamproc.core.state.account import (
    UNLIMITED,
    Account,
    Bucket,
    CostlyUse,
    drop_empty_rare_state,
    rare_state_of,
)
from streamproc.core.usage.tariffs import is_capped, overage_under, tariff_called

MOST_COSTLY: Final = 50
"""How many sorts of usage are kept for a cycle."""


def costing(account: Account, tariff_id: str, rules: Rulebook) -> int:
    """How many sorts of usage cost under a tariff, so that their next byte is charged.

    0 while there is no overage. 0 also if the cap is reached without consent: then more usage costs
    nothing. All usage that the tariff's own data covers is one sort. For the plan's own tariff that
    is home data. A bucket that covers only some usage of a tariff, or some hours, does not stop the
    other usage from costing.
    """
    if not overage_under(account, tariff_id) or tariff_called(account, tariff_id, rules) is None:
        return 0
    kept = account.extra.costly if account.extra is not None else ()
    found = int(_is_beyond(account, tariff_id, rules))
    found += sum(one.tariff == tariff_id and _costs(account, one, rules) for one in kept)
    return 0 if is_capped(account, rules, tariff_id) else found


def note_cost(account: Account, use: CostlyUse, rules: Rulebook) -> None:
    """Usage was overage under a tariff. Remember that it costs, if that was not known.

    ``use`` is the usage as it happened. It is known already if home data (or all data of the
    tariff) covers its sort: the end of that data was reported for all usage that nothing covered.
    Usage that costs at one hour was reported for every hour that nothing covered.
    """
    tariff = tariff_called(account, use.tariff, rules)
    if not rules.scopes or tariff is None or use.tariff not in rules.watched_costs:
        return
    if not any(tier.price_minor for tier in tariff.tiers):
        return
    if all(
        _covers(scope, use) == is_whole(source, scope, use.tariff, tariff.scope, rules)
        for source, scope in rules.scopes.items()
    ):
        return
    kept = account.extra.costly if account.extra is not None else []
    if any(_are_alike(one, use, rules) for one in kept) or len(kept) >= MOST_COSTLY:
        return
    other_hours = [one for one in kept if _are_alike(one, replace(use, minute=one.minute), rules)]
    if (other_hours or _is_beyond(account, use.tariff, rules)) and not _was_covered(
        account, use, other_hours, rules
    ):
        return
    rare_state_of(account).costly.append(use)


def example_of(tariff_id: str, source: str, rules: Rulebook) -> CostlyUse:
    """Usage that a bucket of this source covers."""
    scope = rules.scopes.get(source, EVERYTHING)
    groups, zones, hours = scope.rating_groups, scope.roaming_zones, scope.hours
    group = ORDINARY_RATING_GROUP if groups is None else min(groups)
    zone = HOME_ZONE if zones is None or HOME_ZONE in zones else min(zones)
    return CostlyUse(tariff_id, group, zone, hours[0][0] if hours else 0)


def note_used_up(account: Account, bucket: Bucket, rules: Rulebook) -> None:
    """A bucket that was used up has ended, and the account keeps nothing else of it."""
    if not rules.watched_costs or bucket.source not in rules.scopes:
        return
    kept = account.extra.used_up if account.extra is not None else []
    if bucket.source not in kept and len(kept) < MOST_COSTLY:
        rare_state_of(account).used_up.append(bucket.source)


def forget_costs(account: Account) -> None:
    """A new cycle has cost nothing."""
    extra = account.extra
    if extra is not None and (extra.costly or extra.used_up):
        extra.costly, extra.used_up = [], []
        drop_empty_rare_state(account)


def is_whole(source: str, scope: Scope, tariff_id: str, of_tariff: Scope, rules: Rulebook) -> bool:
    """Whether buckets of a source cover all usage that a tariff prices; for the plan's own: home
    data."""
    if not tariff_id:
        return source not in rules.not_home_data
    return scope.hours is None and scope.contains(of_tariff)


def is_home_data_left(account: Account, rules: Rulebook) -> bool:
    """Whether any bucket with bytes left covers ordinary usage at home."""
    return any(
        (bucket.kind == UNLIMITED or bucket.remaining_bytes > 0)
        and bucket.source not in rules.not_home_data
        for bucket in account.buckets
    )


def _is_beyond(account: Account, tariff_id: str, rules: Rulebook) -> bool:
    """Whether no bucket with bytes left covers all usage of a tariff."""
    tariff = tariff_called(account, tariff_id, rules)
    return tariff is not None and not any(
        is_whole(
            bucket.source,
            rules.scopes.get(bucket.source, EVERYTHING),
            tariff_id,
            tariff.scope,
            rules,
        )
        for bucket in _with_something(account.buckets)
    )


def _costs(account: Account, use: CostlyUse, rules: Rulebook) -> bool:
    return not any(
        _covers(rules.scopes.get(bucket.source, EVERYTHING), use)
        for bucket in _with_something(account.buckets)
    )


def _with_something(buckets: Iterable[Bucket]) -> Iterable[Bucket]:
    return (one for one in buckets if one.kind == UNLIMITED or one.remaining_bytes > 0)


def _was_covered(account: Account, use: CostlyUse, known: list[CostlyUse], rules: Rulebook) -> bool:
    """Whether data for some usage only covered this usage, and is used up or over.

    If that data also covered a ``known`` one, which nothing else covers now, its end was reported.
    """
    tariff = tariff_called(account, use.tariff, rules)
    known = [one for one in known if _costs(account, one, rules)]
    sources = [one.source for one in (*account.buckets, *account.ended)]
    for source in (*sources, *(account.extra.used_up if account.extra is not None else ())):
        scope = rules.scopes.get(source, EVERYTHING)
        if tariff is not None and is_whole(source, scope, use.tariff, tariff.scope, rules):
            continue
        if _covers(scope, use) and not any(_covers(scope, one) for one in known):
            return True
    return False


def _covers(scope: Scope, use: CostlyUse) -> bool:
    return scope.covers(use.rating_group, use.roaming_zone, use.minute)


def _are_alike(one: CostlyUse, other: CostlyUse, rules: Rulebook) -> bool:
    """Whether every pack and allowance of the catalogue covers both or neither."""
    return one.tariff == other.tariff and all(
        _covers(scope, one) == _covers(scope, other) for scope in rules.scopes.values()
    )
