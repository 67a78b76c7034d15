"""The difference between two runs in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from statistics import median
from typing import Any

from streamproc.core.instants import DAY_MS, from_ms
from streamproc.core.privacy import mask
from streamproc.tools.simulation.pairing import EFFECTS, MessageChange, pair
from streamproc.tools.simulation.run_messages import RunOutcome, Sent

MICROS = 1_000_000


@dataclass
class RuleChange:
    """One rule in both runs, or in one of them."""

    present: int = 0
    changed: int = 0
    effects: Counter[str] = field(default_factory=Counter)
    shifts_ms: list[int] = field(default_factory=list)
    """Time shifts of the messages that are sent earlier or later."""

    @property
    def median_shift_ms(self) -> int | None:
        return int(median(self.shifts_ms)) if self.shifts_ms else None


@dataclass
class SimulationReport:
    """Everything that is shown. In every pair, the present rules come first."""

    subscribers: int
    changes: list[MessageChange]
    outcomes: tuple[RunOutcome, RunOutcome]
    price_micros: int
    """Price of one SMS segment, in millionths of the currency."""
    currency: str
    by_rule: dict[str, RuleChange]
    by_day: dict[str, tuple[int, int]]
    """Messages by day (UTC)."""
    loads: tuple[Counter[int], Counter[int]]
    """How many times a subscriber got a given number of messages on one day (UTC)."""

    @property
    def messages(self) -> tuple[int, int]:
        return len(self.outcomes[0].messages), len(self.outcomes[1].messages)

    @property
    def segments(self) -> tuple[int, int]:
        return self.outcomes[0].segments, self.outcomes[1].segments

    @property
    def cost_micros(self) -> tuple[int, int]:
        return self.segments[0] * self.price_micros, self.segments[1] * self.price_micros

    @property
    def effects(self) -> Counter[str]:
        """Number of messages by effect of the change."""
        return Counter(change.effect for change in self.changes)

    @property
    def reworded(self) -> int:
        """Messages of both runs whose texts differ."""
        return sum(
            one.present is not None
            and one.changed is not None
            and one.present.text_hash != one.changed.text_hash
            for one in self.changes
        )

    @property
    def affected(self) -> int:
        """Subscribers for whom anything changes except wording."""
        return len({one.message.subscriber for one in self.changes if one.effect != "same"})

    @property
    def max_a_day(self) -> tuple[int, int]:
        """The largest number of messages to one subscriber on one day."""
        return max(self.loads[0], default=0), max(self.loads[1], default=0)

    def named(self, limit: int | None) -> set[str]:
        """The subscribers of the first changes that are shown; of all with None."""
        changed = [one for one in self.changes if one.effect != "same"]
        return {one.message.subscriber for one in changed[:limit]}

    def document(self, *, numbers: bool) -> dict[str, Any]:
        """The report for JSON. Subscribers are masked unless ``numbers``."""
        return {
            "subscribers": self.subscribers,
            "affected_subscribers": self.affected,
            "messages": _pair(self.messages),
            "segments": _pair(self.segments),
            "cost_micros": _pair(self.cost_micros) | {"currency": self.currency},
            "rejects": _pair(tuple(dict(one.rejects) for one in self.outcomes)),
            "effects": {name: self.effects[name] for name in EFFECTS},
            "reworded": self.reworded,
            "rules": {
                rule: {
                    "messages": _pair((one.present, one.changed)),
                    "effects": {name: one.effects[name] for name in EFFECTS},
                    "median_shift_ms": one.median_shift_ms,
                }
                for rule, one in self.by_rule.items()
            },
            "days": {day: _pair(counts) for day, counts in self.by_day.items()},
            "messages_per_subscriber_and_day": _pair(
                tuple({str(n): one[n] for n in sorted(one)} for one in self.loads)
            ),
            "changes": [_change(one, numbers) for one in self.changes if one.effect != "same"],
        }


def compare(
    present: RunOutcome,
    changed: RunOutcome,
    common_rules: frozenset[str],
    subscribers: int,
    price_micros: int = 0,
    currency: str = "",
) -> SimulationReport:
    """Compare two runs on the same input."""
    changes = pair(present.messages, changed.messages, common_rules)
    by_rule: dict[str, RuleChange] = {}
    for one in changes:
        found = by_rule.setdefault(one.message.rule, RuleChange())
        found.present += one.present is not None
        found.changed += one.changed is not None
        found.effects[one.effect] += 1
        if one.shift_ms:
            found.shifts_ms.append(one.shift_ms)
    days = (_days(present.messages), _days(changed.messages))
    return SimulationReport(
        subscribers,
        changes,
        (present, changed),
        price_micros,
        currency,
        dict(sorted(by_rule.items())),
        {day: (days[0][day], days[1][day]) for day in _every_day(*days)},
        (_loads(present.messages), _loads(changed.messages)),
    )


def _pair(both: tuple[Any, ...]) -> dict[str, Any]:
    return {"present": both[0], "changed": both[1]}


def _change(one: MessageChange, numbers: bool) -> dict[str, Any]:
    message = one.message
    return {
        "effect": one.effect,
        "subscriber": message.subscriber if numbers else mask(message.subscriber),
        "rule": message.rule,
        "present_time": _time(one.present),
        "changed_time": _time(one.changed),
        "shift_ms": one.shift_ms if one.present and one.changed else None,
        "present_threshold": one.present.threshold if one.present else None,
        "changed_threshold": one.changed.threshold if one.changed else None,
    }


def _time(message: Sent | None) -> str | None:
    return None if message is None else f"{from_ms(message.told_ms):%Y-%m-%dT%H:%M:%SZ}"


def _day(message: Sent) -> str:
    return f"{from_ms(message.told_ms):%Y-%m-%d}"


def _days(messages: Iterable[Sent]) -> Counter[str]:
    return Counter(_day(message) for message in messages)


def _every_day(*days: Counter[str]) -> list[str]:
    """All days from the first to the last, also those without a message."""
    known = sorted(set().union(*days))
    if not known:
        return []
    first, last = (_start_ms(day) for day in (known[0], known[-1]))
    return [f"{from_ms(at):%Y-%m-%d}" for at in range(first, last + 1, DAY_MS)]


def _start_ms(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * DAY_MS


def _loads(messages: Iterable[Sent]) -> Counter[int]:
    per_day = Counter((message.subscriber, _day(message)) for message in messages)
    return Counter(per_day.values())
