"""Periods of summaries against a plain count of all that was charged."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import to_ms
from streamproc.core.state.effects import Audited, Effect, Reminder
from streamproc.core.state.events import PreferencesSet, UsageRefunded
from streamproc.core.texts.formats import formats
from tests.property.budget import budget
from tests.support.line import Line, day
from tests.support.truth.lives import SUBSCRIBER
from tests.support.truth.play import Player, Scene
from tests.unit.test_period_used import RULES

BYTES = formats("en", "EUR").bytes


class Count:
    """Bytes charged since a rule's last message, event by event."""

    def __init__(self) -> None:
        self.by_rule = {"weekly": 0, "monthly": 0}

    def hear(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Audited) and effect.decision == "refunded":
                back = effect.figures["refunded_bytes"]
                self.by_rule = {name: max(one - back, 0) for name, one in self.by_rule.items()}
            if isinstance(effect, Reminder) and effect.rule == "weekly":
                shown = effect.text.partition(" since")[0]
                assert shown == BYTES(self.by_rule["weekly"]), effect.text
                self.by_rule["weekly"] = 0


@budget(100)
@given(seed=st.integers(0, 1 << 32))
def test_periods_are_what_was_charged_since(seed: int) -> None:
    chance = random.Random(seed)
    line = Line(load_rulebook(RULES, "r.yaml"))
    count = Count()
    line.activate()
    at = 0.0
    for _ in range(chance.randint(5, 40)):
        at += chance.choice((0.01, 0.3, 1, 4, 9))
        count.hear(line.reach(day(at)))
        kind = chance.choice(("use", "use", "use", "pack", "refund", "plan", "daily"))
        effects: list[Effect] = []
        if kind == "use":
            late = chance.choice((0, 0, 0.2, 3))
            time = max(at - late, 0.0)
            effects = line.use(used := chance.randint(1, 900), time, arrives=at)
            if not any(type(one).__name__ == "Rejected" for one in effects):
                count.by_rule = {name: one + used for name, one in count.by_rule.items()}
        elif kind == "pack":
            effects = line.top_up(at, pack="day-pack")
        elif kind == "refund":
            effects = line.send(UsageRefunded, at, refunded_bytes=chance.randint(1, 1500))
        elif kind == "plan":
            effects = line.change_plan(chance.choice(("basic", "other")), at)
        else:
            every = chance.choice(("day", "week", "default"))
            effects = line.send(PreferencesSet, at, summary_every=every)
        count.hear(effects)


@budget(60)
@given(seed=st.integers(0, 1 << 32))
def test_periods_are_those_of_the_oracle(seed: int) -> None:
    chance = random.Random(seed)
    player = Player(load_rulebook(RULES, "r.yaml"))
    now_ms = to_ms(day(0.1))
    place = {"plan": "basic", "time_zone": "UTC", "billing_anchor_day": 1}
    _hear(player, player.feed(_event(0, "account.activated", now_ms, **place), now_ms))
    for number in range(1, chance.randint(5, 40)):
        now_ms += chance.choice((3_600_000, 10, 26 * 3_600_000, 8 * 86_400_000))
        time_ms = max(now_ms - chance.choice((0, 0, 0, 40 * 3_600_000)), to_ms(day(0.05)))
        kind, fields = chance.choice(
            (
                *(("usage.recorded", {"total_bytes": chance.randint(1, 10**9)}),) * 4,
                ("usage.refunded", {"refunded_bytes": chance.randint(1, 10**9)}),
                ("account.topped_up", {"pack": "day-pack"}),
                ("account.opted_out", {"category": "summary"}),
                ("account.opted_in", {"category": "summary"}),
                ("account.plan_changed", {"plan": chance.choice(("basic", "other"))}),
                ("account.closed", {}),
                ("account.activated", place),
            )
        )
        _hear(player, player.feed(_event(number, kind, time_ms, **fields), now_ms))
    _hear(player, player.reach(now_ms + 40 * 86_400_000))


def _event(number: int, kind: str, time_ms: int, **fields: Any) -> dict[str, Any]:
    of = {"id": f"e{number}", "source": "test", "subscriber": SUBSCRIBER, "time": time_ms}
    return {"type": kind, **of, **fields}


def _hear(player: Player, scene: Scene) -> None:
    known = player.expectation.period_used
    for one in scene.messages:
        if one.rule == "weekly":
            used_bytes = known[SUBSCRIBER, "weekly", to_ms(one.as_of), one.recipient or ""]
            assert one.text.startswith(f"{BYTES(used_bytes)} since"), (one.text, used_bytes)
