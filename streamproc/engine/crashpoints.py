"""Places at which a test has a worker die or freeze: every numbered step of the protocols.

Armed only by the environment (``cli/worker.py`` reads ``STREAMPROC_CRASH_AT`` and calls
:func:`arm`); otherwise :func:`reached` looks at one empty variable. The stages and their steps:

``commit`` 1-7
    the steps of a commit (engine/README.md), as they happen. A step is reached when it is done.
    Between 3 and 5 records leave in the background: a delay lands while they are under way.
``open`` a-e
    a partition's opening on assignment, by its letters in engine/README.md.
``revoke`` 1-3
    1 told of a revocation, 2 everything applied is committed, 3 group offsets are committed.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from signal import Signals

from streamproc.errors import StreamprocError

VARIABLE = "STREAMPROC_CRASH_AT"

STEPS: dict[str, str] = {"commit": "1234567", "open": "abcde", "revoke": "123"}


class CrashPlanError(StreamprocError, ValueError):
    """The plan names no place that exists."""


@dataclass
class CrashPlan:
    """The ``count``-th time that ``step`` of ``stage`` is reached, ``delay_ms`` later: a signal."""

    stage: str
    step: str
    count: int = 1
    delay_ms: int = 0
    strike: Signals = Signals.SIGKILL

    def __str__(self) -> str:
        name = self.strike.name.removeprefix("SIG")
        return f"{self.stage}:{self.step}:{self.count}:{self.delay_ms}:{name}"

    @classmethod
    def parse(cls, text: str) -> CrashPlan:
        """``STAGE:STEP[:COUNT[:DELAY_MS[:KILL|STOP]]]``; raises :class:`CrashPlanError`."""
        try:
            stage, step, *rest = text.split(":")
            if step not in STEPS[stage] or len(step) != 1 or len(rest) > 3:
                raise ValueError(text)
            count, delay_ms, name = (*rest, *("1", "0", "KILL")[len(rest) :])
            return cls(stage, step, int(count), int(delay_ms), Signals[f"SIG{name}"])
        except (KeyError, ValueError) as error:
            steps = ", ".join(f"{stage}:[{steps}]" for stage, steps in STEPS.items())
            raise CrashPlanError(
                f"{VARIABLE}={text}: not STAGE:STEP[:COUNT[:DELAY_MS[:KILL|STOP]]] with {steps}"
            ) from error


_plan: CrashPlan | None = None


def arm(plan: CrashPlan | None) -> None:
    """From now on follow this plan; None disarms."""
    global _plan
    _plan = plan


def reached(stage: str, step: str) -> None:
    """A step of a protocol is done (see the module's text)."""
    plan = _plan
    if plan is None or plan.step != step or plan.stage != stage:
        return
    plan.count -= 1
    if plan.count:
        return
    arm(None)
    if plan.delay_ms:
        # A thread, so that the protocol runs on until then, whatever the event loop is doing.
        threading.Timer(plan.delay_ms / 1000, _strike, [plan.strike]).start()
    else:
        _strike(plan.strike)


def _strike(number: Signals) -> None:
    os.kill(os.getpid(), number)
