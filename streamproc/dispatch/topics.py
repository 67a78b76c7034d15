"""Checks before the start that the dispatcher's topics exist and fit together."""

from __future__ import annotations

from typing import Any

from streamproc.contracts.rights import NamesInUse, rights_of, topic_operations
from streamproc.dispatch.settings import DispatchSettings
from streamproc.errors import StreamprocError
from streamproc.kafka.missing_rights import MissingRightError, Needs
from streamproc.kafka.topic_watch import TopicWatch
from streamproc.provision.planning import (
    Making,
    TopicsError,
    TopicsPlan,
    of_dispatcher,
    plan_topics,
)
from streamproc.provision.starting import admin_of, checked_topics, made_by_a_lost_state, refuse


class DispatchError(StreamprocError):
    """The dispatcher cannot start; the message says what to do."""


def prepare_topics(settings: DispatchSettings) -> dict[str, int]:
    """The topics of a dispatcher and their numbers of partitions. Raises :class:`DispatchError`.

    Missing ones are made if the settings say so.
    """
    making = Making(settings.partitions, settings.replication_factor, settings.retention_ms)
    command = None if settings.create_topics else _options(settings)
    try:
        with admin_of(settings.broker) as admin:
            wanted = of_dispatcher(settings.topics)
            plan = checked_topics(
                admin,
                settings.broker,
                wanted,
                making,
                command,
                needs_of(settings),
                lambda plan: _check_journal(admin, plan, settings),
            )
    except (TopicsError, MissingRightError) as error:
        raise DispatchError(str(error)) from error
    return plan.counts()


def _check_journal(admin: Any, plan: TopicsPlan, settings: DispatchSettings) -> None:
    """Refuse an empty journal beside receipts that some journal goes with."""
    topics, counts = settings.topics, plan.counts()
    if settings.start_empty:
        return
    if not made_by_a_lost_state(admin, counts, topics.journal, [topics.receipts]):
        return
    state = "is empty" if topics.journal in counts else "does not exist"
    raise TopicsError(
        f"the journal {topics.journal} {state}, but there are receipts in {topics.receipts}: with "
        f"an empty journal a dispatcher does not know what was sent, and sends every reminder "
        f"again that has not expired. Is --journal {topics.journal} wrong? Give the one that the "
        f"dispatchers had. Is the journal lost? Restore it. Do you want a new start? Give "
        f"--start-empty"
    )


def watch_of(settings: DispatchSettings, partitions: dict[str, int]) -> TopicWatch:
    """Looks at the topics while the dispatcher runs; ``partitions``: what was found before."""

    def check_settings(admin: Any) -> None:
        wanted = of_dispatcher(settings.topics)
        refuse(plan_topics(admin, settings.broker, wanted, Making()))

    return TopicWatch(settings.broker, partitions, check_settings, needs=needs_of(settings))


def needs_of(settings: DispatchSettings) -> Needs:
    """What a dispatcher does with its topics."""
    scope = NamesInUse(dispatch=settings.topics, group=settings.group)
    return topic_operations(rights_of("dispatcher", scope))


def _options(settings: DispatchSettings) -> str:
    """The options of ``streamproc topics create`` that make what this dispatcher needs."""
    return "".join(f" {word}" for word in settings.topics.renamed())
