"""Options that name topics, one for each topic of a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from streamproc.cli.values import TopicName
from streamproc.contracts.topics import DispatchTopics, WorkerTopics, option_of

Command = TypeVar("Command", bound=Callable[..., Any])
Topics = TypeVar("Topics", WorkerTopics, DispatchTopics)

inputs_option = click.option(
    "--input",
    "inputs",
    type=TopicName(),
    multiple=True,
    default=list(WorkerTopics().inputs),
    help="Input topic. May be repeated.",
)


def topic_options(
    topics: type[WorkerTopics | DispatchTopics], *only: str
) -> Callable[[Command], Command]:
    """One option for each topic (``only``: some of them, by field). The default is its usual
    name."""

    def decorated(command: Command) -> Command:
        # click shows options in the reverse of the order in which they are added.
        for name, topic in reversed(topics.declared().items()):
            if not only or name in only:
                option = click.option(
                    option_of(name), type=TopicName(), default=topic.default, help=topic.says
                )
                command = option(command)
        return command

    return decorated


def taken(topics: type[Topics], options: dict[str, Any], **others: Any) -> Topics:
    """The topics that the options name. They are removed from ``options``."""
    named = {name: options.pop(name) for name in topics.declared() if name in options}
    return topics(**named, **others)
