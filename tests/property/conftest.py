"""How deep the properties are searched: HYPOTHESIS_PROFILE=deep searches long, and at random."""

from __future__ import annotations

import pytest

from tests.property.budget import IS_DEEP


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "slow_property: runs with HYPOTHESIS_PROFILE=deep only, for minutes"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if IS_DEEP:
        return
    slow = [item for item in items if item.get_closest_marker("slow_property")]
    if slow:
        items[:] = [item for item in items if item not in slow]
        config.hook.pytest_deselected(items=slow)
