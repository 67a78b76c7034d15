"""Topics of the operation: alarms and their shares, reveals, and what a canary reads."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from types import SimpleNamespace
from unittest.mock import MagicMock

from perf.fuzz.places import ROOT
from perf.fuzz.target import Target
from streamproc.alarms.deciding import CALM_MS, Deciding
from streamproc.alarms.fleet import Fleet
from streamproc.alarms.shares import UNREADABLE as NO_SHARE
from streamproc.alarms.shares import AlarmPart, Share, decode_share, encode_share
from streamproc.alarms.table import Bounds
from streamproc.canaries import CANARY_KEY, canary_of
from streamproc.contracts.records.alarms import UNREADABLE, decode_alarm, encode_alarm
from streamproc.contracts.records.codec import UNREADABLE as NO_RECORD
from streamproc.contracts.records.codec import encode_effect
from streamproc.contracts.records.reveals import UNREADABLE as NO_REVEAL
from streamproc.contracts.records.reveals import DataRevealed, decode_reveal, encode_reveal
from streamproc.core.instants import from_ms
from streamproc.core.subscribers import CANARY_PREFIX
from streamproc.tools.canary.canary_events import day_of
from streamproc.tools.canary.watching import CanarySettings, CanaryWatch
from tests.support.scheduler import reminder

START_MS = 1_767_225_600_000
SOME = ["861********34"]
REMINDER = f"{7:032x}"
CANARY = canary_of(day_of(START_MS), 0, 1)
LATE = AlarmPart(2_000, SOME)
SHARES = (
    Share(
        "w1", "worker", START_MS, "app", 4, {0: 50, 2: 9_000}, {0: SOME},
        {"MemoryNear": LATE}, {"RemindersLate": LATE, "events": AlarmPart(9), "RejectsShare": LATE},
    ),
    Share(
        "d1", "dispatcher", START_MS, levels={"GatewayDown main": LATE},
        counts={"GatewaySlow main": LATE, "submits main": AlarmPart(9)}, are_gateways_down=True,
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


def _reveal(value: bytes) -> None:
    fleet = Fleet("app")
    with suppress(*NO_REVEAL):
        reveal = decode_reveal(value)
        assert decode_reveal(encode_reveal(reveal)) == reveal
        for at_ms in (START_MS, START_MS, START_MS + 9_000):
            fleet.take_reveal(reveal, at_ms)
    fleet.figures()
    fleet.revealed()


def _reveals() -> list[bytes]:
    who = ("ada", "desk-3", "user ada")
    return [encode_reveal(DataRevealed("0" * 32, from_ms(START_MS), "explain", *who, 7, SOME))]


@cache
def _canary() -> CanaryWatch:
    settings = CanarySettings("nowhere:9092", "events", "reminders", "rejects", "receipts")
    watch = CanaryWatch(settings, lambda verdicts, beats: None)
    watch._living[0], watch._producer = CANARY, MagicMock()
    watch.beats.begin("usage", 0, "mark", START_MS)
    watch.beats.readable("mark", REMINDER, START_MS)
    return watch


def _seen(data: bytes) -> None:
    """The name of a topic on a line, a key on a line, and a value."""
    topic, _, rest = data.partition(b"\n")
    key, _, value = rest.partition(b"\n")
    watch = _canary()
    watch._producer.send = _only_for_canaries
    with suppress(*NO_RECORD):
        record = SimpleNamespace(key=key, value=value, partition=0)
        watch._take(topic.decode(), record, START_MS)


def _only_for_canaries(topic: str, *, key: bytes, **others: object) -> None:
    assert key.startswith(CANARY_KEY), f"an event of {key!r}"


def _of_canaries() -> list[bytes]:
    other = f"{CANARY_PREFIX}20260101-0-1"
    message = encode_effect(reminder(subscriber=other))
    receipt = next((ROOT / "schemas/examples/receipt.recorded.v1/valid").glob("*.json"))
    reject = next((ROOT / "schemas/examples/input.rejected.v1/valid").glob("*.json"))
    return [
        b"\n".join((b"reminders", other.encode(), message)),
        b"\n".join((b"receipts", REMINDER.encode(), receipt.read_bytes())),
        b"\n".join((b"rejects", b"", reject.read_bytes() + _canary()._run.encode())),
    ]


ALARMS = (
    Target("reveals", "a record of the reveals topic", _reveals, _reveal, tree=True),
    Target("canary", "a record that a canary reads", _of_canaries, _seen),
    Target("alarm-shares", "a record of the topic of alarm shares", _samples, _share, tree=True),
    Target("alarms", "a record of the alarms topic", _alarms, _alarm, tree=True),
)
