"""Faults of workers: killed, frozen, stopped, joining, leaving, with a turned clock."""

from __future__ import annotations

import random
import time
from pathlib import Path

from streamproc.engine.crashpoints import STEPS
from tests.faults.fleet import Slot
from tests.faults.kind import Parameters, any_slot, kind
from tests.faults.life import SESSION_TIMEOUT_SECONDS, Life
from tests.support.waiting import came

CRASH_LIMIT_SECONDS = 20.0


def _a_slot(chance: random.Random, life: Life) -> Parameters:
    return {"slot": any_slot(chance, life), "down_seconds": round(chance.uniform(0, 3), 2)}


@kind(_a_slot, brokers=0)
def kill(life: Life, given: Parameters) -> None:
    """Kill -9 at a random instant; started again a little later."""
    slot = life.fleet.slots[given["slot"]]
    life.fleet.kill(slot)
    time.sleep(given["down_seconds"])
    life.fleet.start(slot)


def _all_slots(chance: random.Random, life: Life) -> Parameters:
    return {"down_seconds": round(chance.uniform(0, 5), 2)}


@kind(_all_slots, brokers=0)
def kill_all(life: Life, given: Parameters) -> None:
    """Every worker at once; flow is asked for from the restart on."""
    slots = life.fleet.running()
    for slot in slots:
        life.fleet.kill(slot)
    time.sleep(given["down_seconds"])
    life.mark()
    for slot in slots:
        life.fleet.start(slot)


def _kill_often(chance: random.Random, life: Life) -> Parameters:
    kills = [
        [any_slot(chance, life), round(chance.uniform(0.1, 4), 2)]
        for _ in range(chance.randrange(3, 7))
    ]
    return {"kills": kills}


@kind(_kill_often)
def kill_often(life: Life, given: Parameters) -> None:
    """Killed again and again, also while loading its partitions."""
    for number, wait_seconds in given["kills"]:
        slot = life.fleet.slots[number]
        life.fleet.kill(slot)
        life.fleet.start(slot)
        time.sleep(wait_seconds)
    life.mark()


def _crash(chance: random.Random, life: Life) -> Parameters:
    stage = chance.choice(("commit", "commit", "commit", "open", "revoke"))
    step = chance.choice(STEPS[stage])
    # The first revocation is of nothing: the worker joins.
    count = {"commit": chance.randrange(1, 40), "open": 1, "revoke": 2}[stage]
    # Between 2 and 6 the records and requests are under way for some milliseconds.
    delay_ms = chance.choice((0, 0, 1, 2, 3, 5, 8, 13, 25)) if stage == "commit" else 0
    return {"slot": any_slot(chance, life), "at": f"{stage}:{step}:{count}:{delay_ms}"}


@kind(_crash, brokers=0, mixes=False)
def crash_at_step(life: Life, given: Parameters) -> None:
    """Killed at a numbered step of a protocol."""
    slot = _start_with_plan(life, given["slot"], f"{given['at']}:KILL")
    given["reached"] = came(lambda: not slot.worker.is_alive, CRASH_LIMIT_SECONDS)
    life.mark()
    life.fleet.kill(slot)
    life.fleet.start(slot)


def _freeze(chance: random.Random, life: Life) -> Parameters:
    seconds = round(SESSION_TIMEOUT_SECONDS + chance.uniform(1.5, 5), 1)
    return {"slot": any_slot(chance, life), "frozen_seconds": seconds}


@kind(_freeze, brokers=0, mixes=False)
def zombie(life: Life, given: Parameters) -> None:
    """Frozen for longer than the session timeout, so that others take over; then it wakes."""
    slot = life.fleet.slots[given["slot"]]
    alone = len(life.fleet.running()) == 1
    slot.worker.pause()
    time.sleep(given["frozen_seconds"])
    if alone:
        life.mark()
    slot.worker.resume()
    time.sleep(1.0)


def _freeze_at_step(chance: random.Random, life: Life) -> Parameters:
    return _crash(chance, life) | _freeze(chance, life)


@kind(_freeze_at_step, brokers=0, mixes=False)
def zombie_at_step(life: Life, given: Parameters) -> None:
    """Frozen at a numbered step of a protocol for longer than the session timeout."""
    slot = _start_with_plan(life, given["slot"], f"{given['at']}:STOP")
    given["reached"] = came(slot.is_frozen, CRASH_LIMIT_SECONDS)
    alone = len(life.fleet.running()) == 1
    life.mark()
    time.sleep(given["frozen_seconds"])
    if alone:
        life.mark()
    slot.worker.resume()
    time.sleep(1.0)
    slot.watched = True


def _freeze_long(chance: random.Random, life: Life) -> Parameters:
    count = chance.randrange(1, 20)
    return {"slot": any_slot(chance, life), "at": f"commit:{chance.choice('54')}:{count}:3"}


@kind(_freeze_long, rare=True, mixes=False)
def transaction_timeout(life: Life, given: Parameters) -> None:
    """Frozen within a transaction until the broker takes it back; nobody takes over meanwhile."""
    for other in life.fleet.running():
        if other.number != given["slot"]:
            life.fleet.stop(other)
    others = life.fleet.idle()
    slot = _start_with_plan(life, given["slot"], f"{given['at']}:STOP")
    given["reached"] = came(slot.is_frozen, CRASH_LIMIT_SECONDS)
    time.sleep(65)
    life.mark()
    slot.worker.resume()
    slot.watched = True
    time.sleep(3)
    for other in others[: life.variant.workers - 1]:
        life.fleet.start(other)


def _start_with_plan(life: Life, number: int, plan: str) -> Slot:
    """The slot's worker, started anew with a crash plan; a revocation is brought about."""
    slot = life.fleet.slots[number]
    life.fleet.stop(slot)
    life.fleet.start(slot, crash_at=plan)
    if plan.startswith("revoke"):
        time.sleep(4)
        _join_or_leave(life, slot)
    return slot


def _join_or_leave(life: Life, but: Slot) -> None:
    idle = life.fleet.idle()
    others = [slot for slot in life.fleet.running() if slot is not but]
    if idle:
        life.fleet.start(idle[0])
        if len(others) > 1:
            life.fleet.kill(others[0])
    else:
        life.fleet.kill(others[0])


def _nothing(chance: random.Random, life: Life) -> Parameters:
    return {}


@kind(_nothing, brokers=0)
def join(life: Life, given: Parameters) -> None:
    """One more worker, if there is room; else one less."""
    idle = life.fleet.idle()
    if idle:
        life.fleet.start(idle[0])
        time.sleep(4)
    else:
        life.fleet.stop(life.fleet.running()[-1])


@kind(_nothing, brokers=0)
def leave(life: Life, given: Parameters) -> None:
    """One worker less, in order; the last one comes back."""
    slot = life.fleet.running()[-1]
    _stop(life, slot, given)
    if not life.fleet.running():
        life.fleet.start(slot)


def _churn(chance: random.Random, life: Life) -> Parameters:
    return {"pauses": [round(chance.uniform(0.2, 3), 2) for _ in range(6)]}


@kind(_churn)
def rebalance_storm(life: Life, given: Parameters) -> None:
    """Workers come and go faster than rebalances end."""
    for number, pause_seconds in enumerate(given["pauses"]):
        slot = life.fleet.slots[number % len(life.fleet.slots)]
        if slot.wanted and len(life.fleet.running()) > 1:
            # In order the one time, abruptly the other.
            life.fleet.kill(slot) if number % 2 else life.fleet.stop(slot)
        elif not slot.wanted:
            life.fleet.start(slot)
        time.sleep(pause_seconds)
    life.mark()


@kind(_a_slot, brokers=0)
def graceful_stop(life: Life, given: Parameters) -> None:
    """SIGTERM under load, and a start some time later."""
    slot = life.fleet.slots[given["slot"]]
    _stop(life, slot, given)
    life.mark()
    life.fleet.start(slot)


def _stop(life: Life, slot: Slot, given: Parameters) -> None:
    given["exit_code"] = life.fleet.stop(slot)
    # Something else may have killed it meanwhile, or it had only just begun.
    assert life.mixing or given["exit_code"] == 0, f"a stop ended with {given['exit_code']}"


def _moment(chance: random.Random, life: Life) -> Parameters:
    return {"slot": any_slot(chance, life), "after_seconds": round(chance.uniform(0, 1.5), 2)}


@kind(_moment, mixes=False)
def stop_in_rebalance(life: Life, given: Parameters) -> None:
    """SIGTERM while the group rebalances, for another worker has come or gone."""
    slot = life.fleet.slots[given["slot"]]
    known = len(slot.worker.log.read_bytes())
    _join_or_leave(life, slot)
    came(lambda: b"partitions revoked" in slot.worker.log.read_bytes()[known:], 10)
    time.sleep(given["after_seconds"])
    _stop(life, slot, given)
    life.mark()
    life.fleet.start(slot)


def _clock(chance: random.Random, life: Life) -> Parameters:
    jumps = [chance.choice((-86_400, -3600, -30, 30, 1800, 7200, 90_000)) for _ in range(4)]
    return {"slot": any_slot(chance, life), "jumps_seconds": jumps}


@kind(_clock, mixes=False)
def clock_jump(life: Life, given: Parameters) -> None:
    """The worker's time of day jumps to and fro, beyond what a broker takes for a timestamp."""
    slot = life.fleet.slots[given["slot"]]
    life.fleet.stop(slot)
    slot.clock.write_text("0")
    life.fleet.start(slot, turned_clock=True)
    time.sleep(4)
    for jump in given["jumps_seconds"]:
        slot.clock.write_text(str(jump))
        time.sleep(2)
    slot.clock.write_text("0")
    life.mark()
    life.wait_for_flow()
    life.fleet.stop(slot)
    life.fleet.start(slot)


def _directory(chance: random.Random, life: Life) -> Parameters:
    return {"slot": any_slot(chance, life), "datadir": chance.choice(("/dev/null/x", "/proc/x"))}


@kind(_directory, mixes=False)
def unwritable_directory(life: Life, given: Parameters) -> None:
    """Nothing can be written where the worker's data directory should be."""
    slot = life.fleet.slots[given["slot"]]
    life.fleet.stop(slot)
    command = slot.worker.command
    at = command.index("--datadir") + 1
    usual, command[at] = command[at], given["datadir"]
    life.mark()
    life.fleet.start(slot)
    life.wait_for_flow()
    assert not Path(given["datadir"]).exists()
    life.fleet.stop(slot)
    command[at] = usual
    life.fleet.start(slot)
