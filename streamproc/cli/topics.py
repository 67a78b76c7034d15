"""``streamproc topics``: shows which topics are needed, and makes those that are missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.printing import echo
from streamproc.cli.shared_options import app_id_option, clock_option
from streamproc.cli.topic_options import both_taken, both_topic_options, making_options
from streamproc.contracts.topics import ROLES

if TYPE_CHECKING:
    from streamproc.provision.planning import Entry, Making, TopicsPlan, Wanted

Command = TypeVar("Command", bound=Callable[..., Any])

PROGRAMS = ("worker", "dispatcher")
HEADING = ("topic", "partitions", "replicas", "policy", "records kept", "state", "kept for")


def _topics_wanted(command: Command) -> Command:
    """The options of both commands."""
    for option in (
        making_options,
        both_topic_options,
        clock_option(),
        app_id_option(),
        click.option(
            "--for",
            "programs",
            type=click.Choice(PROGRAMS),
            multiple=True,
            default=PROGRAMS,
            help="Only the topics of this program. May be repeated.",
        ),
        kafka_options(role="operator"),
    ):
        command = option(command)
    return command


@click.group(short_help="Show which topics are needed; make those that are missing.")
def topics() -> None:
    """Show which topics are needed, and make those that are missing.

    Workers and dispatchers make no topics unless they are told to: a mistyped name is an error.

    \b
    Examples:
      streamproc topics plan --broker localhost:9092
      streamproc topics create --broker localhost:9092 --partitions 12 --replication-factor 3
      streamproc topics create --broker localhost:9092 --for worker --retention inputs=180d
    """


@topics.command(short_help="Show what would be made, and what differs.")
@_topics_wanted
def plan(**options: Any) -> None:
    """Show which topics would be made, and which settings of existing ones differ or lose records.

    It changes nothing. Exit status: 1 if workers or dispatchers would refuse the topics as they
    are.
    """
    _run(options, create=False)


@topics.command(short_help="Make what is missing.")
@_topics_wanted
def create(**options: Any) -> None:
    """Make the topics that do not exist. Existing ones are never changed.

    Exit status: 1 if workers or dispatchers would refuse the topics as they are.
    """
    _run(options, create=True)


def _run(options: dict[str, Any], create: bool) -> None:
    from streamproc.provision.planning import TopicsError, make_missing, plan_topics
    from streamproc.provision.starting import admin_of

    wanted, making = _wanted(options), _making(options)
    broker = options["broker"]
    needs = {one.name: ("Describe", "DescribeConfigs") for one in wanted}
    with admin_of(broker) as admin:
        found = plan_topics(admin, broker, wanted, making, needs)
        made = {one.wanted.name for one in found.missing}
        if create and not found.problem():
            _check_partitions(found, making)
            make_missing(admin, broker, found)
            found = plan_topics(admin, broker, wanted, making, needs)
    _show(found, made if create else set())
    problem = found.problem()
    if problem:
        raise TopicsError(problem)


def _wanted(options: dict[str, Any]) -> list[Wanted]:
    from streamproc.provision.planning import of_dispatcher, of_worker

    worker, dispatch = both_taken(options)
    found = of_worker(worker, options["app_id"]) if "worker" in options["programs"] else []
    return found + (of_dispatcher(dispatch) if "dispatcher" in options["programs"] else [])


def _making(options: dict[str, Any]) -> Making:
    from streamproc.provision.planning import Making

    return Making(
        options["partitions"],
        options["replication_factor"],
        dict(options["retention"]),
        options["clock"],
    )


def _check_partitions(found: TopicsPlan, making: Making) -> None:
    from streamproc.provision.planning import TopicsError

    if making.partitions and making.partitions != found.partitions:
        raise TopicsError(
            f"topics that exist have {found.partitions} partitions, and all must have the same "
            f"number: leave out --partitions {making.partitions}, or name new topics"
        )


def _show(found: TopicsPlan, made: set[str]) -> None:
    rows = [HEADING, *(_row(one, made) for one in found.entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADING))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        echo("  ".join(cells).rstrip())
    for fault in found.faults():
        echo(f"{'refused' if fault.demand.then == 'refuse' else 'warning'}: {fault}")
    doubts = found.doubts()
    if doubts:
        echo(f"warning: losing a broker may lose records: {'; '.join(doubts)}")


def _row(one: Entry, made: set[str]) -> tuple[str, ...]:
    if one.found is None:
        state = "would be made"
    elif one.wanted.name in made:
        state = "made"
    else:
        state = ", ".join(one.differences()) or "as planned"
    configs = one.new.configs
    return (
        one.wanted.name,
        str(one.new.partitions),
        str(one.new.replication_factor),
        configs.get("cleanup.policy", ""),
        _kept(configs),
        state,
        ROLES[one.wanted.role].retention.why,
    )


def _kept(configs: Mapping[str, str]) -> str:
    if configs.get("cleanup.policy") == "compact":
        return "the last of each key"
    retention_ms = configs.get("retention.ms", "-1")
    if retention_ms == "-1":
        return "for ever"
    days = int(retention_ms) / 86_400_000
    return f"{days:g} d"
