"""The account as it stood when something was bought, with late usage from before.

The late usage costs, although what was bought covers the next byte. So a message about it is about
the past.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.buckets import Bucket, covers, end_of
from streamproc.lab.oracle.gate import Letter, Reason

if TYPE_CHECKING:
    from streamproc.lab.oracle.contract import Contract

OF_PLANS = ("allowance", "unlimited")


class LookBack:
    """One event of usage that may be older than a purchase; made before it is charged."""

    def __init__(self, contract: Contract, event: dict[str, Any], rules: Rulebook) -> None:
        self.contract, self.rules = contract, rules
        self.fit = [one for one in contract.buckets if covers(one, event, contract.zone, rules)]
        since = [one["from_ms"] for one in self.fit if one["from_ms"] > event["time"]]
        is_late = any(one["from_ms"] > event["time"] for one in contract.live())
        self.at_ms: int | None = min(since) if since and is_late else None
        self.before: dict[str, int] = {}
        self.spent = contract.money.spent(contract.plan, rules)
        with self.then() as is_past:
            if is_past:
                self.before = contract.costs(rules)

    @contextmanager
    def then(self) -> Iterator[bool]:
        """Within it, the contract has the buckets of that instant; False if there is none."""
        if self.at_ms is None:
            yield False
            return
        contract = self.contract
        now = contract.buckets
        contract.buckets = [
            self._as_it_was(one)
            for one in now
            if one["from_ms"] < self.at_ms and end_of(one) >= self.at_ms
        ]
        contract.is_looking_back = True
        yield True
        contract.buckets, contract.is_looking_back = now, False

    def tell(self, but: set[str], now_ms: int) -> None:
        """Tell what began to cost then, except what the rules ``but`` report now."""
        contract, rules = self.contract, self.rules
        letters = []
        with self.then() as is_past:
            after = contract.costs(rules) if is_past else {}
            for name, count in after.items():
                rule: Any = rules.rules_by_id[name]
                if name in but or rule.policy.for_count > 1:
                    continue
                is_new = count > self.before[name]
                # An earlier plan may have been free, or at its cap.
                if not is_new and not (count and self._is_first_amount(rule.tariff or "")):
                    continue
                if not self._has_price(rule.tariff or ""):
                    continue
                letter = Letter(name, Reason("", None, now_ms), [], now_ms, now_ms)
                letters.append((letter, contract.gate.keys(letter, int(self.at_ms or 0), rules)))
            if letters:
                contract.show(int(self.at_ms or 0))
        contract.gate.tell_of_the_past(letters, now_ms, rules)

    def _is_first_amount(self, tariff: str) -> bool:
        spent = self.contract.money.spent(self.contract.plan, self.rules)
        known = self.contract.money.before.get(tariff, 0)
        return spent.get(tariff, 0) > self.spent.get(tariff, 0) == known

    def _has_price(self, tariff: str) -> bool:
        plan = self.rules.plans.get(self.contract.plan)
        own = [one for one in (plan.all_tariffs if plan else ()) if one.id == tariff]
        return any(tier.price_minor for one in own for tier in one.tiers)

    def _as_it_was(self, bucket: Bucket) -> Bucket:
        found = {**bucket, "over": False, "expired": 0}
        is_replaced = bucket["over"] and bucket["kind"] in OF_PLANS
        if not is_replaced and not any(bucket is one for one in self.fit):
            found["used"] -= self.contract.spans.used_since(bucket, int(self.at_ms or 0))
        if bucket["kind"] == "unlimited":
            found["granted"] = found["used"]
        return found
