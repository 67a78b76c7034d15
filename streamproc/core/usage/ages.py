"""Which events are too old to be judged, also after limits have changed (law 10).

The identity of an event is remembered as long as the limits of its arrival say. If a source may be
older from now on, there are events of earlier times that would be young enough and whose identities
are gone. Nobody can say whether these counted, so the old bound still holds for them.

A partition keeps the limits that it knows, packed, with its memory of identities.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import msgspec
from msgspec import Struct

from streamproc.core.rules.limits import Limits

_DEFAULT = ""
"""Stands for all sources that the limits do not name. No source has this name."""


class Earlier(Struct, array_like=True, frozen=True):
    """A smaller age that held before."""

    age_ms: int
    until_ms: int
    """Events that counted under it have earlier times."""


class Known(Struct, array_like=True):
    """The age of a source, and smaller ones that held before; earliest and smallest first."""

    age_ms: int
    earlier: list[Earlier] = []


class Ages(Struct, array_like=True):
    """The ages that a partition has applied."""

    max_ahead_ms: int = 0
    counted_until_ms: int = 0
    """Events that counted under earlier limits have earlier times."""
    sources: dict[str, Known] = {}


class AgeMemory(Protocol):
    """What the memory of a partition keeps of this."""

    @property
    def forgotten_ms(self) -> int:
        """What was to be kept until an earlier instant is gone."""

    @property
    def ages(self) -> bytes:
        """Packed :class:`Ages`; empty for a partition that has never applied any limits."""

    @property
    def unsure_until_ms(self) -> int:
        """Of events with an earlier time, an earlier age may hold."""

    def keep_ages(self, ages: bytes, unsure_until_ms: int) -> None:
        """Keep these ages instead."""


def adopt_limits(ids: AgeMemory, limits: Limits, clock_ms: int) -> None:
    """Apply these limits from now on. ``clock_ms``: no event has arrived later."""
    before = _unpacked(ids.ages) if ids.ages else Ages(limits.max_ahead_ms)
    counted_ms = before.counted_until_ms
    if ids.ages:
        counted_ms = max(counted_ms, clock_ms + before.max_ahead_ms + 1)
    after = Ages(limits.max_ahead_ms, counted_ms)
    default = before.sources.get(_DEFAULT, Known(limits.max_age_ms))
    for source in {_DEFAULT: 0, **before.sources, **limits.max_age_by_source}:
        age_ms = limits.max_age_of(source)
        known = _after(before.sources.get(source, default), age_ms, counted_ms, ids.forgotten_ms)
        # What is as for all others needs no place. The default itself comes first.
        if known != after.sources.get(_DEFAULT):
            after.sources[source] = known
    if _without_time(after) == _without_time(before):
        return
    earlier = [one for known in after.sources.values() for one in known.earlier]
    unsure_ms = max((one.until_ms for one in earlier), default=0)
    ids.keep_ages(msgspec.msgpack.encode(after), unsure_ms)


def _after(known: Known, age_ms: int, counted_ms: int, forgotten_ms: int) -> Known:
    """The age of a source is this from now on."""
    earlier = known.earlier
    if age_ms > known.age_ms:
        # What the smallest and latest bound refuses needs no other bound.
        earlier = [one for one in earlier if one.age_ms < known.age_ms]
        earlier = [*earlier, Earlier(known.age_ms, counted_ms)]
    return Known(age_ms, [one for one in earlier if one.until_ms > forgotten_ms - age_ms])


def _without_time(ages: Ages) -> Ages:
    return msgspec.structs.replace(ages, counted_until_ms=0)


def oldest_ms(ids: AgeMemory, source: str, time_ms: int, limits: Limits) -> int:
    """An event of this source and time can be judged if its time is not before this instant."""
    forgotten_ms = ids.forgotten_ms
    oldest = forgotten_ms - limits.max_age_of(source)
    if not ids.ages or time_ms >= ids.unsure_until_ms:
        return oldest
    sources = _unpacked(ids.ages).sources
    earlier = sources.get(source, sources[_DEFAULT]).earlier
    return max([oldest, *(min(one.until_ms, forgotten_ms - one.age_ms) for one in earlier)])


@lru_cache(maxsize=64)
def _unpacked(ages: bytes) -> Ages:
    return msgspec.msgpack.decode(ages, type=Ages)
