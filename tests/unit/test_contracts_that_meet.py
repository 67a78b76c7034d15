"""A contract ends at the instant at which the next one begins: late usage and refunds of the first
change nothing of the second, and nobody gets a message about them.

Cycles of one contract follow one another without a gap, and so do two contracts that meet.
"""

from __future__ import annotations

import random

import pytest

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.plan_terms import Rollover
from streamproc.core.rules.rulebook import Allowance, Pack, Plan, Rulebook, UsageRule
from streamproc.core.state.events import UsageRefunded
from tests.support.line import ALL_KINDS, TEXT, Line, day, reminders, rulebook

KINDS = frozenset((*ALL_KINDS, "rollover"))
LOW = UsageRule("low", "usage_percent", (50, 80, 100), KINDS, TEXT, "usage", False, 5, DAY_MS)
SIZES = (50, 300, 900)


def _rules() -> Rulebook:
    first, last = (Rollover(400, 2, used) for used in ("first", "last"))
    plans = (
        Plan("basic", (Allowance("data", 1000, 50, rollover=first),), 1, 10),
        Plan("other", (Allowance("data", 500, 50, rollover=last),), 1, 10),
    )
    packs = (Pack("extra", 300, 7 * DAY_MS, 10), Pack("long", 300, 60 * DAY_MS, 60))
    return rulebook(plans, packs, (LOW,), history_cycles=6)


def _live(line: Line, chance: random.Random, begin: float, end: float) -> None:
    """Random usage and purchases."""
    at = begin + 0.5
    while at < end - 0.2:
        match chance.choice("uuuppt..."):
            case "u":
                line.use(chance.choice(SIZES), at=at)
            case "p":
                line.top_up(at=at, pack=chance.choice(("extra", "long")))
            case "t":
                line.top_up(at=at, granted_bytes=200)
        at += chance.choice((0.7, 3, 8))


def _later(line: Line, since_ms: int) -> object:
    """What the present contract has, and what all cycles since an instant had."""
    account = line.account
    # A cycle without any time may be of the first contract: its bytes rolled over just before.
    own = [one for one in account.history if since_ms <= one.start_ms < one.end_ms]
    return account.buckets, account.ended, account.overage_bytes, own


@pytest.mark.parametrize("seed", range(60))
def test_late_usage_and_refunds_of_a_contract_leave_the_next_one_as_it_is(seed: int) -> None:
    chance, line = random.Random(seed), Line(_rules())
    meets = chance.choice((20.0, 31.0, 31.0, 59.0))
    line.activate(plan=chance.choice(("basic", "other")))
    _live(line, chance, 0, meets)
    line.close(at=meets)
    if chance.random() < 0.3:  # one that begins and ends at that instant
        line.activate(at=meets, plan="basic")
        line.close(at=meets)
    line.activate(at=meets, plan=chance.choice(("basic", "other")))
    end = meets + chance.choice((3, 20, 40))
    _live(line, chance, meets, end)
    if chance.random() < 0.4:  # a third one, which meets the second
        end = 90.0
        _live(line, chance, meets + 41, end)
        line.close(at=end)
        line.activate(at=end, plan="basic")
        _live(line, chance, end, end + 3)
        end += 4
    line.reach(day(end))
    since_ms = to_ms(day(meets))
    before = _later(line, since_ms)
    for _ in range(6):
        at, size = chance.choice((chance.uniform(0.2, meets - 0.01), meets - 1e-7)), SIZES
        if chance.random() < 0.6:
            effects = line.use(chance.choice(size), at=at, arrives=end)
        else:
            back = chance.choice(size)
            effects = line.send(UsageRefunded, at=at, arrives=end, refunded_bytes=back)
        assert reminders(effects) == []
        assert _later(line, since_ms) == before
