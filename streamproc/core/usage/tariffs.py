"""Price of overage: exact integer prices, caps and consent.

The price depends on the cycle's overage under a tariff, not on the events. However usage is split
into events, the sum is the same. If plan or cap change in the middle of a cycle, the cost so far is
settled, and later overage continues from its place in the tiers.
"""

from __future__ import annotations

from msgspec import Struct

from streamproc.core.rules.plan_terms import Tariff, Tier
from streamproc.core.rules.rulebook import EVERYTHING, Rulebook
from streamproc.core.rules.scope import Scope
from streamproc.core.state.account import Account, drop_empty_rare_state, quota_of
from streamproc.core.state.quota import Meter, QuotaState

_NO_METER = Meter()


class Spend(Struct, frozen=True, gc=False):
    """Cost of a tariff's overage in the present cycle, in minor units of the currency."""

    tariff: str
    overage_bytes: int
    spend_minor: int
    cap_minor: int | None
    """None: no cap, or the subscriber consented to exceed it."""


def price_minor(tariff: Tariff, overage_bytes: int) -> int:
    """The price of a cycle's overage: each tier charges its begun units."""
    total = 0
    tiers = tariff.tiers
    for index, tier in enumerate(tiers):
        end = tiers[index + 1].from_bytes if index + 1 < len(tiers) else overage_bytes
        part = min(overage_bytes, end) - tier.from_bytes
        if part <= 0:
            break
        # Rounded up: a begun unit costs as much as a whole one.
        total += -(-part // tier.unit_bytes) * tier.price_minor
    return total


def spend_by_tariff(account: Account, rules: Rulebook) -> list[Spend]:
    """Spend of the present cycle under each tariff of the plan, and under those of earlier
    plans."""
    tariffs = tariffs_of(account, rules)
    found = [_spend(account, tariff) for tariff in tariffs]
    quota = account.quota
    if quota is not None:
        known = {tariff.id for tariff in tariffs}
        found += [
            Spend(name, overage_under(account, name), meter.settled_minor, None)
            for name, meter in quota.meters.items()
            if name not in known
        ]
    return found


def spend_minor(account: Account, rules: Rulebook) -> int:
    """Cost of all overage of the present cycle, in minor units of the currency."""
    if is_free(account):
        return 0
    return sum(one.spend_minor for one in spend_by_tariff(account, rules))


def is_free(account: Account) -> bool:
    """Whether the present cycle has cost nothing under any tariff, and nothing was settled."""
    return not account.overage_bytes and account.quota is None


def cap_minor(account: Account, tariff_id: str, rules: Rulebook) -> int | None:
    """The cap of a tariff; None if the plan has none, or if the subscriber consented to
    exceed it."""
    quota = account.quota
    if quota is not None and tariff_id in quota.lifted_caps:
        return None
    return next((one.cap_minor for one in tariffs_of(account, rules) if one.id == tariff_id), None)


def next_tier(account: Account, tariff_id: str, rules: Rulebook) -> Tier | None:
    """The price of the next byte of overage under a tariff; None if the plan has no such tariff."""
    used = overage_under(account, tariff_id)
    for tariff in tariffs_of(account, rules):
        if tariff.id == tariff_id:
            return next(one for one in reversed(tariff.tiers) if one.from_bytes <= used)
    return None


def price_in_zone(account: Account, tariff_id: str, zone: str, rules: Rulebook) -> Tier | None:
    """The price of the next byte under a tariff that names a roaming zone; None if it does not."""
    tariff = tariff_called(account, tariff_id, rules)
    zones = tariff.scope.roaming_zones if tariff is not None else None
    return next_tier(account, tariff_id, rules) if zones is not None and zone in zones else None


def tariff_beyond(account: Account, source: str, rules: Rulebook) -> str:
    """The tariff that applies when a bucket (given by its source) is used up.

    It is the first that prices all usage of the bucket; empty for the plan's own.
    """
    scope = rules.scopes.get(source, EVERYTHING)
    return next((one.id for one in tariffs_of(account, rules) if one.scope.contains(scope)), "")


def is_capped(account: Account, rules: Rulebook, tariff_id: str) -> bool:
    """Whether the cap of a tariff is reached and there is no consent."""
    for tariff in tariffs_of(account, rules):
        if tariff.id == tariff_id:
            spend = _spend(account, tariff)
            return spend.cap_minor is not None and spend.spend_minor >= spend.cap_minor
    return False


def book_overage(
    account: Account, overage_bytes: int, rating_group: int, roaming_zone: str, rules: Rulebook
) -> None:
    """Add overage, which the account has counted already, to the tariff that covers it."""
    book_under(account, tariff_of(account, rating_group, roaming_zone, rules), overage_bytes)


def book_under(account: Account, tariff_id: str, overage_bytes: int) -> None:
    """Add overage, which the account has counted already, to a tariff; less than 0 subtracts."""
    if tariff_id:
        meter = quota_of(account).meters.setdefault(tariff_id, Meter())
        meter.overage_bytes += overage_bytes


def take_back_overage(
    account: Account, most_bytes: int, rating_group: int, roaming_zone: str, rules: Rulebook
) -> int:
    """Subtract overage from the tariff that covers it; returns how many bytes could be
    subtracted."""
    tariff = tariff_of(account, rating_group, roaming_zone, rules)
    back = min(most_bytes, overage_under(account, tariff))
    if back:
        account.overage_bytes -= back
        book_under(account, tariff, -back)
    return back


def tariff_of(account: Account, rating_group: int, roaming_zone: str, rules: Rulebook) -> str:
    """The id of the first tariff that covers usage; empty for the plan's own."""
    for tariff in tariffs_of(account, rules):
        if tariff.scope.covers(rating_group, roaming_zone):
            return tariff.id
    return ""


def overage_within(account: Account, scope: Scope, rules: Rulebook) -> list[tuple[str, int]]:
    """The tariffs, with their bytes of overage, all of whose usage a scope covers."""
    if account.plan not in rules.tariffs:
        return [("", account.overage_bytes)] if scope.contains_whole(EVERYTHING) else []
    return [
        (tariff.id, overage_under(account, tariff.id))
        for tariff in tariffs_of(account, rules)
        if scope.contains_whole(tariff.scope)
    ]


def settle(account: Account, rules: Rulebook) -> None:
    """Store the cost of the cycle so far, before plan or cap change."""
    quota = account.quota
    known = quota.meters if quota else {}
    # All tariffs are settled, because a plan change affects all of them.
    for spend in spend_by_tariff(account, rules):
        # A meter that refunds reduced to zero bytes had been settled at a higher cost.
        if spend.overage_bytes or spend.spend_minor or spend.tariff in known:
            meter = quota_of(account).meters.setdefault(spend.tariff, Meter())
            meter.settled_bytes = spend.overage_bytes
            meter.settled_minor = spend.spend_minor


def settled_minor(account: Account, tariff_id: str) -> int:
    """What the cycle had cost under a tariff when plan or cap changed last; 0 if neither did."""
    meter = account.quota.meters.get(tariff_id) if account.quota else None
    return meter.settled_minor if meter else 0


def lift_cap(account: Account, tariff_id: str, rules: Rulebook, *, lasting: bool) -> None:
    """The subscriber consents to exceed a cap. Usage beyond it that cost nothing so far stays
    free."""
    settle(account, rules)
    quota_of(account).lifted_caps[tariff_id] = lasting


def restore_cap(account: Account, tariff_id: str, rules: Rulebook) -> None:
    """The consent ends. Amounts spent beyond the cap stay spent."""
    quota = account.quota
    if quota is not None and tariff_id in quota.lifted_caps:
        settle(account, rules)
        del quota.lifted_caps[tariff_id]
        drop_empty_rare_state(account)


def begin_cycle(quota: QuotaState) -> None:
    """A new cycle has cost nothing. Consents for the old cycle are over."""
    quota.meters = {}
    quota.lifted_caps = {name: True for name, lasting in quota.lifted_caps.items() if lasting}


def tariff_called(account: Account, tariff_id: str, rules: Rulebook) -> Tariff | None:
    """The tariff with this id in the account's plan."""
    return next((one for one in tariffs_of(account, rules) if one.id == tariff_id), None)


def tariffs_of(account: Account, rules: Rulebook) -> tuple[Tariff, ...]:
    """The tariffs of the account's plan."""
    return rules.tariffs.get(account.plan, ())


def _spend(account: Account, tariff: Tariff) -> Spend:
    quota = account.quota
    if quota is None:
        meter, cap = _NO_METER, tariff.cap_minor
    else:
        meter = quota.meters.get(tariff.id, _NO_METER)
        cap = None if tariff.id in quota.lifted_caps else tariff.cap_minor
    used = overage_under(account, tariff.id)
    # Only overage since the last settlement has the present price.
    more = price_minor(tariff, used) - price_minor(tariff, meter.settled_bytes)
    if cap is not None:
        # What was settled counts against the cap, so that a change of the plan does not open
        # the cap again.
        more = min(more, max(cap - meter.settled_minor, 0))
    # Refunds are priced by the plan in force. They never return more than was spent.
    return Spend(tariff.id, used, max(meter.settled_minor + more, 0), cap)


def overage_under(account: Account, tariff_id: str) -> int:
    """The present cycle's overage under a tariff."""
    quota = account.quota
    if quota is None:
        return account.overage_bytes if not tariff_id else 0
    if tariff_id:
        meter = quota.meters.get(tariff_id)
        return meter.overage_bytes if meter else 0
    return account.overage_bytes - sum(meter.overage_bytes for meter in quota.meters.values())
