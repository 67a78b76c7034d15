"""When to try again: exponential, with jitter, so that failures do not return together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """``base_ms`` doubled per attempt, at most ``max_ms``; half of it is left to chance."""

    base_ms: int = 1_000
    max_ms: int = 60_000
    max_attempts: int = 8
    """Refusals after which a transient error makes a dead letter."""

    def wait_ms(self, attempts: int, jitter: float) -> int:
        """Wait after the ``attempts``-th refusal (from 1); ``jitter`` in [0, 1)."""
        full = min(self.base_ms * 2 ** min(attempts - 1, 24), self.max_ms)
        return int(full * (1 + jitter) / 2)
