"""What a worker and a dispatcher ask of their topics before they start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from kafka.errors import KafkaError

from streamproc.kafka.errors import TopicError
from streamproc.kafka.missing_rights import MissingRightError, Needs, said
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import end_offsets, open_admin
from streamproc.provision.planning import (
    Making,
    TopicsError,
    TopicsPlan,
    Wanted,
    make_missing,
    plan_topics,
)

log = structlog.get_logger(__name__)


@contextmanager
def admin_of(broker: Broker) -> Iterator[Any]:
    """A client for questions about topics; errors of it become :class:`TopicsError`."""
    try:
        admin = open_admin(broker)
    except TopicError as error:
        raise TopicsError(str(error)) from error
    try:
        yield admin
    except MissingRightError:
        raise
    except (KafkaError, TopicError) as error:
        raise TopicsError(said(error, broker, "Describe", "topics")) from error
    finally:
        admin.close()


def checked_topics(
    admin: Any,
    broker: Broker,
    wanted: Iterable[Wanted],
    making: Making,
    command: str | None,
    needs: Needs,
    check: Callable[[TopicsPlan], None] = lambda _: None,
) -> TopicsPlan:
    """The topics, all of which exist and fit together; what they may lose is logged.

    ``command``: the options that make them, for a person who reads that some are missing. None:
    the missing ones are made now. ``needs``: what the program does with its topics. ``check`` may
    refuse what there is, before any is made. Raises :class:`TopicsError`, ``MissingRightError``.
    """
    each = list(wanted)
    plan = plan_topics(admin, broker, each, making, needs)
    refuse(plan)
    check(plan)
    if plan.missing:
        if command is not None:
            raise TopicsError(_missing(plan, broker, command))
        make_missing(admin, broker, plan)
        # Looked at again: somebody else may have made them otherwise.
        plan = plan_topics(admin, broker, each, making, needs)
        refuse(plan)
    tell(plan)
    return plan


def made_by_a_lost_state(
    admin: Any, counts: Mapping[str, int], state: str, outputs: Iterable[str]
) -> list[str]:
    """The outputs that hold records although the topic of their state is empty or missing.

    ``counts``: the topics that exist, and their numbers of partitions.
    """
    present = {name: counts[name] for name in outputs if name in counts}
    # In this order: another process that starts now writes both in one transaction.
    written = end_offsets(admin, present)
    kept = end_offsets(admin, {state: counts[state]}) if state in counts else {}
    if any(map(any, kept.values())):
        return []
    return [name for name, ends in written.items() if any(ends)]


def refuse(plan: TopicsPlan) -> None:
    """Raise :class:`TopicsError` if the topics cannot be used as they are."""
    problem = plan.problem()
    if problem:
        raise TopicsError(problem)


def tell(plan: TopicsPlan) -> None:
    """Log it and continue: a test cluster may be like that."""
    for fault in plan.faults():
        log.critical("a topic's setting loses records", topic=fault.topic, why=str(fault))
    doubts = plan.doubts()
    if doubts:
        log.warning(
            "the loss of a broker can lose or duplicate events and reminders (docs/guarantees.md)",
            because="; ".join(doubts),
        )


def _missing(plan: TopicsPlan, broker: Broker, command: str) -> str:
    names = [one.wanted.name for one in plan.missing]
    is_one = len(names) == 1
    first = f"the topic {names[0]} does" if is_one else f"the topics {', '.join(names)} do"
    it, name = ("it", "the name is") if is_one else ("them", "the names are")
    return (
        f"{first} not exist at {broker}. If {name} right, make {it}: streamproc topics create "
        f"--broker {broker}{command} (or start with --create-topics). If not, correct the option "
        f"that names {it}"
    )
