"""Partitions, topics and reasons that there are not, and a replay into its own source."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from click.testing import CliRunner, Result

from streamproc.cli import main
from streamproc.kafka.errors import TopicError
from streamproc.kafka.settings import KafkaSettings
from streamproc.tools.replay import sources
from streamproc.tools.replay.sources import TopicSource

KAFKA = ("--broker", "127.0.0.1:1")


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args, input="")


@pytest.mark.parametrize("given", [{"from_offsets": {9: 5}}, {"to_offsets": {0: 5, 4: 7}}])
def test_an_offset_of_a_partition_that_is_not_there_is_refused(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "readable_partitions", lambda *_: [0, 1, 2, 3])
    monkeypatch.setattr(sources, "open_consumer", lambda *_: pytest.fail("the broker was asked"))
    number = 9 if "from_offsets" in given else 4

    with pytest.raises(TopicError) as refused:
        TopicSource(KafkaSettings("b:1"), "usage", **given)

    assert str(refused.value) == (
        f"usage has the partitions 0 to 3; correct the offset of partition {number}"
    )


def test_a_replay_into_its_own_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = TopicSource.__new__(TopicSource)
    source.topic, source._bootstrap = "usage", KafkaSettings("127.0.0.1:1")
    monkeypatch.setattr(sys.modules["streamproc.cli.replay"], "source_of", lambda *_: source)

    ended = run("replay", "topic:usage", *KAFKA, "--to", "usage")

    assert ended.exit_code == 2
    assert "--to usage is the source: each record would be in it twice" in ended.output


@pytest.mark.parametrize("command", ["list", "resend"])
def test_a_reason_that_no_dead_letter_has_is_refused(command: str) -> None:
    ended = run("dead-letters", *KAFKA, command, "--reason", "none")

    assert ended.exit_code == 2
    assert "'none' is not one of 'permanent', 'transient', 'contract_violation'" in ended.output


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ("[]", "--event: is not a JSON object"),
        ('{"type":"no.such"}', "--event: subscriber: is missing"),
    ],
)
def test_a_wrong_event_names_its_option(event: str, problem: str) -> None:
    ended = run("send", *KAFKA, "--event", event)

    assert (ended.exit_code, ended.output.splitlines()[-1]) == (1, f"Error: {problem}")
