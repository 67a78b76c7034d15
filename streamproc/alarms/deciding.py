"""Raises, escalates, lowers and clears alarms. It has no clock: times come with the figures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET

from streamproc.alarms.fleet import AlarmKey, Concerned
from streamproc.alarms.table import ALARMS, TIERS, Bounds, Tier
from streamproc.contracts.records.alarms import AlarmChanged
from streamproc.core.instants import from_ms, to_ms

CALM_MS: Final = 30_000
"""A tier must be left for so long before the alarm is lowered or cleared: one that comes and goes
would wake somebody each time."""
_NOBODY: Final = Concerned(0, [])


@dataclass
class _Standing:
    """What is known of one alarm."""

    tier: Tier | None = None
    since_ms: int = 0
    most: int = 0
    reached_ms: dict[Tier, int] = field(default_factory=dict)
    """By tier: since when enough are concerned for it."""
    left_ms: dict[Tier, int] = field(default_factory=dict)
    """By tier: since when too few are."""


class Deciding:
    """The alarms of one application. ``source`` is the name of the worker that decides."""

    def __init__(
        self, app_id: str, source: str, bounds: Bounds, known: Iterable[AlarmChanged] = ()
    ) -> None:
        """``known``: what was decided before, in order."""
        self._app_id = app_id
        self._source = source
        self._bounds = bounds
        self._standing: dict[AlarmKey, _Standing] = {}
        for one in known:
            self._recall(one)

    @property
    def raised(self) -> dict[AlarmKey, Tier]:
        """The alarms that are raised."""
        return {key: one.tier for key, one in self._standing.items() if one.tier is not None}

    def decide(self, figures: Mapping[AlarmKey, Concerned], now_ms: int) -> list[AlarmChanged]:
        """What changes now. After a change was not written, begin with a new object."""
        changes = []
        for key in sorted({*figures, *self._standing}):
            if key.alarm not in ALARMS:  # of another release
                continue
            figure = figures.get(key, _NOBODY)
            standing = self._standing.setdefault(key, _Standing())
            change = self._change(key, standing, figure, now_ms)
            if change is not None:
                changes.append(change)
            if standing.tier is None and not standing.reached_ms:
                del self._standing[key]
        return changes

    def _recall(self, one: AlarmChanged) -> None:
        key = AlarmKey(one.alarm, "" if one.gateway is UNSET else one.gateway)
        if one.change == "cleared" or one.tier not in TIERS:
            self._standing.pop(key, None)
            return
        tier = TIERS[TIERS.index(one.tier)]
        self._standing[key] = _Standing(tier, to_ms(one.since), one.most_concerned)

    def _change(
        self, key: AlarmKey, standing: _Standing, figure: Concerned, now_ms: int
    ) -> AlarmChanged | None:
        present = figure.tier or self._bounds.tier_of(figure.concerned)
        for tier in TIERS:
            if present is not None and TIERS.index(present) >= TIERS.index(tier):
                standing.left_ms.pop(tier, None)
                standing.reached_ms.setdefault(tier, now_ms)
            else:
                standing.reached_ms.pop(tier, None)
                standing.left_ms.setdefault(tier, now_ms)
        was, hold_ms = standing.tier, ALARMS[key.alarm].hold_seconds * 1000
        if was is not None:
            standing.most = max(standing.most, figure.concerned)
        held = [
            one for one in TIERS if now_ms - standing.reached_ms.get(one, now_ms + 1) >= hold_ms
        ]
        if held and (was is None or TIERS.index(held[-1]) > TIERS.index(was)):
            if was is None:
                standing.since_ms, standing.most = now_ms, figure.concerned
            standing.tier = held[-1]
            word = "raised" if was is None else "escalated"
            return self._told(key, standing, word, held[-1], figure, now_ms)
        if was is None or now_ms - standing.left_ms.get(was, now_ms + 1) < CALM_MS:
            return None
        lower = [one for one in TIERS if one in standing.reached_ms]
        standing.tier = lower[-1] if lower else None
        word = "lowered" if lower else "cleared"
        return self._told(key, standing, word, standing.tier or was, figure, now_ms)

    def _told(
        self,
        key: AlarmKey,
        standing: _Standing,
        change: str,
        tier: Tier,
        figure: Concerned,
        now_ms: int,
    ) -> AlarmChanged:
        words = "\n".join((self._app_id, *key, change, str(now_ms)))
        summary = ALARMS[key.alarm].summary.format(concerned=figure.concerned, gateway=key.gateway)
        return AlarmChanged(
            hashlib.sha256(words.encode()).hexdigest()[:32],
            self._app_id,
            from_ms(now_ms),
            self._source,
            key.alarm,
            change,
            tier,
            from_ms(standing.since_ms),
            figure.concerned,
            standing.most,
            summary,
            figure.sample,
            key.gateway or UNSET,
        )
