"""The comparison of what is with what must be."""

from __future__ import annotations

import json
from collections import Counter

from siphash24 import siphash24

from streamproc.core.instants import DAY_MS
from streamproc.core.privacy import mask
from streamproc.core.state.account import HELD, unpack
from streamproc.engine.ids import DIGEST_BYTES, SeenIds, key_of
from streamproc.engine.rows import DUE_BYTES
from streamproc.partitioner import partition_of
from tests.faults.observer import Observer
from tests.faults.oracle import KINDS, Oracle, Sequences
from tests.support.cluster import PARTITIONS

EXAMPLES = 3


def differences(seen: Observer, must: Oracle) -> list[str]:
    """Everything that differs, in words; empty if nothing does."""
    with seen.lock:
        problems = _positions(seen, must) + _states(seen, must) + _ids(seen, must)
        for kind in KINDS:
            problems += _sequences(kind, seen.outputs[kind], must.outputs[kind])
    return problems + _repeated_ids(seen)


def forwarded_differences(seen: Observer, must: Oracle) -> list[str]:
    """The same where records are forwarded: a partition reads two topics, in an order that no log
    has. So messages can differ. Each event counts once, in its subscriber's one account."""
    with seen.lock:
        problems = _sequences("forwarded", seen.outputs["forwarded"], must.outputs["forwarded"])
        # When an event arrives depends on the order, and so the day until which it is kept.
        problems += _ids(seen, must, with_days=False)
        found, wanted = _counted(seen.states), _counted(must.states())
        wrong = [key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)]
        problems += [
            f"{mask(key.decode())}: charged {found.get(key)} bytes instead of {wanted.get(key)}"
            for key in wrong[:EXAMPLES]
        ]
        problems += [
            f"{mask(key.decode())} has accounts in the partitions {sorted(places)}"
            for key, places in seen.homes.items()
            if not places <= {partition_of(key, PARTITIONS)}
        ][:EXAMPLES]
    return problems + _repeated_ids(seen)


def _ids(seen: Observer, must: Oracle, *, with_days: bool = True) -> list[str]:
    """Law 10: the workers remember exactly the events that counted."""
    problems = []
    for number, (records, names) in enumerate(zip(seen.id_records, must.ids, strict=True)):
        found = SeenIds()
        for one, value in records.items():
            found.load(one, value)
        found.loaded()
        key, gone_day = key_of(found), found.forgotten_ms // DAY_MS
        wanted = {
            int.from_bytes(siphash24(name, key=key).digest(), "little"): day
            for name, day in names.names.items()
            if day > gone_day
        }
        kept = {
            int.from_bytes(digests[at : at + DIGEST_BYTES], "big"): day
            for day in found.days()
            for digests in (found.of_day(day),)
            for at in range(0, len(digests), DIGEST_BYTES)
        }
        same = kept == wanted if with_days else kept.keys() == wanted.keys()
        if not same:
            only = len(kept.keys() - wanted.keys()), len(wanted.keys() - kept.keys())
            problems.append(f"partition {number}: ids of events: {only[0]} more, {only[1]} missing")
    return problems


def _counted(states: dict[bytes, bytes]) -> dict[bytes, int]:
    """By subscriber: all bytes ever charged.

    Strangers are left out. How long their events wait for an activation depends on the clock at
    their arrival, and so on the order of the two topics.
    """
    accounts = {key: unpack(row[DUE_BYTES:]) for key, row in states.items()}
    return {key: one.charged_bytes for key, one in accounts.items() if one.status != HELD}


def _positions(seen: Observer, must: Oracle) -> list[str]:
    return [
        f"partition {number}: position {at}, clock {clock} instead of {wanted}, {wanted_clock}"
        for number, (at, clock, wanted, wanted_clock) in enumerate(
            zip(seen.positions, seen.clocks, must.positions, must.clocks, strict=True)
        )
        if (at, clock) != (wanted, wanted_clock)
    ]


def _states(seen: Observer, must: Oracle) -> list[str]:
    states = must.states()
    keys = seen.states.keys() | states.keys()
    wrong = [key for key in keys if seen.states.get(key) != states.get(key)]
    if not wrong:
        return []
    some = "; ".join(
        f"{key.decode()}: {seen.states.get(key)!r} instead of {states.get(key)!r}"
        for key in wrong[:EXAMPLES]
    )
    return [f"{len(wrong)} of {len(keys)} states differ: {some}"]


def _sequences(kind: str, seen: Sequences, must: Sequences) -> list[str]:
    problems = []
    for place in seen.keys() | must.keys():
        found, wanted = seen.get(place, []), must.get(place, [])
        if place[1] is None:  # rejects name no subscriber: only how often each occurs counts
            found, wanted = sorted(found), sorted(wanted)
        if found == wanted:
            continue
        name = f"{kind} of {mask(place[1].decode()) if place[1] else 'all'} in {place[0]}"
        extra, missing = Counter(found) - Counter(wanted), Counter(wanted) - Counter(found)
        if extra:
            problems.append(f"{name}: {extra.total()} too many, such as {next(iter(extra))!r}")
        if missing:
            problems.append(f"{name}: {missing.total()} missing, such as {next(iter(missing))!r}")
        if not extra and not missing:
            problems.append(f"{name}: in another order")
    if len(problems) > EXAMPLES:
        problems[EXAMPLES:] = [f"and {len(problems) - EXAMPLES} more of {kind}"]
    return problems


def _repeated_ids(seen: Observer) -> list[str]:
    """A dispatcher that drops known ids must not drop a reminder that is not the same."""
    with seen.lock:
        values = [value for found in seen.outputs["reminders"].values() for value in found]
    counted = Counter(json.loads(value)["id"] for value in values)
    twice = [name for name, count in counted.items() if count > 1]
    return [f"{len(twice)} reminder ids occur twice, such as {twice[0]}"] if twice else []
