"""The broker of the short forms."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.brokers import Single


@pytest.fixture(scope="module")
def cluster() -> Iterator[Single]:
    """A broker of its own, for faults kill it."""
    cluster = Single().start()
    try:
        yield cluster
    finally:
        cluster.close()
