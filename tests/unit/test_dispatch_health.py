"""One log line for each change of a dispatcher's state, and a counter for it."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from streamproc.cli import main
from streamproc.core.instants import from_ms
from streamproc.dispatch.breaker import Breaker
from streamproc.dispatch.health import QUIET_MS
from streamproc.dispatch.model import Accepted, ErrorClass, Outcome, Refused
from streamproc.dispatch.observing import DispatchObserver
from streamproc.dispatch.router import GatewayLine
from streamproc.dispatch.settings import DispatchSettings
from streamproc.metrics.dispatch import DispatchMetrics
from tests.support.scheduler import Table, line, reminder

STALL_MS = 30_000
BUSY = Refused(ErrorClass.TRANSIENT, "ESME_RSYSERR")
WRONG = Refused(ErrorClass.PERMANENT, "ESME_RINVDSTADR")


class Watched:
    """A scheduler with its health, looked at once a second."""

    def __init__(self, *lines: GatewayLine, **fields: Any) -> None:
        self.table = Table(*lines or (line(**fields),))
        self.registry = CollectorRegistry()
        observer = DispatchObserver(DispatchMetrics(self.registry), stall_seconds=STALL_MS / 1000)
        self.health = observer.health
        self.said: list[Any] = []

    def seconds(self, count: int, outcome: Outcome | None = None, **of: Outcome) -> None:
        """Let time pass; every message that goes gets this answer (of its gateway), or none."""
        with capture_logs() as logs:
            for _ in range(count):
                for message in self.table.step(1_000):
                    answer = of.get(message.gateway, outcome)
                    if answer is not None:
                        self.answer(message, answer)
                self.health.check(self.table.scheduler, self.table.now_ms)
        self.said += logs

    def answer(self, message: Any, outcome: Outcome) -> None:
        table = self.table
        self.health.answered(message.gateway, message.lane, outcome, table.now_ms)
        table.scheduler.settle(message, outcome, table.now_ms)
        batch = table.scheduler.ledgers[0].untaken
        self.health.committed(batch)
        table.commit()

    def events(self) -> list[str]:
        return [one["event"] for one in self.said]

    def count(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"streamproc_dispatch_{name}", labels)


def test_a_gateway_that_goes_and_comes_back_is_told_once_each() -> None:
    watched = Watched()
    watched.seconds(3)
    watched.table.router.set_up("main", False, watched.table.now_ms)
    watched.seconds(20)
    watched.table.router.set_up("main", True, watched.table.now_ms)
    watched.seconds(3)

    assert watched.events() == ["a gateway is down", "a gateway is up"]
    assert watched.said[1]["down_seconds"] == 21.0
    assert watched.count("connections_lost_total", gateway="main") == 1


def test_a_breaker_that_opens_is_told_with_the_reason_and_its_failed_trials_are_not() -> None:
    watched = Watched(breaker=Breaker(failures=2, open_ms=2_000, max_open_ms=2_000))
    watched.table.put(*(reminder(n, f"86138000000{n:02}") for n in range(1, 4)))
    watched.seconds(12, BUSY)
    assert watched.events() == ["a gateway keeps failing: its breaker is open"]
    assert watched.said[0]["reason"] == "transient: ESME_RSYSERR"
    watched.seconds(8, Accepted())

    assert watched.events()[1:] == ["a gateway works: its breaker is closed"]


def test_dead_letters_are_told_at_once_then_added_up() -> None:
    watched = Watched()
    for number in range(1, 6):
        watched.table.put(reminder(number))
        watched.seconds(10, WRONG)
    watched.seconds(QUIET_MS // 1000)

    assert watched.events() == [
        "reminders became dead letters",
        "more reminders became dead letters",
    ]
    assert [one["count"] for one in watched.said] == [1, 4]
    assert watched.said[0]["reasons"] == "1 x main, permanent: ESME_RINVDSTADR"
    watched.seconds(2 * QUIET_MS // 1000)
    watched.table.put(reminder(9))
    watched.seconds(2, WRONG)
    assert watched.events()[2:] == ["reminders became dead letters"]


@pytest.mark.parametrize("outcome", [None, Refused(ErrorClass.UNREACHABLE, "not_bound"), BUSY])
def test_nothing_sent_though_messages_are_due_is_told_once(outcome: Outcome | None) -> None:
    watched = Watched(breaker=Breaker(failures=10_000))
    watched.table.backoff = type(watched.table.backoff)(max_attempts=10_000)
    watched.table.restart()
    watched.table.put(reminder(1), reminder(2, "8613800000002"))
    watched.seconds(STALL_MS // 1000 - 1, outcome)
    assert watched.events() == []
    watched.seconds(STALL_MS // 1000, outcome)

    assert watched.events() == ["nothing is sent though messages are due"]
    assert watched.said[0]["due"] == 2
    assert watched.said[0]["seconds"] == STALL_MS / 1000
    assert "main: " in watched.said[0]["gateways"]
    assert watched.count("stalls_total") == 1
    assert watched.count("stalled_state") == 1


def test_what_is_sent_again_after_a_stall_is_told() -> None:
    watched = Watched()
    watched.table.put(reminder(1))
    watched.table.router.set_up("main", False, watched.table.now_ms)
    watched.seconds(2 * STALL_MS // 1000)
    watched.table.router.set_up("main", True, watched.table.now_ms)
    watched.seconds(5, Accepted())

    assert watched.events() == [
        "a gateway is down",
        "nothing is sent though messages are due",
        "a gateway is up",
        "messages are sent again",
    ]
    assert watched.count("stalled_state") == 0


def test_a_lane_that_stands_still_beside_one_that_flows_is_told() -> None:
    """Throttling opens no breaker, and the other gateway sends all the time."""
    urgent, bulk = line("urgent", lanes=frozenset({0})), line("bulk", lanes=frozenset({1}))
    watched = Watched(urgent, bulk)
    watched.table.put(reminder(1))
    for number in range(2, 2 * STALL_MS // 1000):
        watched.table.put(reminder(number, f"86138{number:08}", kind="usage_summary"))
        watched.seconds(1, urgent=Refused(ErrorClass.THROTTLED, "http_429"), bulk=Accepted())

    assert watched.events() == ["nothing is sent though messages are due"]
    assert (watched.said[0]["lane"], watched.said[0]["due"]) == ("urgent", 1)
    assert watched.said[0]["gateways"].startswith("urgent: ")
    assert "http_429" in watched.said[0]["gateways"]
    assert "bulk" not in watched.said[0]["gateways"]
    assert watched.count("stalled_state") == 1
    watched.seconds(STALL_MS // 1000, Accepted())
    assert watched.events()[1:] == ["messages are sent again"]
    assert watched.count("stalled_state") == 0


def test_breakers_of_two_gateways_are_told_apart() -> None:
    breakers = [Breaker(failures=2, open_ms=20_000, max_open_ms=20_000) for _ in range(2)]
    first, second = (
        line(name, breaker=one) for name, one in zip(("a", "b"), breakers, strict=True)
    )
    watched = Watched(first, second)
    watched.table.put(*(reminder(n, f"86138000000{n:02}") for n in range(1, 4)))
    watched.seconds(8, a=BUSY, b=Refused(ErrorClass.UNREACHABLE, "ClientConnectorError"))
    watched.seconds(60, a=Refused(ErrorClass.TRANSIENT, "http_503"), b=Accepted())
    watched.table.put(reminder(9))
    watched.seconds(60, Accepted())

    told = [(one["event"].rpartition(" ")[2], one["gateway"]) for one in watched.said]
    assert told == [("open", "a"), ("open", "b"), ("closed", "b"), ("closed", "a")]
    assert watched.said[0]["reason"] == "transient: ESME_RSYSERR"
    assert watched.said[1]["reason"] == "unreachable: ClientConnectorError"


def test_a_slow_gateway_and_an_idle_one_are_no_stall() -> None:
    watched = Watched()
    watched.seconds(3 * STALL_MS // 1000, Accepted())
    for number in range(1, 5):
        watched.table.put(reminder(number, not_before=from_ms(watched.table.now_ms)))
        (message,) = watched.table.step()
        watched.seconds(STALL_MS // 1000 - 2)
        watched.answer(message, Accepted() if number % 2 else WRONG)
    assert "nothing is sent though messages are due" not in watched.events()


def test_the_time_until_a_stall_is_told_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[DispatchSettings] = []
    monkeypatch.setattr(
        "streamproc.dispatch.main.run_dispatcher", lambda settings, _: given.append(settings)
    )
    # It would configure the log of the whole process.
    monkeypatch.setattr(sys.modules["streamproc.cli.dispatch"], "configure", lambda *_: None)
    words = ["dispatch", "--broker", "nowhere:1"]
    for more in (["--stall-seconds", "7.5"], []):
        done = CliRunner().invoke(main, [*words, *more])
        assert done.exit_code == 0, done.output
    assert [one.stall_seconds for one in given] == [7.5, DispatchSettings("").stall_seconds]
