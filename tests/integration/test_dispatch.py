"""Dispatchers on a real broker and a simulated message center, whatever happens to them."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.dispatching import HEAD, PARTITIONS, DispatchScene, due, smpp_gateway
from tests.support.metrics_page import page, probe
from tests.support.smsc import SmscProcess
from tests.support.waiting import wait_until


@pytest.fixture
def scene(bootstrap: str, tmp_path: Path) -> Iterator[DispatchScene]:
    with DispatchScene(bootstrap, tmp_path) as scene:
        yield scene


def arrived(smsc: SmscProcess) -> list[tuple[str, int]]:
    """Subscriber and number of each whole message, in order of arrival."""
    return [(to, int(text.split()[0][1:])) for to, text in smsc.messages()]


async def test_reminders_reach_the_phone_and_come_back_as_receipts(
    scene: DispatchScene, tmp_path: Path
) -> None:
    with SmscProcess(tmp_path, receipts="shuffled", receipt_ids="decimal") as smsc:
        await scene.prepare(HEAD + smpp_gateway(smsc.port))
        long = f"#2 {'流量提醒' * 40}"
        await scene.put(
            [
                due(1, 1),
                due(2, 2, text=long, encoding="ucs2", segments=3),
                due(3, 3, expires_time=datetime(2026, 1, 1, tzinfo=UTC)),
                due(1, 1),
            ]
        )
        process = scene.start()
        await scene.settled(3)
        await scene.delivered(2)
        log = tmp_path / "one.log"

        # They are counted just after the commit.
        def has_counted() -> bool:
            return page(log)["streamproc_dispatch_receipts_total"].total() == 5

        await asyncio.to_thread(wait_until, has_counted)
        figures = await asyncio.to_thread(page, log)
        ready = await asyncio.to_thread(probe, log, "/readyz")
        scene.stop(process)

    # The statuses of a known gateway are there from the start, so that alerts see the first one.
    receipts = figures["streamproc_dispatch_receipts_total"]
    assert receipts["main", "failed"] == 0
    assert +receipts == {
        ("main", "accepted"): 2,
        ("main", "delivered"): 2,
        ("none", "expired"): 1,
    }
    assert figures["streamproc_dispatch_submits_total"] == {("accepted", "main"): 2}
    assert figures["streamproc_dispatch_partitions"].total() == PARTITIONS
    assert figures["streamproc_dispatch_waiting_messages"].total() == 0
    assert ready == (200, "ok\n")
    assert dict(smsc.messages()) == {"8613800000001": "#1 80% used", "8613800000002": long}
    found = {(one.reminder_id[-1], one.status): one for one in await scene.receipts()}
    assert set(found) == {
        ("1", "accepted"),
        ("1", "delivered"),
        ("2", "accepted"),
        ("2", "delivered"),
        ("3", "expired"),
    }
    delivered = found["2", "delivered"]
    assert len(delivered.message_ids or ()) == 3
    assert 0 < delivered.event_to_status_ms < 60_000
    assert (await scene.statuses()).total() == 5
    assert "8613800000002" not in scene.logs()


async def test_killed_dispatchers_lose_nothing_and_double_only_what_is_promised(
    scene: DispatchScene, tmp_path: Path
) -> None:
    """Both promises at once: the urgent lane's gateway never repeats, the bulk lane's may."""
    count, kills, window, chance = 700, 3, 25, random.Random(5)
    with (
        SmscProcess(tmp_path, answer_seconds=0.02) as once,
        SmscProcess(tmp_path, answer_seconds=0.02) as again,
    ):
        pace = {"messages_per_second": 100, "burst": 10, "window": window}
        await scene.prepare(
            HEAD
            + smpp_gateway(once.port, "once", lanes="[urgent]", **pace)
            + smpp_gateway(again.port, "again", lanes="[bulk]", on_unknown="at_least_once", **pace)
        )
        kinds = {True: "usage_percent", False: "usage_summary"}
        await scene.put(due(n, n % 97, kind=kinds[n % 2 == 0]) for n in range(1, count + 1))
        for _ in range(kills):
            process = scene.start()
            before = len(arrived(once)) + len(arrived(again))
            await scene.until_more(lambda: len(arrived(once)) + len(arrived(again)), before + 60)
            await asyncio.sleep(chance.random() * 0.5)  # it is killed at any instant
            process.kill()
            process.wait()
        last = scene.start()
        await scene.settled(count, limit_seconds=60)
        scene.stop(last)

    told = [(int(one.reminder_id, 16), one.status) for one in await scene.receipts()]
    uncertain = {number for number, status in told if status == "uncertain"}
    accepted = {number for number, status in told if status == "accepted"}
    assert max(Counter(told).values()) == 1
    assert uncertain | accepted == set(range(1, count + 1))
    times = Counter(number for _, number in arrived(once))
    assert set(times.values()) == {1}
    # What a report of the phone settled did arrive.
    assert uncertain & accepted <= set(times)
    assert all(number % 2 == 0 for number in uncertain)
    assert len(uncertain) <= kills * window
    assert accepted - set(times) == set(range(1, count + 1, 2))
    times = Counter(number for _, number in arrived(again))
    assert set(times) == set(range(1, count + 1, 2))
    assert sum(often > 1 for often in times.values()) <= kills * window
    _assert_ordered(arrived(once))
    _assert_ordered(arrived(again))


def _assert_ordered(messages: list[tuple[str, int]]) -> None:
    """First arrivals of each subscriber are in the order of the log."""
    first: dict[str, list[int]] = defaultdict(list)
    for to, number in messages:
        if number not in first[to]:
            first[to].append(number)
    for numbers in first.values():
        assert numbers == sorted(numbers)


async def test_two_dispatchers_share_and_the_memory_follows_the_partition(
    scene: DispatchScene, tmp_path: Path
) -> None:
    count = 500
    with SmscProcess(tmp_path, receipt_seconds=2.0) as smsc:
        await scene.prepare(HEAD + smpp_gateway(smsc.port, messages_per_second=60, burst=5))
        await scene.put(due(n, n % 97) for n in range(1, count + 1))
        scene.start("one")
        await scene.until(lambda: len(arrived(smsc)) > 50)
        second = scene.start("two")
        await scene.until(lambda: sum(1 for _ in smsc.events("bind")) == 2)
        await scene.until(lambda: len(arrived(smsc)) > 300)
        second.kill()
        states = await scene.settled(count)
        uncertain = {int(one, 16) for one, statuses in states.items() if "uncertain" in statuses}
        statuses = Counter[str]()
        while not count - len(uncertain) <= statuses["accepted"] == statuses["delivered"]:
            statuses = await scene.statuses()
        scene.stop(scene.processes[0])

    times = Counter(number for _, number in arrived(smsc))
    assert max(times.values()) == 1
    assert len(uncertain) <= 50
    # Receipts of what one sent came to the other's session too; each is told once.
    told = [(int(one.reminder_id, 16), one.status) for one in await scene.receipts()]
    assert max(Counter(told).values()) == 1
    settled = {number for number, status in told if number in uncertain and status == "delivered"}
    assert settled <= set(times)
    assert {number for number, status in told if status == "delivered"} == (
        set(range(1, count + 1)) - uncertain | settled
    )
    _assert_ordered(arrived(smsc))


async def test_a_dispatcher_that_slept_finds_its_partitions_taken(
    scene: DispatchScene, tmp_path: Path
) -> None:
    count = 220
    with SmscProcess(tmp_path) as smsc:
        await scene.prepare(HEAD + smpp_gateway(smsc.port, messages_per_second=40, burst=5))
        await scene.put(due(n, n % 97) for n in range(1, count + 1))
        sleeper = scene.start("one")
        await scene.until(lambda: len(arrived(smsc)) > 50)
        sleeper.send_signal(signal.SIGSTOP)
        other = scene.start("two")
        before = len(arrived(smsc))
        await scene.until(lambda: len(arrived(smsc)) > before + 30)
        sleeper.send_signal(signal.SIGCONT)
        await scene.settled(count)
        scene.stop(other)

    assert max(Counter(number for _, number in arrived(smsc)).values()) == 1


async def test_throttling_and_failover(scene: DispatchScene, tmp_path: Path) -> None:
    with (
        SmscProcess(tmp_path, throttle_above_per_second=80, receipts="tlv") as good,
        SmscProcess(tmp_path, fail_status=0x08, fail_share=1.0) as bad,
    ):
        await scene.prepare(HEAD + smpp_gateway(bad.port, "bad") + smpp_gateway(good.port, "good"))
        await scene.put([due(n, n) for n in range(1, 151)])
        process = scene.start()
        states = await scene.settled(150)
        scene.stop(process)

    assert Counter(number for _, number in arrived(good)) == Counter(range(1, 151))
    assert all("accepted" in statuses for statuses in states.values())
    assert any(event["status"] == 0x58 for event in good.events("refused"))
    assert await scene.dead_letters() == []


async def test_a_message_center_that_goes_away_is_waited_for(
    scene: DispatchScene, tmp_path: Path
) -> None:
    with SmscProcess(tmp_path) as smsc:
        await scene.prepare(HEAD + smpp_gateway(smsc.port, on_unknown="at_least_once"))
        process = scene.start()
        await scene.until(lambda: any(smsc.events("bind")))
        smsc.kill()
        await scene.put([due(n, n) for n in range(1, 51)])
        await asyncio.sleep(1.0)  # nothing can be sent, and nobody says so
        smsc.start()
        await scene.settled(50)
        scene.stop(process)

    assert Counter(number for _, number in arrived(smsc)) == Counter(range(1, 51))
