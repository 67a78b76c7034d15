"""Fixtures of the tests in this folder."""

from __future__ import annotations

from tests.support.authorities import no_authorities

__all__ = ["no_authorities"]
