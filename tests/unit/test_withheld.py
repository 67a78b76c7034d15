"""Input behind an open transaction: told after a minute, once, and when it continues."""

from __future__ import annotations

from typing import NamedTuple

from structlog.testing import capture_logs

from streamproc.engine.withheld import PATIENCE_SECONDS, Withheld

WAITS = "input waits for a transaction that its producer does not end"


class Place(NamedTuple):
    topic: str
    partition: int


HERE, THERE = Place("in", 0), Place("in", 1)


class Watch:
    def __init__(self) -> None:
        self.now = 0.0
        self.withheld = Withheld(lambda: self.now)

    def look(
        self, after_seconds: float, readable_end: int, end: int, at: Place = HERE
    ) -> list[str]:
        self.now += after_seconds
        with capture_logs() as logs:
            self.withheld.look(at, readable_end, end)
        return [f"{one['event']} {one['topic']}-{one['partition']}" for one in logs]


def test_a_transaction_that_hangs_is_told_once_and_so_is_its_end() -> None:
    watch = Watch()
    assert watch.look(0, 5, 9) == []
    assert watch.look(PATIENCE_SECONDS - 1, 5, 12) == []
    assert watch.look(1, 5, 14) == [f"{WAITS} in-0"]
    assert watch.look(1000, 5, 20) == []
    assert watch.look(1, 20, 20) == ["input continues in-0"]
    assert watch.look(1, 20, 20) == []


def test_transactions_that_end_in_time_are_no_news() -> None:
    watch = Watch()
    for number in range(20):
        assert watch.look(PATIENCE_SECONDS - 1, number, number + 5) == []


def test_one_that_ends_while_the_next_one_is_open_continues() -> None:
    watch = Watch()
    watch.look(0, 5, 9)
    assert watch.look(PATIENCE_SECONDS, 5, 9) == [f"{WAITS} in-0"]
    assert watch.look(1, 9, 12) == ["input continues in-0"]
    assert watch.look(PATIENCE_SECONDS, 9, 12) == [f"{WAITS} in-0"]


def test_a_partition_that_another_worker_has_is_forgotten() -> None:
    watch = Watch()
    watch.look(0, 5, 9)
    watch.look(0, 5, 9, THERE)
    watch.withheld.forget_others({THERE})
    assert watch.look(PATIENCE_SECONDS, 5, 9) == []
    assert watch.look(0, 5, 9, THERE) == [f"{WAITS} in-1"]
