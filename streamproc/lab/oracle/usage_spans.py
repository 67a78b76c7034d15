"""Usage of the present cycle, by the spans between purchases and ends of buckets.

Late usage gets the bytes that it would have had in time, if later usage can move to
buckets bought since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.buckets import (
    Bucket,
    covers,
    end_of,
    in_charge_order,
    is_within,
    meets,
    remaining,
    scope_of,
)

if TYPE_CHECKING:
    from streamproc.lab.oracle.contract import Contract

OF_PLANS = ("allowance", "unlimited")
MOST_SPANS = 8
MOST_BUCKETS = 16
CHAIN = 2


class Spans:
    """The spans of one contract. Each bucket has its bytes by number of a span (``spans``)."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.begins: dict[int, int] = {}
        """The start of each span by its number, in the order of time."""
        self.count = 0
        self.receiving: Bucket | None = None
        """Room in it is for the late usage alone."""

    def forget(self) -> None:
        self.begins = {}

    def bought(self, bucket: Bucket, at_ms: int) -> None:
        contract = self.contract
        if bucket["from_ms"] <= max(contract.start_ms, contract.since_ms):
            return  # no usage of the cycle is older
        if any(remaining(one) > 0 for one in self.contract.live() if one is not bucket):
            self._begin(at_ms)

    def ended(self, at_ms: int) -> None:
        if self.begins:
            self._begin(at_ms)

    def _every(self) -> list[Bucket]:
        """All buckets except the allowances that another plan has ended."""
        every = self.contract.buckets
        return in_charge_order(
            [one for one in every if not one["over"] or one["kind"] not in OF_PLANS]
        )

    def _begin(self, at_ms: int) -> None:
        if len(self._every()) > MOST_BUCKETS:
            self.forget()
            return
        self.count += 1
        self.begins[self.count] = at_ms
        while len(self.begins) > MOST_SPANS:
            del self.begins[min(self.begins)]

    def note(self, bucket: Bucket, time_ms: int, amount: int) -> None:
        """Usage of an instant took ``amount`` bytes of a bucket."""
        begun = [number for number, at_ms in self.begins.items() if at_ms <= time_ms]
        if begun:
            self._add(bucket, max(begun), amount)

    def is_late(self, time_ms: int) -> bool:
        return any(at_ms > time_ms for at_ms in self.begins.values())

    def used_since(self, bucket: Bucket, at_ms: int) -> int:
        """Bytes that were used since the first purchase or end, of those known, that was not before
        an instant."""
        ahead = [number for number, begun_ms in self.begins.items() if begun_ms >= at_ms]
        by: dict[int, int] = bucket.get("spans", {}) if ahead else {}
        return sum(took for number, took in by.items() if number >= min(ahead))

    def displace(
        self, event: dict[str, Any], rest: int, rules: Rulebook
    ) -> list[tuple[Bucket, int]]:
        """Make room for late usage; returns the buckets with more used bytes now, and their used
        bytes before."""
        before = [(one, one["used"]) for one in self._every()]
        later = [number for number, at_ms in self.begins.items() if at_ms > event["time"]]
        for bucket in self._every():
            is_valid = bucket["from_ms"] <= event["time"] < end_of(bucket)
            if bucket["kind"] == "unlimited" or not is_valid:
                continue
            if covers(bucket, event, self.contract.zone, rules):
                self.receiving = bucket
                freed = self._free(bucket, rest, later, CHAIN, rules)
                _use(bucket, freed)
                self.note(bucket, event["time"], freed)
                rest -= freed
        return [(one, used) for one, used in before if one["used"] > used]

    def _free(
        self, bucket: Bucket, most: int, numbers: list[int], chain: int, rules: Rulebook
    ) -> int:
        freed = 0
        for number in reversed(numbers):
            amount = min(most - freed, bucket.get("spans", {}).get(number, 0))
            for other in self._able(bucket, number, rules):
                if amount <= 0:
                    break
                room = other["granted"] - other["used"] - other["rolled"]
                if room < amount and chain > 1:
                    after = [one for one in numbers if one > number]
                    room += self._free(other, amount - room, after, chain - 1, rules)
                took = min(amount, room)
                for one, change in ((bucket, -took), (other, took)):
                    _use(one, change)
                    self._add(one, number, change)
                freed += took
                amount -= took
        return freed

    def _able(self, bucket: Bucket, number: int, rules: Rulebook) -> list[Bucket]:
        """Buckets for the usage that a span had of a bucket: first those for all of its sorts, then
        later ones for some of its sorts."""
        order, scope = self._every(), scope_of(bucket["source"], rules)
        place = next(i for i, one in enumerate(order) if one is bucket)
        surely, perhaps = [], []
        for i, one in enumerate(order):
            if one is bucket or one is self.receiving or not self._is_throughout(one, number):
                continue
            its_scope = scope_of(one["source"], rules)
            if is_within(scope, its_scope):
                surely.append(one)
            elif i > place and meets(scope, its_scope):
                perhaps.append(one)
        return surely + perhaps

    def _is_throughout(self, bucket: Bucket, number: int) -> bool:
        """Whether a bucket was valid during a whole span."""
        if bucket["kind"] == "unlimited" or bucket["from_ms"] > self.begins[number]:
            return False
        ends = [at_ms for one, at_ms in self.begins.items() if one > number]
        return end_of(bucket) >= ends[0] if ends else not bucket["over"]

    def _add(self, bucket: Bucket, number: int, amount: int) -> None:
        by = bucket.setdefault("spans", {})
        by[number] = by.get(number, 0) + amount


def _use(bucket: Bucket, amount: int) -> None:
    bucket["used"] += amount
    if bucket["over"]:
        bucket["expired"] -= amount
