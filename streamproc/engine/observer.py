"""Who counts what the engine does; the engine itself keeps no figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

Counts = Mapping[tuple[str, ...], int]
"""What the application counted (``Outbox.counts``)."""


class Observer(Protocol):
    """Told of each commit and each change of a partition, never of single records. Must not fail
    and must not take long: the caller is in the middle of its work."""

    def assigned(self) -> None:
        """The group said which partitions are this worker's."""

    def opened(self, changelog_offsets: int, seconds: float) -> None:
        """A partition's rows are whole; so much of its changelog was read."""

    def committed(self, seconds: float, counts: Counts) -> None:
        """A transaction is committed, with all that the application counted in it."""

    def commit_failed(self) -> None:
        """A transaction failed: what was counted in it will be counted again."""

    def set_aside(self) -> None:
        """Work that the application failed at is left out."""


class Unobserved:
    """Counts nothing."""

    def assigned(self) -> None: ...

    def opened(self, changelog_offsets: int, seconds: float) -> None: ...

    def committed(self, seconds: float, counts: Counts) -> None: ...

    def commit_failed(self) -> None: ...

    def set_aside(self) -> None: ...


UNOBSERVED: Observer = Unobserved()
