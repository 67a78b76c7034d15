"""Whether a dispatcher is alive: what has begun ends, and what is due is sent."""

from __future__ import annotations

from streamproc.dispatch.model import Unknown
from streamproc.dispatch.progress import REBALANCE_SECONDS, STANDSTILL_SECONDS, DispatchProgress
from tests.support.scheduler import Table, reminder


class Watched:
    """A scheduler with its progress, looked at once a second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.silent = 0.0
        self.table = Table()
        self.progress = DispatchProgress(lambda: self.silent, lambda: self.now)

    def seconds(self, count: float, stalled: set[int] = frozenset()) -> str:  # type: ignore[assignment]
        """Let time pass; returns what the probe says then."""
        for _ in range(int(count)):
            self.now += 1
            self.progress.look(self.table.scheduler, stalled, self.table.now_ms)
        return self.progress.failing()


def test_a_commit_that_does_not_end_is_no_life() -> None:
    watched = Watched()
    with watched.progress.step("commit of partition 3"):
        assert watched.seconds(STANDSTILL_SECONDS - 1) == ""
        assert watched.seconds(1) == "commit of partition 3 does not end for 60 s"
    assert watched.progress.failing() == ""


def test_a_reader_may_wait_for_the_other_members_of_its_group() -> None:
    watched = Watched()
    with watched.progress.step("reading reminders", REBALANCE_SECONDS):
        assert watched.seconds(REBALANCE_SECONDS - 1) == ""
        assert watched.seconds(1) == "reading reminders does not end for 360 s"


def test_work_that_fails_has_ended() -> None:
    watched = Watched()
    try:
        with watched.progress.step("commit of partition 3"):
            raise OSError("gone")
    except OSError:
        pass
    assert watched.seconds(2 * STANDSTILL_SECONDS) == ""


def test_a_silent_broker_is_told_apart_and_gives_the_full_time_again() -> None:
    watched = Watched()
    with watched.progress.step("commit of partition 3"):
        watched.silent = 30.0
        assert watched.seconds(2 * STANDSTILL_SECONDS) == ""
        assert watched.progress.waiting() == "the broker has not answered for 30 s"
        watched.silent = 0.0
        assert watched.progress.waiting() == ""
        assert watched.seconds(STANDSTILL_SECONDS - 1) == ""
        assert watched.seconds(1) != ""


def test_messages_that_are_due_while_a_gateway_is_free_are_no_life() -> None:
    watched = Watched()
    assert watched.seconds(2 * STANDSTILL_SECONDS) == ""
    assert watched.seconds(STANDSTILL_SECONDS, {0}) == ""
    assert "a gateway is free, and nothing is sent" in watched.seconds(1, {0})
    assert watched.seconds(1) == "", "they are sent again"


def test_gateways_that_are_away_are_no_reason_to_start_anew() -> None:
    watched = Watched()
    router = watched.table.router
    router.set_up("main", False, watched.table.now_ms)
    assert watched.seconds(2 * STANDSTILL_SECONDS, {0}) == ""
    router.set_up("main", True, watched.table.now_ms)
    for _ in range(5):
        router.answered("main", Unknown("lost"), watched.table.now_ms, 0.5)
    assert watched.seconds(2 * STANDSTILL_SECONDS, {0}) == "", "its breaker is open"


def test_a_gateway_that_has_messages_without_an_answer_is_waited_for() -> None:
    watched = Watched()
    watched.table.put(reminder(1))
    watched.table.step()
    assert watched.seconds(2 * STANDSTILL_SECONDS, {0}) == ""
