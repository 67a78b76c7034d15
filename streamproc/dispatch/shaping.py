"""Limits of a gateway: submits per second, uncertain messages, and pauses that it asks for."""

from __future__ import annotations


class TokenBucket:
    """``per_second`` submits on average, ``burst`` at once. One long message may exceed the
    balance."""

    def __init__(self, per_second: float, burst: int, now_ms: int) -> None:
        self.per_second = per_second
        self.burst = burst
        self._tokens = float(burst)
        self._filled_ms = now_ms

    def take(self, cost: int, now_ms: int) -> bool:
        """Take ``cost`` submits if the bucket is not empty. All parts of a message are taken
        together."""
        self._fill(now_ms)
        if self._tokens < 1:
            return False
        self._tokens -= cost
        return True

    def ready_ms(self, now_ms: int) -> int:
        """When the next message may be sent."""
        self._fill(now_ms)
        if self._tokens >= 1:
            return now_ms
        # One more than the exact wait, so that rounding does not make the caller come too early.
        return now_ms + int((1 - self._tokens) * 1000 / self.per_second) + 1

    def _fill(self, now_ms: int) -> None:
        passed_ms = max(now_ms - self._filled_ms, 0)
        self._filled_ms = max(now_ms, self._filled_ms)
        self._tokens = min(self._tokens + passed_ms * self.per_second / 1000, self.burst)


class Shaper:
    """The capacity of a gateway: bucket, window and pauses."""

    def __init__(
        self, per_second: float, burst: int, window: int, now_ms: int, max_pause_ms: int = 30_000
    ) -> None:
        self._bucket = TokenBucket(per_second, burst, now_ms)
        self.window = window
        self._max_pause_ms = max_pause_ms
        self._throttles = 0
        self.outstanding = 0
        self.paused_until_ms = 0

    def take(self, cost: int, now_ms: int) -> bool:
        """Reserve a place for one message; :meth:`release` gives it back."""
        if now_ms < self.paused_until_ms or self.outstanding >= self.window:
            return False
        if not self._bucket.take(cost, now_ms):
            return False
        self.outstanding += 1
        return True

    def release(self) -> None:
        """The answer to a message is durable, or nobody here waits for it any more."""
        self.outstanding -= 1

    def throttled(self, now_ms: int, asked_ms: int, jitter: float) -> None:
        """The gateway said that the rate is too high: pause, longer each time in a row.

        ``jitter`` in [0, 1) separates dispatchers that were throttled at the same time.
        """
        if now_ms < self.paused_until_ms:
            return  # it answers a message that was sent before the pause
        self._throttles += 1
        grown_ms = min(500 * 2 ** min(self._throttles - 1, 16), self._max_pause_ms)
        self.paused_until_ms = now_ms + max(asked_ms, int(grown_ms * (1 + jitter) / 2))

    def taken(self) -> None:
        """The gateway accepts messages again."""
        self._throttles = 0

    def wake_ms(self, now_ms: int) -> int | None:
        """When there is capacity again without any answer; None if an answer must come first."""
        if self.outstanding >= self.window:
            return None
        return max(self.paused_until_ms, self._bucket.ready_ms(now_ms))
