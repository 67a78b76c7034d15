"""One list of topics: a topic that is added to it is in settings, options and outlets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click
import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.cli.topic_options import taken, topic_options
from streamproc.contracts.topics import (
    TOPICS,
    DispatchTopics,
    Topic,
    WorkerTopics,
    _named_by,
    option_of,
)
from streamproc.core.state.effects import Audited, ConfirmationDecided, Rejected
from streamproc.worker.outlets import outlets

NOTICES = Topic(
    "streamproc.notices",
    "Topic for notices.",
    ("audit.recorded",),
    "none",
    written_by=("worker",),
    read_by=("operator",),
)


@dataclass(frozen=True)
class More(WorkerTopics):
    """One topic more than a worker has; it takes another's records."""

    notices: str = _named_by(NOTICES)


def test_a_topic_of_the_list_is_made_named_and_given_to_the_worker() -> None:
    topics = More.under("app.", inputs=("app.events",))

    assert topics.outputs[-1] == "app.notices"
    assert topics.arguments()[-2:] == ["--notices", "app.notices"]


def test_a_topic_of_the_list_is_an_option() -> None:
    found: list[Any] = []

    @click.command()
    @topic_options(More)
    def command(**options: Any) -> None:
        found.append(taken(More, options, inputs=()))

    shown = CliRunner().invoke(command, ["--help"]).output
    CliRunner().invoke(command, ["--notices", "mine"])

    assert NOTICES.says in shown
    (topics,) = found
    assert (topics.notices, topics.audit) == ("mine", "streamproc.audit")


def test_every_effect_goes_to_the_topic_that_carries_its_type() -> None:
    found = outlets(WorkerTopics())

    assert found[ConfirmationDecided] == ("orders", "streamproc.orders", True)
    assert found[Rejected] == ("rejects", "streamproc.rejects", False)
    assert found[Audited].is_keyed


def test_an_effect_of_two_topics_is_refused() -> None:
    with pytest.raises(ValueError, match=r"audit\.recorded must belong to exactly one output"):
        outlets(More())


@pytest.mark.parametrize(
    ("command", "topics"),
    [("worker", WorkerTopics), ("dispatch", DispatchTopics), ("verify-outputs", WorkerTopics)],
)
def test_commands_have_an_option_for_every_topic_of_their_program(
    command: str, topics: type[WorkerTopics | DispatchTopics]
) -> None:
    params = {one.opts[0]: one for one in main.commands[command].params}

    for name, topic in topics.declared().items():
        assert params[option_of(name)].default == topic.default


def test_no_two_topics_share_a_name() -> None:
    names = [one.default for one in TOPICS]

    assert len(names) == len(set(names))
