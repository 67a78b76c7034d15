"""Fixtures of the topology tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.worker.settings import Native
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


@pytest.fixture(params=["off", "on"] if IS_NATIVE else ["off"])
def native(request: pytest.FixtureRequest) -> Native:
    """With and, where it is built, without the compiled plain case."""
    choice: Native = request.param
    return choice


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
