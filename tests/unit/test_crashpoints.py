"""Crash points strike at the step and count of their plan, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from signal import Signals
from typing import Any

import pytest

from streamproc.engine import crashpoints
from streamproc.engine.crashpoints import CrashPlan, CrashPlanError


@pytest.fixture
def struck(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Signals this process would have got."""
    got: list[Any] = []
    monkeypatch.setattr(crashpoints, "_strike", got.append)
    yield got
    crashpoints.arm(None)


def test_nothing_happens_unless_armed(struck: list[Any]) -> None:
    crashpoints.reached("commit", "4")
    assert struck == []


def test_the_counted_step_strikes_once(struck: list[Any]) -> None:
    crashpoints.arm(CrashPlan.parse("commit:4:3"))
    for _ in range(2):
        crashpoints.reached("commit", "4")
        crashpoints.reached("commit", "5")
        crashpoints.reached("open", "4")
    assert struck == []
    crashpoints.reached("commit", "4")
    assert struck == [Signals.SIGKILL]
    crashpoints.reached("commit", "4")
    assert struck == [Signals.SIGKILL]


def test_a_plan_is_read_back_from_its_text() -> None:
    plan = CrashPlan("revoke", "2", 5, 12, Signals.SIGSTOP)
    assert CrashPlan.parse(str(plan)) == plan
    assert CrashPlan.parse("open:b") == CrashPlan("open", "b", 1, 0, Signals.SIGKILL)


@pytest.mark.parametrize(
    "text", ["commit", "commit:8", "commit:45", "close:1", "commit:4:x", "commit:4:1:0:TERM1", ""]
)
def test_a_wrong_plan_is_refused(text: str) -> None:
    with pytest.raises(CrashPlanError, match="STREAMPROC_CRASH_AT"):
        CrashPlan.parse(text)
