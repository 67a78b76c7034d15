"""Ends a worker whose topics change while it runs, and reports a silent broker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from streamproc.kafka.silence import Silence
from streamproc.kafka.topic_watch import TopicWatch, keep_watching
from streamproc.provision.planning import Making, of_worker, plan_topics
from streamproc.provision.starting import refuse
from streamproc.supervision import cancel_task, start_task
from streamproc.worker.fetching import FetchWatch
from streamproc.worker.settings import WorkerSettings
from streamproc.worker.topics import needs_of

log = structlog.get_logger(__name__)


class TopicGuard:
    """Runs beside the app, from before its start: a worker that waits for its group is guarded."""

    def __init__(
        self,
        app: Any,
        settings: WorkerSettings,
        partitions: Mapping[str, int],
        silence: Silence | None = None,
        fetches: FetchWatch | None = None,
    ) -> None:
        """``partitions``: what ``prepare_topics`` found. ``silence``: gets each answer.
        ``fetches``: looks too."""
        self._fetches = fetches
        self._app = app
        self._settings = settings
        self._watch = TopicWatch(
            settings.broker, partitions, self._check_settings, silence, needs_of(settings)
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look from now on."""
        if not self._settings.embedded:  # nobody adds partitions there
            self._task = start_task(self._run(), "watch of topics", lambda _: None)

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            await cancel_task(self._task)

    async def _run(self) -> None:
        try:
            await keep_watching(self._watch)
        except Exception as error:
            log.critical("the worker stops", why=str(error))
            await self._app.crash(error)

    def _check_settings(self, admin: Any) -> None:
        """What is refused at a start is refused later, too: it loses records from now on."""
        wanted = of_worker(self._settings.topics, self._settings.app_id)
        making = Making(clock=self._settings.clock)
        refuse(plan_topics(admin, self._settings.broker, wanted, making))
        if self._fetches is not None:
            self._fetches.look(admin)
