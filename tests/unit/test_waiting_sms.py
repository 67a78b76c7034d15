"""An SMS of an unknown subscriber waits for the activation, bounded in time and number
(docs/security.md)."""

from __future__ import annotations

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.contracts.topic_settings import configs_of, faults
from streamproc.core.instants import DAY_MS, from_ms
from streamproc.core.state.account import Account, pack
from streamproc.core.state.events import Arrival, SmsReceived
from streamproc.core.step.transition import advance, step
from streamproc.engine.ids import SeenIds

NUMBER, TEXT = "8613800000001", "I love you"
START_MS = 1_767_225_600_000


def held(count: int) -> tuple[Account, int]:
    """The state after some SMS, and how many were rejected."""
    account: Account | None = None
    rejected = 0
    for number in range(count):
        event = SmsReceived(str(number), "smsc", NUMBER, from_ms(START_MS), TEXT)
        arrival = Arrival(START_MS + number, "commands", 0, number)
        account, effects = step(account, event, arrival, default_rulebook(), SeenIds())
        rejected += sum(type(one).__name__ == "Rejected" for one in effects)
    assert account is not None
    return account, rejected


def test_it_is_in_the_state_for_a_day_and_not_longer() -> None:
    account, _ = held(1)
    rules = default_rulebook()
    assert TEXT.encode() in pack(account)
    waiting, _ = advance(account, NUMBER, START_MS + DAY_MS - 1, rules, SeenIds())
    assert waiting is not None
    assert TEXT.encode() in pack(waiting)

    gone, effects = advance(account, NUMBER, START_MS + DAY_MS, rules, SeenIds())

    assert gone is None
    assert [getattr(one, "reason", "") for one in effects] == ["unknown_subscriber"]
    assert TEXT not in repr(effects)


def test_a_hundred_wait_and_no_more() -> None:
    account, rejected = held(103)
    assert (pack(account).count(TEXT.encode()), rejected) == (100, 3)


def test_the_topic_keeps_an_old_state_a_day_and_a_longer_time_is_told() -> None:
    made = configs_of("changelog", "wall", {})
    assert made["max.compaction.lag.ms"] == str(DAY_MS)
    assert faults("changelog", "c", made) == []
    (fault,) = faults("changelog", "c", {**made, "max.compaction.lag.ms": str(2**63 - 1)})
    assert "SMS that waited" in str(fault)
    assert f"max.compaction.lag.ms={DAY_MS}" in str(fault)
