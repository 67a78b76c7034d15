"""Topics of alarms: the shares that a deciding worker adds up, and what was decided before."""

from __future__ import annotations

from contextlib import suppress

from perf.fuzz.target import Target
from streamproc.alarms.deciding import CALM_MS, Deciding
from streamproc.alarms.fleet import Fleet
from streamproc.alarms.shares import UNREADABLE as NO_SHARE
from streamproc.alarms.shares import Part, Share, decode_share, encode_share
from streamproc.alarms.table import Bounds
from streamproc.contracts.records.alarms import UNREADABLE, decode_alarm, encode_alarm

START_MS = 1_767_225_600_000
SOME = ["861********34"]
LATE = Part(2_000, SOME)
SHARES = (
    Share(
        "w1", "worker", START_MS, "app", 4, {0: 50, 2: 9_000}, {0: SOME},
        {"MemoryNear": LATE}, {"RemindersLate": LATE, "events": Part(9), "RejectsShare": LATE},
    ),
    Share(
        "d1", "dispatcher", START_MS, levels={"GatewayDown main": LATE},
        counts={"GatewaySlow main": LATE, "submits main": Part(9)}, are_gateways_down=True,
    ),
    Share("w2", "worker", START_MS + 9_000, "app", 4, told_offset=7),
)  # fmt: skip


def _share(value: bytes) -> None:
    try:
        share = decode_share(value)
    except NO_SHARE:
        return
    fleet, deciding = Fleet("app"), Deciding("app", "w1", Bounds())
    for number, at_ms in enumerate(range(START_MS, START_MS + 5 * CALM_MS, CALM_MS // 2)):
        for one in (*SHARES[: number % 3], share):
            fleet.take(one, at_ms)
        for change in deciding.decide(fleet.figures(), fleet.now_ms):
            data = encode_alarm(change)
            assert len(data) < 10_000
            assert decode_alarm(data) == change


def _samples() -> list[bytes]:
    return [encode_share(one) for one in SHARES]


def _alarm(value: bytes) -> None:
    with suppress(*UNREADABLE):
        known = decode_alarm(value)
        deciding = Deciding("app", "w2", Bounds(), [known])
        for at_ms in range(START_MS, START_MS + 3 * CALM_MS, CALM_MS // 2):
            for change in deciding.decide({}, at_ms):
                assert decode_alarm(encode_alarm(change)) == change


def _alarms() -> list[bytes]:
    fleet, deciding = Fleet("app"), Deciding("app", "w1", Bounds())
    found: list[bytes] = []
    for at_ms in range(START_MS, START_MS + 20 * CALM_MS, CALM_MS // 2):
        for one in SHARES:
            fleet.take(one, at_ms)
        found += map(encode_alarm, deciding.decide(fleet.figures(), fleet.now_ms))
    return found


ALARMS = (
    Target("alarm-shares", "a record of the topic of alarm shares", _samples, _share, tree=True),
    Target("alarms", "a record of the alarms topic", _alarms, _alarm, tree=True),
)
