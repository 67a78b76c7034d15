"""The load of ``make stress`` takes its share, and ends."""

from __future__ import annotations

import time

from tests.stress import compute, load


def test_a_core_is_taken_for_its_share_until_its_instant() -> None:
    """However busy the machine is: never more than the share, and something."""
    begun, used = time.monotonic(), time.process_time()
    compute(0.5, begun + 0.6)
    took = time.monotonic() - begun
    assert took >= 0.6
    assert 0.02 < time.process_time() - used < 0.6 * took + 0.1


def test_the_load_ends_with_what_it_was_for() -> None:
    begun = time.monotonic()
    with load(0.5, cores=1, limit_seconds=120):
        pass
    assert time.monotonic() - begun < 60
