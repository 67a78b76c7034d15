"""Fixtures of the topology tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.worker.settings import Native
from tests.property.budget import IS_DEEP
from tests.support.compiled import IS_NATIVE
from tests.support.quota_driver import QuotaDriver

RULES = """
version: 1
currency: EUR
default_locale: en
limits: {hold_unknown_seconds: 3600, max_event_bytes: 1_000_000_000}
plans:
  - {id: basic, allowances: [{id: data, granted_bytes: 1_000_000}]}
packs:
  - {id: day, granted_bytes: 500_000, validity_hours: 24}
rules:
  - id: low
    kind: usage_percent
    thresholds: [50, 80, 100]
    category: balance
    texts: {en: "{percent}% used"}
  - id: morning
    kind: usage_summary
    every: day
    at: 09:00
    misfire_grace_seconds: 7200
    category: summary
    texts: {en: "{used} used"}
"""


@pytest.fixture(scope="session")
def rules() -> Rulebook:
    return load_rulebook(RULES, "rules.yaml")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_ways: with and without the compiled part, always")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``native``: a test runs with the compiled part, where it is built, as a worker does.

    With the compiled part Python still does most of the work: what is no plain usage, every timer,
    every commit. So a second run without it shows something new only where the two keep rows in
    different forms (decoded or packed), or hand over to one another: those tests are marked
    ``both_ways``. The others run a second time at night.
    """
    marks = metafunc.definition.iter_markers("parametrize")
    if "native" not in metafunc.fixturenames or any(mark.args[0] == "native" for mark in marks):
        return
    is_doubled = IS_DEEP or metafunc.definition.get_closest_marker("both_ways") is not None
    ways = ["on", "off"] if is_doubled else ["on"]
    metafunc.parametrize("native", ways if IS_NATIVE else ["off"])


@pytest.fixture
def new_driver(rules: Rulebook, native: Native) -> Iterator[Callable[..., QuotaDriver]]:
    """Makes drivers; keyword arguments are QuotaDriver's."""
    made: list[QuotaDriver] = []

    def make(**settings: Any) -> QuotaDriver:
        settings.setdefault("rules", rules)
        settings.setdefault("native", native)
        driver = QuotaDriver(settings.pop("rules"), **settings)
        made.append(driver)
        return driver

    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def driver(new_driver: Callable[..., QuotaDriver]) -> QuotaDriver:
    return new_driver()
