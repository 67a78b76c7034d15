"""Checks before the start that the dispatcher's topics exist and fit together."""

from __future__ import annotations

from typing import Any

from streamproc.contracts.rights import Scope, rights_of, topic_operations
from streamproc.dispatch.settings import DispatchSettings
from streamproc.errors import StreamprocError
from streamproc.kafka.rights import MissingRightError, Needs
from streamproc.kafka.topic_watch import TopicWatch
from streamproc.provision.planning import Making, TopicsError, of_dispatcher, plan_topics
from streamproc.provision.starting import admin_of, checked_topics, refuse


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
                admin, settings.broker, wanted, making, command, needs_of(settings)
            )
    except (TopicsError, MissingRightError) as error:
        raise DispatchError(str(error)) from error
    return plan.counts()


def watch_of(settings: DispatchSettings, partitions: dict[str, int]) -> TopicWatch:
    """Looks at the topics while the dispatcher runs; ``partitions``: what was found before."""

    def check_settings(admin: Any) -> None:
        wanted = of_dispatcher(settings.topics)
        refuse(plan_topics(admin, settings.broker, wanted, Making()))

    return TopicWatch(settings.broker, partitions, check_settings, needs=needs_of(settings))


def needs_of(settings: DispatchSettings) -> Needs:
    """What a dispatcher does with its topics."""
    scope = Scope(dispatch=settings.topics, group=settings.group)
    return topic_operations(rights_of("dispatcher", scope))


def _options(settings: DispatchSettings) -> str:
    """The options of ``streamproc topics create`` that make what this dispatcher needs."""
    return "".join(f" {word}" for word in settings.topics.renamed())
