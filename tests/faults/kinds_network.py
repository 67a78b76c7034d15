"""Faults of the network between one worker, or all, and the broker."""

from __future__ import annotations

import random
import time

from tests.faults.brokers import SLOTS, Single
from tests.faults.kind import Parameters, any_slot, kind
from tests.faults.life import SESSION_TIMEOUT_SECONDS, Life


def _who(chance: random.Random, life: Life) -> list[int]:
    return list(range(SLOTS)) if chance.random() < 0.3 else [any_slot(chance, life)]


def _shape(life: Life, slots: list[int], **order: object) -> None:
    assert isinstance(life.cluster, Single)
    for number in slots:
        life.cluster.network(number, **order)


def _cut(chance: random.Random, life: Life) -> Parameters:
    return {"slots": _who(chance, life), "seconds": round(chance.uniform(0.5, 12), 1)}


@kind(_cut)
def network_cut(life: Life, given: Parameters) -> None:
    """Connections end and cannot be made."""
    _shape(life, given["slots"], mode="refuse")
    time.sleep(given["seconds"])
    _shape(life, given["slots"])
    life.mark()


def _hole(chance: random.Random, life: Life) -> Parameters:
    seconds = round(SESSION_TIMEOUT_SECONDS + chance.uniform(-4, 6), 1)
    return {"slots": _who(chance, life), "seconds": seconds}


@kind(_hole)
def network_hole(life: Life, given: Parameters) -> None:
    """Nothing arrives, then all of it: a worker that was thought dead speaks again."""
    _shape(life, given["slots"], mode="hole")
    time.sleep(given["seconds"])
    _shape(life, given["slots"])
    life.mark()


def _delay(chance: random.Random, life: Life) -> Parameters:
    return {"slots": _who(chance, life), "delay_ms": chance.choice((20, 80, 200, 500))}


@kind(_delay)
def network_delay(life: Life, given: Parameters) -> None:
    """Everything takes longer; flow must come back in spite of it."""
    _shape(life, given["slots"], delay_ms=given["delay_ms"])
    time.sleep(8)
    life.wait_for_flow()
    _shape(life, given["slots"])


def _throttle(chance: random.Random, life: Life) -> Parameters:
    return {"slots": _who(chance, life), "bytes_per_second": chance.choice((20_000, 100_000))}


@kind(_throttle)
def network_throttle(life: Life, given: Parameters) -> None:
    """Little gets through; the backlog is worked off afterwards."""
    _shape(life, given["slots"], bytes_per_second=given["bytes_per_second"])
    time.sleep(10)
    _shape(life, given["slots"])
    life.mark()


def _resets(chance: random.Random, life: Life) -> Parameters:
    pauses = [round(chance.uniform(0.02, 1.5), 2) for _ in range(chance.randrange(1, 9))]
    return {"slots": _who(chance, life), "pauses": pauses}


@kind(_resets)
def network_reset(life: Life, given: Parameters) -> None:
    """TCP resets of every connection, several times."""
    for pause_seconds in given["pauses"]:
        _shape(life, given["slots"], reset=True)
        time.sleep(pause_seconds)
    life.mark()
