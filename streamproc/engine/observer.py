"""Receives what the engine counts. The engine itself keeps no figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from streamproc.engine.processor import Outbox


class Observer(Protocol):
    """Called at each commit and each change of a partition, never for single records. It must not
    fail and must be fast, because the caller is in the middle of its work."""

    def assigned(self) -> None:
        """The group has assigned partitions to this worker."""

    def group_has(self, releases: Mapping[str, int]) -> None:
        """How many workers of the group run each release, as of the last assignment."""

    def opened(self, changelog_offsets: int, seconds: float) -> None:
        """The rows of a partition are complete; ``changelog_offsets`` of its changelog were
        read."""

    def committed(self, seconds: float, outbox: Outbox) -> None:
        """A transaction is committed, with what the application counted in its outbox."""

    def commit_failed(self, seconds: float, outbox: Outbox, error: BaseException) -> None:
        """A transaction failed. What is in its outbox will be made and counted again."""

    def set_aside(self) -> None:
        """Work at which the application failed is skipped."""


class Unobserved:
    """An observer that counts nothing."""

    def assigned(self) -> None: ...

    def group_has(self, releases: Mapping[str, int]) -> None: ...

    def opened(self, changelog_offsets: int, seconds: float) -> None: ...

    def committed(self, seconds: float, outbox: Outbox) -> None: ...

    def commit_failed(self, seconds: float, outbox: Outbox, error: BaseException) -> None: ...

    def set_aside(self) -> None: ...


UNOBSERVED: Observer = Unobserved()
