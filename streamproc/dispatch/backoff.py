"""When to try again: exponential with jitter, so that failed messages do not return all at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """``base_ms`` doubled per attempt, at most ``max_ms``; half of it is random."""

    base_ms: int = 1_000
    max_ms: int = 60_000
    max_attempts: int = 8
    """After this many refusals, a transient error becomes a dead letter."""

    def wait_ms(self, attempts: int, jitter: float) -> int:
        """The wait after refusal number ``attempts`` (from 1); ``jitter`` in [0, 1)."""
        full = min(self.base_ms * 2 ** min(attempts - 1, 24), self.max_ms)
        return int(full * (1 + jitter) / 2)
