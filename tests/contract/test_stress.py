"""The load of ``make stress`` takes its share, and ends."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests import stress
from tests.stress import compute, load
from tests.support.limited import run_limited


class Clock:
    """Stands for ``time``: each look at it takes a millisecond of the core."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asleep = 0.0

    def monotonic(self) -> float:
        self.now += 0.001
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.asleep += seconds


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_core_is_taken_for_its_share_until_its_instant(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(stress, "time", clock)
    compute(share, 6.0)
    assert 6.0 <= clock.now < 6.2
    assert (clock.now - clock.asleep) / clock.now == pytest.approx(share, abs=0.05)


def test_a_run_that_does_not_end_is_interrupted_and_can_clean_up(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import pathlib, time\n"
        "try:\n"
        f"    pathlib.Path({str(tmp_path / 'begun')!r}).touch()\n"
        "    time.sleep(120)\n"  # it is interrupted
        "finally:\n"
        f"    pathlib.Path({str(tmp_path / 'cleaned')!r}).touch()\n"
    )
    seconds = 1.0
    while not (tmp_path / "begun").exists():  # a busy machine needs longer to start it
        assert run_limited([sys.executable, str(program)], seconds) is None
        seconds *= 2
    assert (tmp_path / "cleaned").exists()


def test_the_exit_code_of_a_run_that_ends_is_its_own() -> None:
    assert run_limited([sys.executable, "-c", "raise SystemExit(3)"], 120) == 3


def test_the_load_ends_with_what_it_was_for() -> None:
    begun = time.monotonic()
    with load(0.5, cores=1, limit_seconds=120):
        pass
    assert time.monotonic() - begun < 60
