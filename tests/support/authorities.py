"""Tests without servers do not read the certificates of the operating system."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest import mock

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_authorities() -> Iterator[None]:
    """OpenSSL reads them for each context that has no authorities of its own, which takes 35 ms."""
    with mock.patch.dict(os.environ, SSL_CERT_FILE=os.devnull):
        yield
