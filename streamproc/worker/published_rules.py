"""The rules of a worker without a rules file: the published version in force.

A running worker looks for a change every second. Until something is published, it has the packaged
rules.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from streamproc.contracts.records.rule_versions import RulesPublished
from streamproc.contracts.records.version_history import HOW_ON, UnreadableVersionError, number_of
from streamproc.contracts.rules_file.load import RulesError, default_rulebook, load_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.errors import StreamprocError
from streamproc.worker.rules import InForce
from streamproc.worker.version_log import VersionLog

log = structlog.get_logger(__name__)


def rulebook_of_version(version: RulesPublished) -> Rulebook:
    """The rulebook of a version. Raises :class:`UnreadableVersionError`."""
    content = version.content()
    try:
        return load_rulebook(content.rules, version.file, content.texts)
    except RulesError as error:
        raise UnreadableVersionError(
            f"version {number_of(version)} of the rules of {version.app_id} is not understood by "
            f"this release: {HOW_ON}\n{error}"
        ) from error


class PublishedRules:
    """A rulebook that follows what is published."""

    def __init__(
        self,
        versions: VersionLog,
        id_key: str = "",
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        """``id_key``: that of each rulebook (``id_keys.py``). Call :meth:`begin` before use."""
        self._versions = versions
        self._id_key = id_key
        self._now_ms = now_ms
        self.refusal: str | None = None
        """Why what is published is not in force here; None if it is."""
        self.in_force: InForce | None = None
        """Rules of a file, to be kept in the topic; these are there already."""
        self.version: RulesPublished | None = None
        """What is in force; None for the packaged rules."""
        self.rulebook = default_rulebook().keyed(id_key)
        self._is_failing = False
        self._is_closed = False

    def begin(self) -> None:
        """Take the version in force. Blocking.

        Raises :class:`StreamprocError` if the topic cannot be read, or a version in it: a worker
        does not start with other rules than its neighbours.
        """
        self._versions.look()
        version = self._versions.history.in_force(self._now_ms())
        if version is None:
            log.info("no rules are published; the packaged ones are used")
        else:
            self._take(version, rulebook_of_version(version))

    async def start(self) -> None:
        """Nothing: the worker's timer looks."""

    async def close(self) -> None:
        """Give the connection back."""
        self._is_closed = True
        await asyncio.to_thread(self._versions.close)

    def refresh(self) -> Rulebook | None:
        """The rulebook of another version that is in force by now. Failures are logged once."""
        if self._is_closed:
            return None
        try:
            self._versions.look()
        except StreamprocError as error:
            if not self._is_failing:
                log.error("published rules cannot be read; those in force stay", why=str(error))
            self._is_failing = True
            return None
        self._is_failing = False
        try:
            version = self._versions.history.in_force(self._now_ms())
            if version is None or version == self.version:
                self.refusal = None
                return None
            found = rulebook_of_version(version)
        except UnreadableVersionError as error:
            self._refuse(str(error))
            return None
        self._take(version, found)
        return self.rulebook

    def _take(self, version: RulesPublished, found: Rulebook) -> None:
        self.version, self.refusal = version, None
        self.rulebook = found.keyed(self._id_key)
        log.info(
            "published rules are in force",
            version=number_of(version),
            fingerprint=self.rulebook.fingerprint,
        )

    def _refuse(self, why: str) -> None:
        if self.refusal != why:
            log.error("published rules are refused; those in force stay", problems=why)
        self.refusal = why
