"""Which usage a bucket, a tariff or a policy covers."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from streamproc.core.instants import DAY_MINUTES

HOME_ZONE = "home"
ORDINARY_RATING_GROUP = 0
"""The values of usage that names no rating group and no zone (``events.UsageRecorded``)."""


class Scope(Struct, frozen=True, gc=False):
    """By rating group, roaming zone and time of day; a field that is None covers everything."""

    rating_groups: frozenset[int] | None = None
    roaming_zones: frozenset[str] | None = None
    hours: tuple[tuple[int, int], ...] | None = None
    """Windows of the subscriber's local day, in minutes from midnight: start (inclusive) to end
    (exclusive). A window whose end is not after its start passes midnight."""

    def covers(self, rating_group: int, roaming_zone: str, minute: int = 0) -> bool:
        """``minute`` is the local minute of the day. It matters only if there are hours."""
        return (
            (self.rating_groups is None or rating_group in self.rating_groups)
            and (self.roaming_zones is None or roaming_zone in self.roaming_zones)
            and self.covers_minute(minute)
        )

    @property
    def is_home_data(self) -> bool:
        """Whether it covers ordinary usage at home at every hour of the day."""
        minutes = range(DAY_MINUTES) if self.hours is not None else (0,)
        return all(self.covers(ORDINARY_RATING_GROUP, HOME_ZONE, minute) for minute in minutes)

    def contains(self, other: Scope) -> bool:
        """Whether it covers everything that another scope covers; hours are ignored."""
        return (
            self.rating_groups is None
            or (other.rating_groups is not None and other.rating_groups <= self.rating_groups)
        ) and (
            self.roaming_zones is None
            or (other.roaming_zones is not None and other.roaming_zones <= self.roaming_zones)
        )

    def contains_whole(self, other: Scope) -> bool:
        """Whether it covers everything that another scope covers, at every time of day."""
        return self.contains(other) and (
            self.hours is None
            or all(
                self.covers_minute(minute) or not other.covers_minute(minute)
                for minute in range(DAY_MINUTES)
            )
        )

    def overlaps(self, other: Scope) -> bool:
        """Whether any usage is covered by both."""
        return (
            _meet(self.rating_groups, other.rating_groups)
            and _meet(self.roaming_zones, other.roaming_zones)
            and (
                self.hours is None
                or other.hours is None
                or any(
                    self.covers_minute(minute) and other.covers_minute(minute)
                    for minute in range(DAY_MINUTES)
                )
            )
        )

    def covers_minute(self, minute: int) -> bool:
        """Whether its hours include a local minute of the day."""
        return self.hours is None or any(_is_within(minute, *one) for one in self.hours)


def _is_within(minute: int, start: int, end: int) -> bool:
    if start < end:
        return start <= minute < end
    return minute >= start or minute < end


def _meet(one: frozenset[Any] | None, other: frozenset[Any] | None) -> bool:
    return one is None or other is None or not one.isdisjoint(other)


EVERYTHING = Scope()
