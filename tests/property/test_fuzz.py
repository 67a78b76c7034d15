"""A few thousand inputs of strangers to each entrance; ``make nightly`` feeds them for longer."""

from __future__ import annotations

import pytest

from perf.fuzz.running import fuzz
from perf.fuzz.target import Target
from perf.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_no_input_escapes(target: Target) -> None:
    outcome = fuzz(target, inputs=1_000, seed=1, seconds=1.5)

    assert not outcome.escapes, "\n\n".join(map(str, outcome.escapes))
    assert outcome.inputs > 5
