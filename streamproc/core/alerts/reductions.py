"""Changes that leave a subscriber with less: thresholds that are reached without usage.

Examples: a smaller plan, a lower cap of a pool's member, a cost cap that is in force again. Used
bytes stay used, and can be at or above a threshold after the change. That costs money or stops the
data. Therefore a message is sent at once, as for usage that reaches the same thresholds. A change
that leaves the same or more reaches nothing (law 13; :mod:`stops` is about limits that stay in
force), with two exceptions. If data costs already, a
changed price is reported. If nothing was left, but more could be used until the new plan bars the
data, it is reported again that nothing is left.

A refund leaves more, but it sends one message too: if a cost cap had stopped the data, and the
refund moves the spend below the cap, the next byte costs again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from streamproc.core.alerts.remembered_thresholds import Reached
from streamproc.core.alerts.watch_rules import reached_of
from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.kinds import WATCH_KINDS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import UNLIMITED, Account, Bucket
from streamproc.core.state.events import CostCapLifted, CostCapRestored, MemberJoined, PlanChanged
from streamproc.core.usage.arming import re_arm
from streamproc.core.usage.charging import crossings_between
from streamproc.core.usage.costs import costing
from streamproc.core.usage.figures import ENDLESS_BYTES
from streamproc.core.usage.own_thresholds import own_of
from streamproc.core.usage.policies import bars_of, is_emptied
from streamproc.core.usage.pools import cap_bucket
from streamproc.core.usage.tariffs import next_tier

REDUCING: Final = (PlanChanged, MemberJoined, CostCapLifted, CostCapRestored)
"""Events that can leave less than before, or that can make the next byte cost."""

_Level = tuple[str, int]
"""A rule and one of its thresholds."""
_Price = tuple[int, int]
"""Minor units, and the bytes that cost them."""
_Figure = tuple[WatchRule, int, _Price | None]
"""A rule, one of its thresholds, and the price of the next byte if the rule is about it."""
Costs = dict[str, int]
"""How many sorts of usage cost, by rule about the start of overage."""


class _Stand(NamedTuple):
    bucket: Bucket
    remaining_bytes: int
    reached: set[_Level]


class Standing(NamedTuple):
    """What is reached before a change, to be compared with what is reached after it."""

    buckets: list[_Stand]
    caps: dict[str, _Stand]
    """By the id of the bucket that stands for a member's cap."""
    figures: list[_Figure]
    costs: Costs
    is_barred: bool
    """Because nothing is left."""


def standing_of(account: Account, rules: Rulebook) -> Standing:
    """Everything that is reached now, for buckets, for members' caps and for the whole account."""
    return Standing(
        [_stand(account, bucket, rules) for bucket in account.buckets],
        {bucket.id: _stand(account, bucket, rules) for bucket in _caps(account)},
        _figures(account, rules),
        costs_of(account, rules),
        bool(bars_of(account, rules)),
    )


def edges_of_reduction(account: Account, before: Standing, rules: Rulebook) -> list[Reached]:
    """What is reached now and was not before, where fewer bytes are left than before; ascending."""
    edges: list[Reached] = []
    bars = [] if before.is_barred else bars_of(account, rules)
    for bucket in account.buckets:
        was = next((one for one in before.buckets if one.bucket is bucket), None)
        if was is not None and not was.remaining_bytes and is_emptied(bucket, bars, rules):
            re_arm(bucket, account)  # it is a new message, not a copy of an earlier one
            was = _Stand(bucket, ENDLESS_BYTES, set())
        if was is not None:
            edges += _edges(account, bucket, was, rules)
    for bucket in _caps(account):
        # A member without a cap, or one who did not belong to the pool, had no limit before.
        was = before.caps.get(bucket.id, _Stand(bucket, ENDLESS_BYTES, set()))
        edges += _edges(account, bucket, was, rules)
    costs = costs_of(account, rules)
    for figure in _figures(account, rules):
        rule, threshold, _ = figure
        is_new = figure not in before.figures or (bars and rule.kind == "zero_balance")
        if is_new or costs.get(rule.id, 0) > before.costs.get(rule.id, 0):
            edges.append(Reached(rule, None, threshold, threshold))
    return edges


def edges_of_costs(account: Account, before: Costs, rules: Rulebook) -> list[Reached]:
    """Usage that costs now and did not cost before."""
    costs = costs_of(account, rules)
    return [
        Reached(rule, None, threshold, threshold)
        for rule in rules.watch_rules
        if costs.get(rule.id, 0) > before.get(rule.id, 0)
        for threshold in reached_of(account, rule, rules)
    ]


def _edges(account: Account, bucket: Bucket, was: _Stand, rules: Rulebook) -> list[Reached]:
    if _remaining_bytes(bucket) >= was.remaining_bytes:
        return []
    return [
        Reached(one.rule, bucket, one.value, one.used_bytes)
        for one in crossings_between(rules, bucket, 0, bucket.used_bytes, own_of(account, rules))
        if (one.rule.id, one.value) not in was.reached
    ]


def _stand(account: Account, bucket: Bucket, rules: Rulebook) -> _Stand:
    reached = crossings_between(rules, bucket, 0, bucket.used_bytes, own_of(account, rules))
    return _Stand(bucket, _remaining_bytes(bucket), {(one.rule.id, one.value) for one in reached})


def _remaining_bytes(bucket: Bucket) -> int:
    return ENDLESS_BYTES if bucket.kind == UNLIMITED else bucket.remaining_bytes


def _caps(account: Account) -> list[Bucket]:
    quota = account.quota
    return [
        cap_bucket(account, name, member)
        for name, member in (quota.members.items() if quota is not None else ())
        if member.cap_bytes is not None
    ]


def _figures(account: Account, rules: Rulebook) -> list[_Figure]:
    return [
        (rule, threshold, _price(account, rule, rules))
        for rule in rules.watch_rules
        if WATCH_KINDS[rule.kind].is_reached_by_reductions
        for threshold in reached_of(account, rule, rules)
    ]


def costs_of(account: Account, rules: Rulebook) -> Costs:
    """How many sorts of usage cost now, by rule."""
    return {
        rule.id: costing(account, rule.tariff or "", rules)
        for rule in rules.watch_rules
        if WATCH_KINDS[rule.kind].tells_price
    }


def _price(account: Account, rule: WatchRule, rules: Rulebook) -> _Price | None:
    if not WATCH_KINDS[rule.kind].tells_price:
        return None
    # The message does not say from how many bytes on this is the price.
    tier = next_tier(account, rule.tariff or "", rules)
    return (tier.price_minor, tier.unit_bytes) if tier else None
