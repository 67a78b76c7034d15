"""Which buckets may have covered usage whose sort is not known any more.

A bucket keeps how much each cycle used of it, and not which usage that was. When such usage leaves
the bucket, the order of charging (law 8) tells something: usage comes to a bucket only if no
earlier bucket with bytes left covers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from streamproc.core.instants import DAY_MINUTES, to_ms
from streamproc.core.rules.rulebook import EVERYTHING, Rulebook
from streamproc.core.rules.scope import HOME_ZONE, ORDINARY_RATING_GROUP, Scope
from streamproc.core.schedule.calendar import local_minute
from streamproc.core.state.account import (
    PLAN_KINDS,
    UNLIMITED,
    Account,
    Bucket,
    CostlyUse,
    drop_empty_rare_state,
    rare_state_of,
)
from streamproc.core.state.events import UsageRecorded, UsageRefunded
from streamproc.core.usage.closed_cycles import is_live
from streamproc.core.usage.costs import example_of
from streamproc.core.usage.tariffs import tariff_beyond, tariff_of, tariffs_of


def those_covering(
    buckets: Iterable[Bucket],
    event: UsageRecorded | UsageRefunded,
    time_zone: str,
    rules: Rulebook,
) -> list[Bucket]:
    """The buckets that cover usage of this sort at this time of day, whenever they are valid."""
    minute = local_minute(to_ms(event.time), time_zone) % DAY_MINUTES
    return [
        bucket
        for bucket in buckets
        if rules.scopes.get(bucket.source, EVERYTHING).covers(
            event.rating_group, event.roaming_zone, minute
        )
    ]


def note_freed(account: Account, rules: Rulebook) -> None:
    """A refund or a plan change may have freed bytes, after bought bytes were used."""
    every = (*account.buckets, *account.ended)
    if rules.scopes and any(one.kind not in PLAN_KINDS and one.used_bytes for one in every):
        rare_state_of(account).freed = True


def forget_freed(account: Account) -> None:
    """A new cycle begins."""
    if account.extra is not None and account.extra.freed:
        account.extra.freed = False
        drop_empty_rare_state(account)


def is_certainly_other(
    account: Account, bucket: Bucket, used: Bucket, start_ms: int, end_ms: int, *, is_present: bool
) -> bool:
    """Whether usage of one bucket (``used``) cannot be usage that another ``bucket`` covers.

    That one comes first in the order and was valid all the time. If it has bytes left now, it
    always had some. So it would have taken such usage.
    """
    if is_present and account.extra is not None and account.extra.freed:
        return False
    if bucket.charge_order() > used.charge_order():
        return False
    if bucket.granted_ms > max(start_ms, used.granted_ms):
        return False
    goes_on = is_present and is_live(account, bucket)
    return goes_on or bucket.expires_ms >= min(end_ms, used.expires_ms)


def usage_beyond(
    account: Account, source: str, others: Sequence[Bucket], rules: Rulebook
) -> CostlyUse | None:
    """Usage that a bucket of this source covers and none of the others with bytes left.

    It is as ordinary as possible, and of the tariff that prices all usage of the bucket, if it can
    be. None if the others cover all that the bucket does.
    """
    tariff = tariff_beyond(account, source, rules)
    left = [rules.scopes.get(one.source, EVERYTHING) for one in others if has_room(one)]
    if not left:
        return example_of(tariff, source, rules)
    scope = rules.scopes.get(source, EVERYTHING)
    found = (
        CostlyUse(tariff_of(account, group, zone, rules), group, zone, minute)
        for zone, group, minute in _named(account, scope, rules)
        if not any(other.covers(group, zone, minute) for other in left)
    )
    return min(
        found,
        key=lambda use: (
            use.tariff != tariff,
            use.roaming_zone != HOME_ZONE,
            use.roaming_zone,
            use.rating_group,
            use.minute,
        ),
        default=None,
    )


def has_room(bucket: Bucket) -> bool:
    """Whether bytes are unused, also if they have expired."""
    return bucket.kind == UNLIMITED or unused_bytes(bucket) > 0


def unused_bytes(bucket: Bucket) -> int:
    """Bytes that are left or have expired; what rolled over is in another bucket."""
    return bucket.granted_bytes - bucket.used_bytes - bucket.rolled_over_bytes


def _named(account: Account, scope: Scope, rules: Rulebook) -> product[tuple[str, int, int]]:
    """Every zone, rating group and limit of hours in the rules that a scope covers."""
    every = [*rules.scopes.values(), *(one.scope for one in tariffs_of(account, rules))]
    zones = {HOME_ZONE}.union(*(one.roaming_zones or () for one in every))
    groups = {ORDINARY_RATING_GROUP}.union(*(one.rating_groups or () for one in every))
    minutes = {0, *(end % DAY_MINUTES for one in every for span in one.hours or () for end in span)}
    return product(
        zones if scope.roaming_zones is None else scope.roaming_zones,
        groups if scope.rating_groups is None else scope.rating_groups,
        filter(scope.covers_minute, minutes),
    )
