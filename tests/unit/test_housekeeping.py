"""What a process is told about its memory."""

from __future__ import annotations

import ctypes
import gc
import weakref
from typing import Any
from unittest import mock

import pytest

from streamproc.engine import housekeeping, partitions
from streamproc.engine.life import State
from streamproc.engine.partition import Partition
from streamproc.engine.partitions import Partitions
from streamproc.engine.settings import EngineSettings

SETTINGS = EngineSettings("127.0.0.1:1", "app", ("app.events",))


class Cycle:
    """As a stopped client is one, with its answers."""

    def __init__(self) -> None:
        self.answers = bytes(1000)
        self.itself = self


def test_cycles_go_and_the_heap_is_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    trim = mock.Mock()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: mock.Mock(malloc_trim=trim))
    gc.freeze()  # the tests' own heap is large
    gc.disable()
    try:
        gone = weakref.ref(Cycle())
        assert housekeeping.give_memory_back()
    finally:
        gc.enable()
        gc.unfreeze()
    assert gone() is None
    trim.assert_called_once_with(0)


def test_a_c_library_that_cannot_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    monkeypatch.setattr(gc, "collect", lambda: 0)
    assert not housekeeping.give_memory_back()


async def test_memory_is_given_back_once_partitions_are_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here: Partitions[Any] = Partitions(SETTINGS, mock.Mock(), mock.Mock())
    open_then: list[set[int]] = []

    async def load(partition: Partition[Any], _: float) -> Any:
        return mock.AsyncMock(write_form=mock.Mock())

    def give_back() -> None:
        open_then.append({one.number for one in here if one.state is State.READY})

    monkeypatch.setattr(here, "_load", load)
    monkeypatch.setattr(partitions, "give_memory_back", give_back)
    await here.own({0, 1}, set(), "changelog")
    assert open_then == [{0, 1}]
    await here.own({0, 1}, set(), "changelog")
    await here.own({1}, set(), "changelog")
    assert open_then == [{0, 1}], "nothing was loaded"
