"""Points at which a test kills or freezes a worker: every numbered step of the protocols.

Only the environment arms them (``cli/worker.py`` reads ``STREAMPROC_CRASH_AT`` and
calls :func:`arm`). Otherwise :func:`reached` only checks a variable that is None. The
stages and their steps:

``commit`` 1-7
    the steps of a commit (engine/README.md), in their order. A step is reached when it is done.
    Between 3 and 5 records are sent in the background: a delay strikes while they are on their way.
``open`` a-e
    a partition's opening on assignment, by its letters in engine/README.md.
``revoke`` 1-3
    1 the revocation has begun, 2 everything applied is committed, 3 group offsets are committed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from signal import Signals

from streamproc.errors import StreamprocError
from streamproc.supervision import start_timer

VARIABLE = "STREAMPROC_CRASH_AT"

STEPS: dict[str, str] = {"commit": "1234567", "open": "abcde", "revoke": "123"}


class CrashPlanError(StreamprocError, ValueError):
    """The plan names a stage or step that does not exist."""


@dataclass
class CrashPlan:
    """Send a signal when ``step`` of ``stage`` is reached the ``count``-th time, ``delay_ms``
    later."""

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
    """Use this plan from now on; None disarms."""
    global _plan
    _plan = plan


def reached(stage: str, step: str) -> None:
    """Report that a step of a protocol is done (see the docstring of the module)."""
    plan = _plan
    if plan is None or plan.step != step or plan.stage != stage:
        return
    plan.count -= 1
    if plan.count:
        return
    arm(None)
    if plan.delay_ms:
        # It runs in a thread, so that the protocol continues until then, whatever the
        # event loop does.
        start_timer(plan.delay_ms / 1000, partial(_strike, plan.strike), "crash point")
    else:
        _strike(plan.strike)


def _strike(number: Signals) -> None:
    os.kill(os.getpid(), number)
