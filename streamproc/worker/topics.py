"""Checks before the start that all topics exist, fit together, and are those of the state."""

from __future__ import annotations

from typing import Any

from streamproc.contracts.rights import NamesInUse, rights_of, topic_operations
from streamproc.contracts.topics import PARTITIONS
from streamproc.kafka.missing_rights import Needs
from streamproc.kafka.topics import find_topics
from streamproc.provision.planning import Making, TopicsError, TopicsPlan, of_worker
from streamproc.provision.starting import admin_of, checked_topics, made_by_a_lost_state
from streamproc.worker.settings import WorkerSettings


def prepare_topics(settings: WorkerSettings) -> dict[str, int]:
    """The topics of a worker and their numbers of partitions, all the same.

    Missing ones are made if the settings say so. Raises :class:`TopicsError` if they are missing
    otherwise, do not fit together, have settings that lose records, or if the state is not the one
    that the outputs were made from; ``MissingRightError`` before anything is made or written.
    """
    wanted = of_worker(settings.topics, settings.app_id)
    if settings.embedded:  # it knows no settings, and no other number
        return {one.name: PARTITIONS for one in wanted}
    making = Making(
        settings.partitions,
        settings.replication_factor,
        settings.retention_ms,
        settings.clock,
    )
    with admin_of(settings.broker) as admin:
        command = None if settings.create_topics else _options(settings)
        plan = checked_topics(
            admin,
            settings.broker,
            wanted,
            making,
            command,
            needs_of(settings),
            lambda plan: _check_state(admin, plan, settings),
        )
    return plan.counts()


def needs_of(settings: WorkerSettings) -> Needs:
    """What a worker does with its topics."""
    scope = NamesInUse(settings.topics, app_id=settings.app_id)
    return topic_operations(rights_of("worker", scope))


def _check_state(admin: Any, plan: TopicsPlan, settings: WorkerSettings) -> None:
    """Refuse an empty state beside outputs that some state has made."""
    if settings.start_empty:
        return
    counts = plan.counts()
    full = made_by_a_lost_state(admin, counts, settings.changelog, settings.topics.results)
    if not full:
        return
    state = "is empty" if settings.changelog in counts else "does not exist"
    raise TopicsError(
        f"the changelog {settings.changelog} {state}, but there are records in {', '.join(full)}: "
        f"with an empty state a worker reads the input from its beginning and writes every message "
        f"again, and dispatchers send those that they do not remember. Is --app-id "
        f"{settings.app_id} wrong? Give the one that the workers had. Is the changelog lost? "
        f"Restore it. Do you want a new start? Give --start-empty, with outputs of other names if "
        f"nobody shall get messages twice"
    )


def _options(settings: WorkerSettings) -> str:
    """The options of ``streamproc topics create`` that make what this worker needs."""
    usual = WorkerSettings(settings.broker)
    words = []
    if settings.app_id != usual.app_id:
        words += ["--app-id", settings.app_id]
    if settings.clock != usual.clock:
        words += ["--clock", settings.clock]
    if settings.topics.inputs != usual.topics.inputs:
        words += [word for name in settings.topics.inputs for word in ("--input", name)]
    return "".join(f" {word}" for word in [*words, *settings.topics.renamed()])


def changelog_partitions(settings: WorkerSettings) -> int:
    """How many partitions the table's changelog has; 0 if there is none. For tools that read it
    and the input.

    Raises :class:`TopicsError` if the broker does not answer, ``MissingRightError``.
    """
    with admin_of(settings.broker) as admin:
        names = (settings.changelog, *settings.topics.read)
        found = find_topics(admin, settings.broker, names, needs=dict.fromkeys(names, ("Read",)))
    return found[settings.changelog].partitions if settings.changelog in found else 0
