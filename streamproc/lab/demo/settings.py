"""Settings of a demo run, and the names of its topics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from streamproc.contracts.topics import WorkerTopics
from streamproc.kafka.settings import Broker

LEAST_LIMIT_SECONDS = 56.0
"""A run takes at most a minute. A busy machine needs some of it before and after this."""

AROUND_SECONDS = 24.0
"""Time for the start, for catching up and for the comparison, in addition to the month."""


@dataclass(frozen=True)
class DemoSettings:
    """One run of the demo."""

    broker: Broker | None = None
    """A real broker; None: the embedded one."""
    rules: Path | None = None
    """A valid rules file; None: the packaged one."""
    seed: int = 1
    events: int = 60_000
    """Records of a month."""
    subscribers: int = 1_500
    seconds: float = 32.0
    """How long a month takes; less if the machine was slow to start."""
    keep: bool = False
    """Continue with one month after the other until interrupted."""

    @property
    def limit_seconds(self) -> float:
        """Time from the start to the summary."""
        return max(LEAST_LIMIT_SECONDS, self.seconds + AROUND_SECONDS)


@dataclass(frozen=True)
class Names:
    """Topics and group of one run, so that runs on one broker do not disturb each other."""

    app_id: str

    @classmethod
    def fresh(cls) -> Names:
        return cls(f"demo-{uuid4().hex[:8]}")

    @property
    def worker(self) -> WorkerTopics:
        """The topics of the worker."""
        return WorkerTopics.under(f"{self.app_id}.", inputs=(self.events,))

    @property
    def events(self) -> str:
        return f"{self.app_id}.events"

    @property
    def changelog(self) -> str:
        """The name that the worker gives to the changelog of its accounts table."""
        return f"{self.app_id}-accounts-changelog"

    @property
    def topics(self) -> tuple[str, ...]:
        return (*self.worker.inputs, *self.worker.outputs, self.changelog)
