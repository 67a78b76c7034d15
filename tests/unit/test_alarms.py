"""Alarms: shares are added up; alarms change by their number, and are posted in order."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from unittest.mock import MagicMock

import msgspec
import pytest
from aiohttp import web
from kafka.errors import KafkaTimeoutError
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from streamproc.alarms import fleet as fleets
from streamproc.alarms import telling
from streamproc.alarms.decider import AlarmPlace, Decider, PlacedChange
from streamproc.alarms.deciding import CALM_MS, Deciding
from streamproc.alarms.fleet import SILENT_MS, AlarmKey, Concerned, Fleet
from streamproc.alarms.shares import (
    EVENTS,
    SUBMITS,
    AlarmPart,
    Share,
    ShareCounts,
    decode_share,
    encode_share,
    key_of,
    masked,
)
from streamproc.alarms.table import ALARMS, Bounds
from streamproc.alarms.telling import ShareWriter
from streamproc.alarms.webhook import (
    AlarmWebhook,
    AlarmWebhookError,
    AlarmWebhookSettings,
    webhook_of,
)
from streamproc.contracts.records.alarms import AlarmChanged, decode_alarm, encode_alarm
from streamproc.contracts.records.reveals import DataRevealed
from streamproc.contracts.webhook_keys import keys_of
from streamproc.core.instants import from_ms
from streamproc.core.subscribers import CANARY_PREFIX
from streamproc.kafka.errors import TopicError
from streamproc.kafka.secret import Secret

T0 = 1_767_600_000_000
SAMPLE = ["861********01"]
LATE = AlarmKey("RemindersLate")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def share(process: str = "w1", at_ms: int = T0, **fields: Any) -> Share:
    role = fields.pop("role", "worker")
    mine = "app" if role == "worker" else ""
    return Share(process, role, at_ms, fields.pop("app_id", mine), **fields)


def fleet(*shares: tuple[Share, int]) -> Fleet:
    found = Fleet("app")
    for one, at_ms in shares:
        found.take(one, at_ms)
    return found


def heard(*shares: Share) -> dict[AlarmKey, Concerned]:
    """The figures of shares that the broker got when they were sent."""
    return fleet(*((one, one.sent_ms) for one in shares)).figures()


# Shares.


def test_a_share_is_the_same_after_its_way() -> None:
    one = share(
        rows={0: 7, 3: 1},
        some={3: ["861****01"]},
        levels={"MemoryNear": AlarmPart(7)},
        counts={key_of("GatewaySlow", "main"): AlarmPart(2, ["861****01"])},
        told_offset=4,
    )

    assert decode_share(encode_share(one)) == one


def test_counts_begin_anew_with_each_share_and_come_back_if_it_was_lost() -> None:
    counts = ShareCounts()
    counts.add("RemindersLate", 3, ["a", "b"])
    counts.add("RemindersLate", 4, ["b", "c", "d", "e", "f"])
    counts.add("DeadLetters", 0, ["nobody"])
    lost = counts.take()
    assert lost == {"RemindersLate": AlarmPart(7, ["a", "b", "c", "d", "e"])}
    assert counts.take() == {}

    counts.add("RemindersLate", 1)
    counts.give_back(lost)

    assert counts.take() == {"RemindersLate": AlarmPart(8, ["a", "b", "c", "d", "e"])}


def test_a_sample_is_masked_and_has_no_canary() -> None:
    canary = f"{CANARY_PREFIX}20260105-0-1"

    assert masked([b"8613800000001", canary, "8613800000001"]) == ["861********01"]
    assert len(masked(f"86138000000{one}" for one in range(10, 30))) == 5


# The figure of the fleet.


def test_counts_of_all_processes_are_added_up_within_the_window() -> None:
    late = {"RemindersLate": AlarmPart(6, ["861********01"])}
    found = fleet(
        (share("w1", counts=late), T0),
        (share("w2", counts=late), T0 + 200_000),
    )
    assert found.figures()[LATE] == (12, ["861********01"], None)

    found.take(share("w2"), T0 + 300_000)
    assert found.figures()[LATE].concerned == 6

    found.take(share("w2"), T0 + 500_000)
    assert LATE not in found.figures()


def test_what_a_process_that_went_had_counted_still_counts() -> None:
    found = fleet(
        (share("w1", counts={"RemindersLate": AlarmPart(6)}), T0), (share("w2"), T0 + 60_000)
    )

    assert found.figures()[LATE].concerned == 6


def test_levels_count_as_long_as_their_process_tells_them() -> None:
    found = fleet(
        (share("w1", levels={"MemoryNear": AlarmPart(50)}), T0), (share("w2"), T0 + 5_000)
    )
    assert found.figures()[AlarmKey("MemoryNear")].concerned == 50

    found.take(share("w2"), T0 + SILENT_MS)

    assert AlarmKey("MemoryNear") not in found.figures()


def test_shares_of_another_application_do_not_count() -> None:
    other = share("x", app_id="other", counts={"RemindersLate": AlarmPart(6)})

    assert heard(share(), other) == {}


def test_partitions_that_nobody_runs_concern_the_rows_that_they_had() -> None:
    away = AlarmKey("PartitionsAway")
    first = share("w1", partitions=3, rows={0: 100, 1: 40}, some={1: ["861********01"]})
    second = share("w2", partitions=3, rows={2: 7})
    found = fleet((first, T0), (second, T0))
    assert away not in found.figures()

    found.take(share("w2", partitions=3, rows={2: 7, 0: 100}), T0 + SILENT_MS)

    assert found.figures()[away] == (40, ["861********01"], None)


def test_of_a_partition_that_was_never_seen_the_usual_number_counts() -> None:
    found = heard(share("w1", partitions=2, rows={0: 100}))

    assert found[AlarmKey("PartitionsAway")].concerned == 100


@pytest.mark.parametrize(("rejects", "read", "is_told"), [(10, 1000, False), (11, 1000, True)])
def test_rejects_count_as_a_share_of_all(rejects: int, read: int, is_told: bool) -> None:
    found = heard(share(counts={"RejectsShare": AlarmPart(rejects), EVENTS: AlarmPart(read)}))

    assert (AlarmKey("RejectsShare") in found) == is_told


def test_a_slow_gateway_concerns_all_its_messages() -> None:
    counts = {
        key_of("GatewaySlow", "main"): AlarmPart(2),
        key_of(SUBMITS, "main"): AlarmPart(150),
        key_of("GatewaySlow", "other"): AlarmPart(1),
        key_of(SUBMITS, "other"): AlarmPart(150),
    }
    found = heard(share("d1", role="dispatcher", counts=counts))

    assert found == {AlarmKey("GatewaySlow", "main"): (150, [], None)}


def test_a_clock_is_wrong_if_it_differs_from_the_brokers() -> None:
    right = share("w1", T0, rows={0: 30}, partitions=2)
    wrong = share("w2", T0 + 6_000, rows={1: 12}, some={1: ["861********01"]}, partitions=2)

    found = fleet((right, T0), (wrong, T0)).figures()

    assert found == {AlarmKey("ClockWrong"): (12, ["861********01"], None)}


def test_all_gateways_are_down_only_if_they_are_so_everywhere() -> None:
    levels = {
        key_of("GatewayDown", "main"): AlarmPart(3),
        key_of("GatewayDown", "spare"): AlarmPart(1),
    }
    down = share("d1", role="dispatcher", levels=levels, are_gateways_down=True)
    assert heard(down)[AlarmKey("AllGatewaysDown")] == (4, [], "red")

    assert AlarmKey("AllGatewaysDown") not in heard(down, share("d2", role="dispatcher"))


def test_the_end_of_the_last_dispatcher_concerns_everybody() -> None:
    gone = AlarmKey("ProcessDown")
    found = fleet((share("d1", role="dispatcher"), T0), (share("w1", rows={0: 9}), T0))
    assert gone not in found.figures()

    found.take(share("w1", rows={0: 9}), T0 + SILENT_MS)
    assert found.figures()[gone] == (9, [], "red")

    assert gone not in heard(share("w1", rows={0: 9})), "a fleet that never had dispatchers"


# What commands have shown.


def reveal(concerned: int, command: str = "explain") -> DataRevealed:
    when = from_ms(T0)
    return DataRevealed("0" * 32, when, command, "ada", "desk-3", "user ada", concerned, SAMPLE)


def test_what_was_shown_counts_for_a_quarter_of_an_hour() -> None:
    revealed = AlarmKey("DataRevealed")
    found = fleet((share(), T0))
    found.take_reveal(reveal(3), T0 - 14 * 60_000)
    found.take_reveal(reveal(9, "record"), T0)
    assert found.figures()[revealed] == (12, SAMPLE, None)
    assert found.revealed() == {
        "explain": 3, "dead_letters_show": 0, "simulate": 0, "record": 9, "other": 0,
    }  # fmt: skip

    found.take(share(), T0 + 2 * 60_000)
    assert found.figures()[revealed].concerned == 9

    found.take(share(), T0 + 15 * 60_000)
    assert revealed not in found.figures()
    assert set(found.revealed().values()) == {0}


def test_commands_of_another_release_are_no_labels() -> None:
    found = fleet((share(), T0))
    found.take_reveal(reveal(2, "vault_open"), T0)

    assert found.revealed()["other"] == 2
    assert "vault_open" not in found.revealed()


def test_many_that_were_shown_raise_an_alarm_and_it_ends_by_itself() -> None:
    found, one = fleet((share(), T0)), deciding()
    found.take_reveal(reveal(9), T0)
    assert one.decide(found.figures(), T0) == []

    found.take_reveal(reveal(2_000, "record"), T0 + 5_000)
    (raised,) = one.decide(found.figures(), T0 + 5_000)
    assert (raised.alarm, raised.change, raised.tier) == ("DataRevealed", "raised", "red")
    assert raised.sample == SAMPLE

    for minutes in (16, 17):
        found.take(share(), T0 + minutes * 60_000)
        last = one.decide(found.figures(), found.now_ms)
    assert [change.change for change in last] == ["cleared"]


# Deciding.


def deciding(*known: AlarmChanged) -> Deciding:
    return Deciding("app", "w1", Bounds(10, 1000), known)


def figures(concerned: int) -> dict[AlarmKey, Concerned]:
    return {LATE: Concerned(concerned, ["861********01"])} if concerned else {}


def run(one: Deciding, *steps: tuple[int, int]) -> list[tuple[int, str, str, int]]:
    """Seconds, change, tier and number of all changes; a step is (seconds, concerned)."""
    return [
        (at, change.change, change.tier, change.concerned)
        for at, concerned in steps
        for change in one.decide(figures(concerned), T0 + at * 1000)
    ]


def test_an_alarm_is_raised_when_enough_were_concerned_for_long_enough() -> None:
    assert run(deciding(), (0, 9), (40, 9)) == []
    assert run(deciding(), (0, 10), (29, 10), (30, 12)) == [(30, "raised", "orange", 12)]
    assert run(deciding(), (0, 10), (20, 9), (40, 10), (69, 10)) == [], "it must last"
    assert run(deciding(), (0, 1000), (30, 1000)) == [(30, "raised", "red", 1000)]


def test_an_alarm_is_escalated_lowered_and_cleared() -> None:
    calm = CALM_MS // 1000
    steps = ((0, 10), (30, 10), (40, 2000), (70, 2000), (80, 20), (80 + calm, 20), (200, 0))

    found = run(deciding(), *steps, (200 + calm, 0), (300, 0))

    assert found == [
        (30, "raised", "orange", 10),
        (70, "escalated", "red", 2000),
        (80 + calm, "lowered", "orange", 20),
        (200 + calm, "cleared", "orange", 0),
    ]


def test_an_alarm_that_comes_and_goes_is_one() -> None:
    steps = [(at, 20 if at % 20 else 0) for at in range(0, 200, 10)]
    settled = [(0, 20), (30, 20), *((30 + at, concerned) for at, concerned in steps)]

    assert run(deciding(), *settled) == [(30, "raised", "orange", 20)]


def test_the_next_one_knows_what_is_raised() -> None:
    first = deciding()
    first.decide(figures(10), T0)
    (raised,) = first.decide(figures(50), T0 + 30_000)
    second = deciding(decode_alarm(encode_alarm(raised)))
    assert second.raised == {LATE: "orange"}

    assert run(second, (31, 20), (100, 20)) == []
    (cleared,) = [one for at in (101, 131) for one in second.decide(figures(0), T0 + at * 1000)]

    assert (cleared.change, cleared.most_concerned, cleared.since) == ("cleared", 50, raised.since)
    assert run(deciding(raised, cleared), (200, 0), (300, 0)) == []


def test_a_change_says_all_that_a_reader_needs() -> None:
    one = deciding()
    gateway = AlarmKey("GatewayDown", "main")
    found = {gateway: Concerned(1240, ["861********01"])}
    one.decide(found, T0)
    (change,) = one.decide(found, T0 + 30_000)

    assert change.summary == "1240 messages wait for the gateway main, which is down"
    assert (change.gateway, change.sample) == ("main", ["861********01"])
    assert change.key == b"app GatewayDown main"
    again = deciding()
    again.decide(found, T0)
    assert again.decide(found, T0 + 30_000) == [change], "the same change has the same id"


def test_alarms_of_another_release_are_left_alone() -> None:
    one = deciding()
    one.decide(figures(10), T0)
    (raised,) = one.decide(figures(10), T0 + 30_000)
    foreign = msgspec.structs.replace(raised, alarm="Unheard")

    assert run(deciding(foreign), (0, 0), (100, 0)) == []


def test_every_summary_can_be_filled() -> None:
    for alarm in ALARMS.values():
        assert "{" not in alarm.summary.format(concerned=1, gateway="main")
        assert ("{gateway}" in alarm.summary) == alarm.is_by_gateway


# The webhook.


class Receiver:
    """Takes webhooks, with the answers that are given."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.got: list[tuple[str, AlarmChanged]] = []
        self._more = asyncio.Event()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        Webhook(keys_of(SECRET)[0]).verify(body.decode(), dict(request.headers))
        status = self.answers.pop(0) if self.answers else 204
        self.got.append((request.headers["webhook-id"], decode_alarm(body)))
        self._more.set()
        return web.Response(status=status)

    async def has(self, count: int) -> None:
        while len(self.got) < count:
            self._more.clear()
            await self._more.wait()


def changes(count: int) -> list[PlacedChange]:
    one = deciding()
    one.decide(figures(10), T0)
    (first,) = one.decide(figures(10), T0 + 30_000)
    return [
        PlacedChange(5 + 2 * at, msgspec.structs.replace(first, id=f"{at:032x}"))
        for at in range(count)
    ]


async def post(
    receiver: Receiver, known: list[PlacedChange], told: int | None, wait_for: int
) -> int:
    server = web.ServerRunner(web.Server(receiver))
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    port = server.addresses[0][1]
    webhook = AlarmWebhook(AlarmWebhookSettings(f"http://127.0.0.1:{port}/", keys_of(SECRET)))
    webhook.begin(known, told)
    work = asyncio.create_task(webhook.run())
    try:
        async with asyncio.timeout(10):
            await receiver.has(wait_for)
            await asyncio.sleep(0.05)  # the last answer is on its way
    finally:
        work.cancel()
        await server.cleanup()
    assert webhook.told_offset is not None
    return webhook.told_offset


async def test_changes_are_posted_in_order_and_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamproc.alarms.webhook.PAUSES_SECONDS", (0.0,))
    receiver = Receiver(503, 204, 400)
    known = changes(4)

    told = await post(receiver, known, told=7, wait_for=4)

    ids = [at for at, _ in receiver.got]
    first, second, third = (known[at].record.id for at in (1, 2, 3))
    assert ids == [first, first, second, third], "again until it is taken; a refusal is final"
    assert told == known[-1].offset + 1


async def test_a_first_webhook_gets_nothing_old() -> None:
    webhook = AlarmWebhook(AlarmWebhookSettings("http://127.0.0.1:9/", keys_of(SECRET)))
    known = changes(2)
    webhook.begin(known, None)
    assert webhook.told_offset == known[-1].offset + 1

    webhook.end()
    assert webhook.told_offset is None


@pytest.mark.parametrize(
    ("url", "key", "why"),
    [
        ("http://h/", None, "belong together"),
        (None, Secret(SECRET), "belong together"),
        ("http://", Secret(SECRET), "names no host"),
        ("http://h/", Secret("plain"), "has no prefix"),
    ],
)
def test_a_webhook_that_cannot_work_is_refused(
    url: str | None, key: Secret | None, why: str
) -> None:
    with pytest.raises(AlarmWebhookError, match=why):
        webhook_of(url, key)


def test_without_a_url_there_is_none() -> None:
    assert webhook_of(None, None) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"partitions": 2**53 - 1},
        {"rows": {"4000000000": 1}},
        {"levels": {"GatewayDown \u001b[2J": [20]}},
        {"levels": {"MemoryNear": [20, ["x" * 1_000_000]]}},
        {"levels": {"MemoryNear": [20, [""]]}},
        {"process": "x" * 2_000},
    ],
)
def test_a_damaged_share_is_ignored(fields: dict[str, Any]) -> None:
    """The worker that decides would take gigabytes for it, or write what nobody can read."""
    value = {"process": "w1", "role": "worker", "sent_ms": T0, "app_id": "app", **fields}
    with pytest.raises(msgspec.ValidationError):
        decode_share(msgspec.json.encode(value))


def test_shares_by_the_thousand_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may write shares must not end the worker that reads them."""
    monkeypatch.setattr(fleets, "MOST_PROCESSES", 3)
    found = fleet(*((share(f"w{one}", rows={one: 7}), T0) for one in range(9)))

    assert found.is_full
    assert sorted(found._heard) == ["w0", "w1", "w2"]
    found.take(share("w8"), T0 + 2 * SILENT_MS)  # those before are silent
    assert sorted(found._heard) == ["w8"]


def test_partitions_by_the_thousand_of_many_processes_take_bounded_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleets, "MOST_ENTRIES", 10)
    rows = dict.fromkeys(range(8), 1)

    found = fleet((share("w1", rows=rows), T0), (share("w2", rows=rows), T0))
    assert found.is_full
    assert sorted(found._heard) == ["w1"]
    found.take(share("w1", rows={1: 1}), T0)
    found.take(share("w2", rows=rows), T0)
    assert sorted(found._heard) == ["w1", "w2"]


def test_counts_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "MOST_COUNTS", 5)
    found = Fleet("app")
    for one in range(900):
        names = (key_of("GatewaySlow", f"g{one}"), f"Other{chr(97 + one % 26)}", "RejectsShare")
        found.take(share(counts={name: AlarmPart(1) for name in names}), T0 + one % 10)

    assert found.is_full
    assert not any(key.startswith("Other") for key in found._counted)
    assert [len(times) for times in found._counted.values()] == [1] * 5


def test_a_clock_ahead_does_not_silence_the_others() -> None:
    """The topic of somebody who made it by hand has the senders' times."""
    decider = Decider(AlarmPlace("b:1", "alarms", "shares", "app", "w1"), Bounds())
    now_ms = int(time.time() * 1000)
    with capture_logs() as logs:
        for process, at_ms in (("w1", now_ms), ("w2", now_ms + 10**12), ("w3", now_ms)):
            value = encode_share(share(process, at_ms))
            decider._take(MagicMock(value=value, timestamp=at_ms, timestamp_type=0))
        for _ in range(2):
            decider._take(MagicMock(value=b"odd", timestamp=now_ms, timestamp_type=0))

    assert sorted(decider._fleet._heard) == ["w1", "w2", "w3"]
    assert [one["event"].partition(";")[0] for one in logs] == [
        "records have the times of their senders, so a wrong clock is not found",
        "a record is not a share of alarms",
    ]


async def test_an_odd_error_does_not_end_the_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[int] = []
    all_posted = asyncio.Event()

    async def post(self: AlarmWebhook, client: Any, one: PlacedChange) -> bool:
        posted.append(one.offset)
        if len(posted) == 1:
            raise ValueError("what no library says it raises")
        if len(posted) == 3:
            all_posted.set()
        return True

    monkeypatch.setattr(AlarmWebhook, "_post", post)
    monkeypatch.setattr("streamproc.alarms.webhook.PAUSES_SECONDS", (0.0,))
    webhook = AlarmWebhook(AlarmWebhookSettings("http://127.0.0.1:1", keys_of(SECRET)))
    known = changes(2)
    webhook.add(known)
    task = asyncio.create_task(webhook.run())
    async with asyncio.timeout(10):
        await all_posted.wait()
    task.cancel()

    assert posted == [known[0].offset, known[0].offset, known[1].offset]


def test_what_waits_for_a_webhook_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamproc.alarms.webhook.MOST_WAITING", 2)
    webhook = AlarmWebhook(AlarmWebhookSettings("http://127.0.0.1:1", keys_of(SECRET)))
    known = changes(5)
    webhook.add(known)

    assert webhook.told_offset == known[3].offset


def test_the_number_of_those_concerned_stays_one_that_can_be_written() -> None:
    most = 2**53 - 1
    parts = [share(f"w{one}", levels={"MemoryNear": AlarmPart(most)}) for one in range(3)]
    assert heard(*parts)[AlarmKey("MemoryNear")].concerned == most


def test_a_share_that_cannot_be_written_is_an_error_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """kafka-python's producers raise at a usual close, as long as batches wait."""

    def close(timeout: float | None = None) -> None:
        if not producer._sender.force_close.called:
            raise KafkaTimeoutError("Timeout waiting for future")

    producer = MagicMock()
    producer.send.return_value.get.side_effect = KafkaTimeoutError("no answer")
    producer.close = close
    monkeypatch.setattr(telling, "kafka_producer", lambda *_, **__: producer)
    place = AlarmPlace("nowhere:1", "alarms", "shares", "app", "w1")
    with pytest.raises(TopicError, match="shares"):
        ShareWriter(place).write(share())
