"""When a silent broker is reported (streamproc/kafka/silence.py), and by which commands."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from streamproc.cli import kafka_options, main
from streamproc.kafka import topic_watch
from streamproc.kafka.silence import Silence, Silent, logged
from tests.integration.test_secured_kafka import COMMANDS, ROOT
from tests.support.waiting import wait_until

OWN_LOG = {"worker", "dispatch"}
"""Commands that report it in their own log."""


class Minute:
    """Seconds that pass, and what is reported in them."""

    def __init__(self) -> None:
        self.now = 100.0
        self.reports: list[Silent] = []
        self.silence = Silence("kafka:9092", self.reports.append, lambda: self.now)

    def pass_seconds(self, count: int) -> None:
        for _ in range(count):
            self.now += 1
            self.silence.pass_second()


def test_a_question_without_an_answer_is_reported_within_ten_seconds_and_each_minute() -> None:
    minute = Minute()
    minute.pass_seconds(7)
    assert minute.reports == []
    minute.pass_seconds(120)
    assert [one.seconds for one in minute.reports] == [8, 68]
    minute.silence.answered()
    minute.pass_seconds(5)
    minute.silence.answered()
    assert [(one.seconds, one.is_back) for one in minute.reports[2:]] == [(127, True)]
    minute.pass_seconds(8)
    assert [one.seconds for one in minute.reports[3:]] == [8]


def test_a_question_that_fails_is_reported_with_its_error_unless_the_broker_restarts() -> None:
    minute = Minute()
    minute.now += 7
    minute.silence.failed(OSError("a command that ends soon"))
    minute.silence.answered()
    minute.now += 4
    minute.silence.failed(OSError("refused"))
    assert minute.reports == []
    minute.now += 2
    minute.silence.failed(OSError("refused"))
    minute.now += 2
    minute.silence.failed(OSError("refused"))
    assert [str(one) for one in minute.reports] == [
        "the broker at kafka:9092 has not answered for 6 s, waiting for it (OSError('refused'))"
    ]
    minute.silence.answered()
    assert str(minute.reports[1]) == "the broker at kafka:9092 answers again, after 8 s"


def test_a_refusal_is_reported_as_such_also_after_a_silence_without_a_reason() -> None:
    minute = Minute()
    asked = []

    def refusal() -> str | None:
        asked.append(minute.now)
        return "b:1 refuses the login of user u" if len(asked) > 1 else None

    minute.silence.answered()
    minute.pass_seconds(9)
    for _ in range(4):
        minute.silence.failed(OSError("refused"), refusal)
        minute.now += 2
    assert [str(one) for one in minute.reports] == [
        "the broker at kafka:9092 has not answered for 8 s, waiting for it",
        "b:1 refuses the login of user u; waiting for that, since 11 s",
    ]
    assert len(asked) == 2  # what was reported with its reason is not asked for again
    with capture_logs() as logs:
        logged(minute.reports[1])
    assert logs[0]["event"] == "the broker refuses this client, waiting for it"
    assert logs[0]["error"] == "b:1 refuses the login of user u"


def test_a_process_that_was_stopped_does_not_blame_the_broker() -> None:
    minute = Minute()
    minute.now += 300
    minute.pass_seconds(5)
    assert minute.reports == []


def test_a_log_line_has_the_figures() -> None:
    with capture_logs() as logs:
        logged(Silent("kafka:9092", 8.4))
        logged(Silent("kafka:9092", 20.2, is_back=True))
    assert logs == [
        {
            "event": "the broker does not answer, waiting for it",
            "log_level": "warning",
            "broker": "kafka:9092",
            "seconds": 8,
            "error": "no answer yet",
        },
        {"event": "the broker answers again", "log_level": "info", "seconds": 20},
    ]


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - OWN_LOG))
def test_every_command_reports_a_silent_broker(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watched(brokers: set[Any]) -> None:
        raise click.ClickException(f"watches {', '.join(map(str, brokers))}")

    monkeypatch.setattr(kafka_options, "_watch", watched)
    words = [*command.split(), "--broker", "nowhere:1", *COMMANDS[command]]
    if command == "simulate":
        words += ["--rules", str(ROOT / "examples" / "first" / "rules.yaml")]
    assert "watches nowhere:1" in CliRunner().invoke(main, words).output


def test_a_process_has_one_watch_of_each_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last user's end closes it, by a thread of the watch; who comes after has another one."""
    made: list[str] = []

    class Watch(topic_watch.BrokerWatch):
        def __init__(self, broker: Any, report: Any) -> None:
            self._name = f"{broker} {report}"
            made.append(f"+{self._name}")
            super().__init__(broker, report)

        def _look(self) -> None:
            pass

        def close(self) -> None:
            made.append(f"-{self._name}")
            super().close()

    monkeypatch.setattr(topic_watch, "BrokerWatch", Watch)
    monkeypatch.setattr(topic_watch, "WAIT_SECONDS", 0.01)
    command: Any = "command"
    ends = [topic_watch.watch("one:1", command), topic_watch.watch("one:1")]
    with topic_watch.watched("two:2", command):
        ends[0]()
        ends[0]()
        assert made == ["+one:1 command", "+two:2 command"]
    wait_until(lambda: made[2:] == ["-two:2 command"], seen=lambda: made)
    ends[1]()
    wait_until(lambda: made[3:] == ["-one:1 command"], seen=lambda: made)
    end = topic_watch.watch("one:1", command)
    end()
    topic_watch.watch("one:1", command)()
    assert made[4:7] == ["+one:1 command", "-one:1 command", "+one:1 command"]
