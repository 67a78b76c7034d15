"""Faults of brokers: killed, restarted, frozen, one of three lost."""

from __future__ import annotations

import random
import time

from tests.faults.kind import Parameters, kind
from tests.faults.life import Life


def _down(chance: random.Random, life: Life) -> Parameters:
    return {"down_seconds": round(chance.uniform(0, 12), 1)}


@kind(_down)
def broker_kill(life: Life, given: Parameters) -> None:
    """Kill -9; the same data comes back some seconds later."""
    (broker,) = life.cluster.brokers
    broker.kill()
    time.sleep(given["down_seconds"])
    broker.start()
    life.mark()


@kind(_down)
def broker_restart(life: Life, given: Parameters) -> None:
    """In order, as for an upgrade."""
    (broker,) = life.cluster.brokers
    broker.stop()
    time.sleep(given["down_seconds"])
    broker.start()
    life.mark()


def _frozen(chance: random.Random, life: Life) -> Parameters:
    return {"frozen_seconds": 30.0}


@kind(_frozen, rare=True)
def broker_pause(life: Life, given: Parameters) -> None:
    """Frozen for half a minute: connections stay, nothing answers."""
    (broker,) = life.cluster.brokers
    broker.pause()
    time.sleep(given["frozen_seconds"])
    broker.resume()
    life.mark()


def _one(chance: random.Random, life: Life) -> Parameters:
    return {"broker": chance.randrange(3), "down_seconds": round(chance.uniform(2, 15), 1)}


@kind(_one, brokers=3)
def broker_lost(life: Life, given: Parameters) -> None:
    """Kill -9 of one of three. The flow must come back without it."""
    broker = life.cluster.brokers[given["broker"]]
    broker.kill()
    time.sleep(given["down_seconds"])
    life.wait_for_flow()
    broker.start()


@kind(_one, brokers=3)
def broker_frozen(life: Life, given: Parameters) -> None:
    """One of three freezes and comes back believing that nothing happened."""
    broker = life.cluster.brokers[given["broker"]]
    broker.pause()
    time.sleep(given["down_seconds"])
    broker.resume()
    life.mark()


def _each(chance: random.Random, life: Life) -> Parameters:
    order = [0, 1, 2]
    chance.shuffle(order)
    return {"order": order}


@kind(_each, brokers=3, mixes=False)
def rolling_restart(life: Life, given: Parameters) -> None:
    """One after the other, in order, as for an upgrade."""
    for number in given["order"]:
        broker = life.cluster.brokers[number]
        broker.stop()
        broker.start()
        time.sleep(2)
    life.mark()
