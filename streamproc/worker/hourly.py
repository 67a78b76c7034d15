"""Decides when a warning about a kind of records is due again: once an hour, with their number."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

WARN_SECONDS = 3_600.0

Kind = TypeVar("Kind", bound=Hashable)


@dataclass
class _Warned:
    """The last warning about a kind."""

    at: float
    """Monotonic seconds."""
    records: int = 0
    """Number of its records since."""


class Hourly(Generic[Kind]):
    """Remembers at most ``limit`` kinds; all further ones are counted together, as ``others``."""

    def __init__(self, now: Callable[[], float], limit: int, others: Kind) -> None:
        self._now = now
        self._limit = limit
        self._others = others
        self._warned: dict[Kind, _Warned] = {}

    def note(self, kind: Kind) -> tuple[Kind, int] | None:
        """A record of a kind came. Returns what to warn of, and how many of it came since the last
        warning; None if it is too early."""
        now = self._now()
        warned = self._warned.get(kind)
        if warned is None and len(self._warned) >= self._limit:
            self._warned = {
                known: one for known, one in self._warned.items() if now - one.at < WARN_SECONDS
            }
            if len(self._warned) >= self._limit:
                kind = self._others
                warned = self._warned.get(kind)
        if warned is not None and now - warned.at < WARN_SECONDS:
            warned.records += 1
            return None
        records = 1 + (warned.records if warned is not None else 0)
        self._warned[kind] = _Warned(now)
        return kind, records
