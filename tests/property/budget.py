"""Numbers of examples: a quick profile that always tries the same, and a deep one."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

IS_DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
DEEPER = 30
"""How many times more examples the deep profile tries."""


def budget(examples: int, steps: int = 50) -> settings:
    """Settings for a test that tries so many examples (of so many steps) in the quick profile."""
    return settings(
        max_examples=examples * DEEPER if IS_DEEP else examples,
        stateful_step_count=steps * 2 if IS_DEEP else steps,
        derandomize=not IS_DEEP,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
