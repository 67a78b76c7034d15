"""Reports a broker that does not answer, repeats that now and then, and reports when it is back.

``topic_watch.py`` asks the broker. Programs with a loop of their own look there
(:class:`~streamproc.kafka.topic_watch.TopicWatch`). For work that may wait for the broker at any
place, :class:`~streamproc.kafka.topic_watch.BrokerWatch` looks in threads of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from streamproc.kafka.settings import Broker

log = structlog.get_logger(__name__)

FAILED_SECONDS = 5.0
"""A broker that restarts needs no message at once."""
UNANSWERED_SECONDS = 8.0
"""A question without an answer is reported before it fails: the whole takes at most ten seconds."""
REPEAT_SECONDS = 60.0
SLEPT_SECONDS = 3.0
"""If :meth:`Silence.pass_second` is called so late, this process itself was stopped or busy."""


@dataclass(frozen=True)
class Silent:
    """What is reported of a broker."""

    broker: str
    seconds: float
    """How long it has been silent."""
    is_back: bool = False
    error: str = ""
    """Why the last question failed; empty if it has no answer yet."""
    is_refusal: bool = False
    """The broker answers, but not to this client: a password or certificate may be out of date."""

    def __str__(self) -> str:
        if self.is_back:
            return f"the broker at {self.broker} answers again, after {self.seconds:.0f} s"
        if self.is_refusal:
            return f"{self.error}; waiting for that, since {self.seconds:.0f} s"
        because = f" ({self.error})" if self.error else ""
        return (
            f"the broker at {self.broker} has not answered for {self.seconds:.0f} s, waiting for it"
            f"{because}"
        )


def waited_for(silent_seconds: float) -> str:
    """What a process waits for, as its probes say it; empty if the broker answers."""
    if silent_seconds <= 0:
        return ""
    return f"the broker has not answered for {silent_seconds:.0f} s"


def logged(heard: Silent) -> None:
    """Report as a log line."""
    if heard.is_back:
        log.info("the broker answers again", seconds=round(heard.seconds))
        return
    log.warning(
        "the broker refuses this client, waiting for it"
        if heard.is_refusal
        else "the broker does not answer, waiting for it",
        broker=heard.broker,
        seconds=round(heard.seconds),
        error=heard.error or "no answer yet",
    )


def left_to_others(_: Silent) -> None:
    """Report nothing: a :class:`~streamproc.kafka.topic_watch.BrokerWatch` of the process does."""


class Silence:
    """Decides when to report. The times are those of ``clock``, in seconds."""

    def __init__(
        self,
        broker: Broker,
        report: Callable[[Silent], None] = logged,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = str(broker)
        self._report = report
        self._clock = clock
        self._answered = self._passed = clock()
        self._has_answered = False
        self._has_failed = False
        """Whether the last question failed."""
        self._told: float | None = None
        """When the present silence was reported last."""
        self._told_why = False
        """It was reported with a reason."""

    @property
    def seconds(self) -> float:
        """How long the broker has not answered; 0 if it answered the last question."""
        return self._clock() - self._answered if self._has_failed else 0.0

    def failed(
        self, error: BaseException, refusal: Callable[[], str | None] = lambda: None
    ) -> None:
        """A question has failed. ``refusal`` finds out whether the broker refuses this client; it
        may take seconds, and is asked only before a report."""
        self._has_failed = True
        # A command whose first question fails ends soon, and says more itself.
        after_seconds = FAILED_SECONDS if self._has_answered else UNANSWERED_SECONDS
        self._tell(after_seconds, repr(error), refusal)

    def answered(self) -> None:
        """A question was answered."""
        self._has_answered = True
        self._has_failed = False
        now = self._clock()
        if self._told is not None:
            self._told = None
            self._report(Silent(self._broker, now - self._answered, is_back=True))
        self._answered = now

    def pass_second(self) -> None:
        """A second has passed, whether or not a question waits for its answer."""
        now = self._clock()
        slept, self._passed = now - self._passed, now
        if slept > SLEPT_SECONDS:
            self._answered += slept
            return
        self._tell(UNANSWERED_SECONDS, "", lambda: None)

    def _tell(self, after_seconds: float, error: str, refusal: Callable[[], str | None]) -> None:
        now = self._clock()
        silent = now - self._answered
        if silent < after_seconds:
            return
        is_told = self._told is not None and now - self._told < REPEAT_SECONDS
        if is_told and (self._told_why or not error):
            return
        refused = refusal()
        if is_told and refused is None:
            return
        self._told, self._told_why = now, bool(error)
        self._report(
            Silent(self._broker, silent, error=refused or error, is_refusal=refused is not None)
        )
