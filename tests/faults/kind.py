"""What a kind of fault is: parameters drawn from a seed, and a way to make it happen."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults.life import Life

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """``act`` makes the fault happen and returns when its cause is gone.

    It calls ``life.mark()`` at the instant from which the flow must come back; without that, it is
    the instant at which the fault began.
    """

    name: str
    draw: Callable[[random.Random, Life], Parameters]
    act: Callable[[Life, Parameters], None]
    brokers: int = 1
    """On how many brokers it can happen; 0: on any number."""
    mixes: bool = True
    """Whether it may happen together with others."""
    ends_life: bool = False
    """Whether the application cannot go on afterwards: ``act`` has judged what it did instead."""
    rare: bool = False
    """Whether it takes so long that it is drawn less often."""


KINDS: dict[str, Kind] = {}


def kind(
    draw: Callable[[random.Random, Life], Parameters], **traits: Any
) -> Callable[[Callable[[Life, Parameters], None]], Callable[[Life, Parameters], None]]:
    """Register a function as the kind of fault of its name."""

    def register(act: Callable[[Life, Parameters], None]) -> Callable[[Life, Parameters], None]:
        KINDS[act.__name__] = Kind(act.__name__, draw, act, **traits)
        return act

    return register


def any_slot(chance: random.Random, life: Life) -> int:
    """The number of a slot that has a worker."""
    return chance.choice(life.fleet.running()).number


class RefusalError(AssertionError):
    """A worker that had to refuse did not, or did not say what to do."""
