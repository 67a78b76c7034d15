"""What a worker and a dispatcher ask of their topics before they start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from kafka.errors import KafkaError

from streamproc.kafka.errors import TopicError
from streamproc.kafka.rights import MissingRightError, Needs, said
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import open_admin
from streamproc.provision.planning import (
    Making,
    Plan,
    TopicsError,
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
    check: Callable[[Plan], None] = lambda _: None,
) -> Plan:
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


def refuse(plan: Plan) -> None:
    """Raise :class:`TopicsError` if the topics cannot be used as they are."""
    problem = plan.problem()
    if problem:
        raise TopicsError(problem)


def tell(plan: Plan) -> None:
    """Log it and continue: a test cluster may be like that."""
    for fault in plan.faults():
        log.critical("a topic's setting loses records", topic=fault.topic, why=str(fault))
    doubts = plan.doubts()
    if doubts:
        log.warning(
            "the loss of a broker can lose or duplicate events and reminders (docs/guarantees.md)",
            because="; ".join(doubts),
        )


def _missing(plan: Plan, broker: Broker, command: str) -> str:
    names = [one.wanted.name for one in plan.missing]
    is_one = len(names) == 1
    first = f"the topic {names[0]} does" if is_one else f"the topics {', '.join(names)} do"
    it, name = ("it", "the name is") if is_one else ("them", "the names are")
    return (
        f"{first} not exist at {broker}. If {name} right, make {it}: streamproc topics create "
        f"--broker {broker}{command} (or start with --create-topics). If not, correct the option "
        f"that names {it}"
    )
