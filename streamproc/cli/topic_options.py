"""Options that name topics, one for each topic of a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from streamproc.cli.durations import Duration
from streamproc.cli.shared_options import SharedOption, inputs_of_worker, topic_option
from streamproc.cli.values import Count
from streamproc.contracts.topic_settings import roles_with_retention
from streamproc.contracts.topics import (
    CHANGELOG,
    COMMANDS,
    EVENTS,
    TOPICS,
    DispatchTopics,
    WorkerTopics,
    option_of,
)

Command = TypeVar("Command", bound=Callable[..., Any])
Topics = TypeVar("Topics", WorkerTopics, DispatchTopics)

inputs_option = inputs_of_worker(WorkerTopics().inputs)


def events_option(says: str) -> Callable[[Command], Command]:
    """``--topic``: the input topic for usage and account events."""
    return topic_option("--topic", "events", default=EVENTS.default, help=says)


def named_topics(*options: str) -> Iterator[str]:
    """The topics that somebody named by these options of the present command, wherever."""
    context = click.get_current_context()
    for option in options:
        if context.get_parameter_source(option) is not ParameterSource.DEFAULT:
            value = context.params[option]
            yield from [value] if isinstance(value, str) else value


def refuse_output(topic: str) -> None:
    """End the command if a topic of this name holds what streamproc itself writes."""
    for known in (CHANGELOG, *TOPICS):
        if topic == known.default and known not in (EVENTS, COMMANDS):
            writer = " and ".join(known.written_by)
            raise click.UsageError(
                f"{topic} is written by {writer}; events go to an input topic, such as "
                f"{EVENTS.default}"
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
                option = topic_option(option_of(name), name, default=topic.default, help=topic.says)
                command = option(command)
        return command

    return decorated


def both_topic_options(command: Command) -> Command:
    """The options of all topics, of workers and of dispatchers."""
    dispatch_only = [
        name for name in DispatchTopics.declared() if name not in WorkerTopics.declared()
    ]
    for option in (
        topic_options(DispatchTopics, *dispatch_only),
        topic_options(WorkerTopics),
        inputs_option,
    ):
        command = option(command)
    return command


def both_taken(options: dict[str, Any]) -> tuple[WorkerTopics, DispatchTopics]:
    """The topics that the options of :func:`both_topic_options` name."""
    named = {name: options[name] for name in WorkerTopics.declared()}
    worker = WorkerTopics(inputs=tuple(options["inputs"]), **named)
    return worker, DispatchTopics(**{name: options[name] for name in DispatchTopics.declared()})


class RetentionValue(click.ParamType):
    """A topic by the name of its option, and for how long it keeps records."""

    name = "retention"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if not isinstance(value, str):
            role, kept_ms = value
            return str(role), int(kept_ms)
        name, equals, duration = value.partition("=")
        role = name.replace("-", "_")
        role = "inputs" if role == "input" else role
        roles = list(roles_with_retention())
        if not equals or role not in roles:
            names = ", ".join(one.replace("_", "-") for one in roles)
            self.fail(f"{value!r}: write for instance audit=90d; topics: {names}", param, ctx)
        kept_ms = -1 if duration == "forever" else Duration().convert(duration, param, ctx)
        return role, kept_ms


def making_options(command: Command) -> Command:
    """How topics are made that do not exist: the same options wherever any are made."""
    for option in (
        click.option(
            "--retention",
            cls=SharedOption,
            place=("topics", "retention"),
            type=RetentionValue(),
            multiple=True,
            metavar="TOPIC=DURATION",
            help=(
                "How long a new topic keeps records, such as inputs=180d or audit=forever. May be "
                "repeated. Default: docs/operations.md."
            ),
        ),
        click.option(
            "--replication-factor",
            "--replication",
            cls=SharedOption,
            place=("topics", "replication_factor"),
            type=Count(1),
            default=1,
            help="Number of replicas of a new topic.",
        ),
        click.option(
            "--partitions",
            cls=SharedOption,
            place=("topics", "partitions"),
            type=Count(1),
            help=(
                "Number of partitions of new topics. Default: that of the topics that exist, or 4."
            ),
        ),
    ):
        command = option(command)
    return command


create_topics_option = click.option(
    "--create-topics",
    is_flag=True,
    help="Make topics that do not exist. Otherwise a missing topic is an error.",
)


def taken(topics: type[Topics], options: dict[str, Any], **others: Any) -> Topics:
    """The topics that the options name. They are removed from ``options``."""
    named = {name: options.pop(name) for name in topics.declared() if name in options}
    return topics(**named, **others)
