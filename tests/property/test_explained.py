"""What the audit says beside decisions: each reminder was fired, and balances fit together."""

from __future__ import annotations

from itertools import groupby

import pytest
from msgspec import UNSET

from streamproc.core.instants import to_ms
from streamproc.core.state import account as account_row
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Audited, Balance, Effect, Reminder
from tests.property import rulebooks, walks
from tests.property.world import World
from tests.support.line import day

NAMES = ("861380000001", "861380000002")
UNTOUCHED = {"held", "duplicate", "dedupe_shortened"}
"""Decisions that touch no balance."""


def added_up(account: Account | None) -> Balance:
    """The balance by another route than the core's."""
    if account is None:
        return Balance(0, 0, 0, 0)
    granted = sum(bucket.granted_bytes for bucket in account.buckets)
    used = sum(bucket.used_bytes for bucket in account.buckets)
    return Balance(granted, used, granted - used, account.overage_bytes)


def check_fired(effects: list[Effect]) -> int:
    """Each reminder is followed by its own ``fired``, and nothing else is called that."""
    count = 0
    for number, effect in enumerate(effects):
        if isinstance(effect, Reminder):
            following = effects[number + 1]
            assert isinstance(following, Audited)
            assert (following.decision, following.reminder) == ("fired", effect.id)
            assert (following.rule, following.cause) == (effect.rule, effect.cause)
            level = effect.threshold.value if effect.threshold else UNSET
            assert following.threshold == level
            assert following.category == effect.category
            count += 1
    fired = [one for one in effects if isinstance(one, Audited) and one.decision == "fired"]
    assert len(fired) == count
    return count


def check_due(effects: list[Effect], before: Account | None, after: Account | None) -> int:
    """From instant to instant, each begins with what the one before left."""
    balance = added_up(before)
    audits = [one for one in effects if isinstance(one, Audited)]
    for _, group in groupby(audits, key=lambda one: one.cause):
        told = list(group)
        ends: set[Balance] = set()
        for one in told:
            assert isinstance(one.after, Balance)
            ends.add(one.after)
        for one in told:
            assert (one.after if one.before is UNSET else one.before) == balance
        (balance,) = ends - {balance} or {balance}
    assert balance == added_up(after)
    return check_fired(effects)


@pytest.mark.parametrize("seed", range(4))
def test_balances_lead_from_the_state_before_to_the_state_after(seed: int) -> None:
    world = World(rulebooks.make(), to_ms(day(0)))
    seen = fired = 0
    for stamp_ms, event in walks.walk(seed, world.clock_ms, 200, NAMES):
        if not isinstance(event, dict):
            continue
        name = event["subscriber"]
        before = world.account(name)
        # What falls due has its own balances: it is not to be mixed with the event's.
        if before is not None and before.status != account_row.HELD:
            world.clock_ms = max(world.clock_ms, stamp_ms, event["time"])
            fired += check_due(world.tick([name]), before, world.account(name))
            before = world.account(name)
        effects = world.send(event, stamp_ms)
        fired += check_fired(effects)
        audits = [one for one in effects if isinstance(one, Audited)]
        told = [one for one in audits if one.decision not in UNTOUCHED and one.after is not UNSET]
        if before is not None and before.status == account_row.HELD:
            continue  # an activation lets go of several events at once
        for one in told:
            assert one.after == added_up(world.account(name))
            earlier = one.after if one.before is UNSET else one.before
            assert earlier == added_up(before)
            assert one.before != one.after
            seen += one.before is not UNSET
    assert seen > 50
    assert fired > 20
