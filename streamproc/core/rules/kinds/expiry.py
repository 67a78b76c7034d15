"""``expiry``: a pack, top-up or roll-over ends, or will in some hours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta

from streamproc.core.rules.as_written import Problem
from streamproc.core.rules.fields import BucketIds, ExpiringKinds, QuietHoursEntry
from streamproc.core.rules.kinds.before_expiry import OF_ENDS
from streamproc.core.rules.kinds.entry import TimedEntry, quiet_hours
from streamproc.core.rules.kinds.timed import Shape, TimedRuleKind, about
from streamproc.core.rules.rule import TimedRule


class ExpiryEntry(TimedEntry, frozen=True, tag="expiry", kw_only=True):
    hours_before: Annotated[int, Meta(ge=0, le=365 * 24)] = 0
    not_between: QuietHoursEntry | None = None
    buckets: BucketIds | None = None
    bucket_kinds: ExpiringKinds | None = None


class Expiry(TimedRuleKind):
    entry = ExpiryEntry
    says = "a pack, top-up or roll-over with something left ends now, or in some hours"
    brief = "pack ends in hours"
    field_docs = {
        "hours_before": "this long before the end",
        "not_between": '`{start: "22:00", end: "08:00"}`, with `hours_before`: what would come in '
        "these hours of the subscriber's day, or in the subscriber's own quiet hours, comes a "
        "minute before them or, if that is before the purchase, when they are over; never after "
        "the end "
        "([schedules.md](schedules.md#ends-and-beginnings))",
        **OF_ENDS,
    }
    shape = Shape.AT_ENDS
    is_urgent = True
    has_own_instants = True

    def is_by_clocks(self, rule: TimedRule) -> bool:
        return rule.not_between is not None

    def hours_before_end(self, rule: TimedRule) -> int | None:
        return rule.hours_before

    def problems(self, rule: dict[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
        yield from super().problems(rule, file)
        if "not_between" in rule and not rule.get("hours_before"):
            yield ("not_between",), "is for what is told hours_before the end"
        hours = rule.get("not_between")
        if isinstance(hours, dict) and hours.get("start") == hours.get("end") is not None:
            yield ("not_between", "end"), "is the start too; leave not_between out"

    def terms(self, entry: ExpiryEntry) -> dict[str, Any]:
        return {
            "hours_before": entry.hours_before,
            "not_between": quiet_hours(entry.not_between),
            **about(entry),
        }


KIND = Expiry()
