"""Late usage from before a purchase, which costs although what was bought covers the next byte.

"Data costs now" would not be true, but the usage is charged, and a subscriber must not pay without
knowing it (law 28). So the message describes the instant of the purchase (or of the plan change),
without what was bought then, and names it.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from streamproc.core.alerts.judging import is_wanted
from streamproc.core.alerts.last_call import LastCall, speak_at_once
from streamproc.core.alerts.message import Candidate, Speaker, arming_of
from streamproc.core.alerts.reductions import Costs, costs_of
from streamproc.core.alerts.remembered_thresholds import Reached
from streamproc.core.alerts.watch_rules import NO_THRESHOLD
from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.kinds import WATCH_KINDS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import PLAN_KINDS, UNLIMITED, Account, Bucket
from streamproc.core.state.effects import Effect
from streamproc.core.state.events import UsageRecorded
from streamproc.core.state.message_memory import Mark, Waiting
from streamproc.core.state.moment import Moment
from streamproc.core.usage.coverage import those_covering
from streamproc.core.usage.tariffs import settled_minor, spend_by_tariff, tariff_called


class BeforePurchase(NamedTuple):
    """An account before late usage that may cost, as of a purchase that came after this usage."""

    at_ms: int
    covering: list[Bucket]
    """The buckets of the account that cover such usage."""
    costs: Costs
    """The sorts of usage that cost at ``at_ms``."""
    spend_minor: dict[str, int]
    """The amount of the cycle so far, by tariff."""


def before_purchase(
    account: Account, event: UsageRecorded, time_ms: int, rules: Rulebook
) -> BeforePurchase | None:
    """The account before usage of an instant, if a bucket was bought since that covers such
    usage."""
    if not any(bucket.granted_ms > time_ms for bucket in account.buckets):
        return None  # the usual case
    every = (*account.buckets, *account.ended)
    covering = those_covering(every, event, account.time_zone, rules)
    later = [bucket.granted_ms for bucket in covering if bucket.granted_ms > time_ms]
    if not later:
        return None
    # The first purchase: what covered such usage until then is what is used up now.
    at_ms = min(later)
    costs = costs_of(_as_of(account, at_ms, covering), rules)
    return BeforePurchase(at_ms, covering, costs, _spend_minor(account, rules))


def speak_of_late_costs(
    moment: Moment, before: BeforePurchase, edges: list[Reached], speaker: Speaker
) -> list[Effect]:
    """Report usage that has begun to cost before a purchase, unless ``edges`` report it.

    Usage beyond the data of an earlier plan may have been free, or at its cap. Then the first
    amount since the plan changed is reported.
    """
    account, rules, now_ms = moment.account, moment.rules, moment.now_ms
    then = moment._replace(
        account=_as_of(account, before.at_ms, before.covering), now_ms=before.at_ms
    )
    costs, told = costs_of(then.account, rules), {edge.rule.id for edge in edges}
    spend_minor = _spend_minor(account, rules)
    out: list[Effect] = []
    for rule in rules.watch_rules:
        tariff = rule.tariff or ""
        spent_minor = before.spend_minor.get(tariff, 0)
        is_first = settled_minor(account, tariff) == spent_minor < spend_minor.get(tariff, 0)
        least = 0 if is_first else before.costs.get(rule.id, 0)
        if costs.get(rule.id, 0) <= least or rule.id in told:
            continue
        if rule.policy.for_count > 1 or not _has_price(account, rule, rules):
            continue
        mark = Mark(now_ms, "", NO_THRESHOLD[0], arming_of(moment))
        if not is_wanted(moment, rule, mark, out):
            continue
        start_ms = account.cycle_start_ms
        waiting = Waiting(speaker.name, rule.id, [mark], now_ms, now_ms, start_ms, moment.cause)
        to = speaker.recipients(moment, rule, mark)
        said = speaker.say(then, rule, mark, to, start_ms)
        call = LastCall(Candidate(speaker, rule, waiting, False), to, said)
        out += speak_at_once(moment, call, now_ms)
    return out


def _spend_minor(account: Account, rules: Rulebook) -> dict[str, int]:
    return {one.tariff: one.spend_minor for one in spend_by_tariff(account, rules)}


def _has_price(account: Account, rule: WatchRule, rules: Rulebook) -> bool:
    if not WATCH_KINDS[rule.kind].tells_price:
        return False
    tariff = tariff_called(account, rule.tariff or "", rules)
    return tariff is not None and any(tier.price_minor for tier in tariff.tiers)


def _as_of(account: Account, at_ms: int, covering: list[Bucket]) -> Account:
    """The account just before a purchase, as far as it is known.

    The ``covering`` buckets are as they are now: later usage of them moved elsewhere, or could not
    make room.
    """
    boundaries = account.extra.boundaries if account.extra is not None else []
    used = next((one.used for one in boundaries if one.at_ms >= at_ms), None)
    buckets: list[Bucket] = []
    for bucket in (*account.buckets, *account.ended):
        if not bucket.granted_ms < at_ms <= bucket.expires_ms:
            continue
        is_known = used is not None and not any(bucket is one for one in covering)
        # An allowance of an earlier plan can have the id of a present one.
        if bucket.kind in PLAN_KINDS and any(bucket is one for one in account.ended):
            is_known = False
        # Nothing at all may have been used before it: then ``used`` is empty.
        used_bytes = used.get(bucket.id, 0) if is_known and used is not None else bucket.used_bytes
        granted_bytes = used_bytes if bucket.kind == UNLIMITED else bucket.granted_bytes
        buckets.append(
            replace(bucket, used_bytes=used_bytes, granted_bytes=granted_bytes, expired_bytes=0)
        )
    buckets.sort(key=Bucket.charge_order)
    return replace(account, buckets=buckets, ended=[])
