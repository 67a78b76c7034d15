"""Messages of canaries use their own gateways, and no others; nothing counts them."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streamproc.canaries import canary_of
from streamproc.contracts.records.receipts import Receipt
from streamproc.dispatch.alarm_share import DispatcherShare
from streamproc.dispatch.assembly import LOOPBACK, gateways_of, router_of, with_canaries
from streamproc.dispatch.config import CONSOLE_ONLY, load_gateways
from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.gateways.entry import GatewaysError
from streamproc.dispatch.gateways.loopback import LoopbackGateway
from streamproc.dispatch.ledger import JournalTransaction
from streamproc.dispatch.model import Accepted, DeliveryReport, ErrorClass, Refused
from streamproc.dispatch.observing import DispatchObserver
from streamproc.dispatch.statistics import ReceiptTally
from streamproc.metrics.dispatch import DispatchMetrics
from tests.support.scheduler import START_MS, Table, line, numbers, reminder

ALICE = "8613800000001"
CANARY = canary_of(date(2026, 1, 5), 0, 4)


def through(table: Table) -> list[tuple[int, str]]:
    return [(int(one.reminder.id, 16), one.gateway) for one in table.sent]


def test_each_kind_of_message_uses_its_own_gateways() -> None:
    table = Table(line("main"), line("canary", is_canary=True))
    table.put(reminder(1, CANARY), reminder(2, ALICE))
    table.run()

    assert sorted(through(table)) == [(1, "canary"), (2, "main")]


def test_no_message_uses_a_gateway_of_others_even_if_its_own_is_down() -> None:
    for name, other in (("main", (1, "canary")), ("canary", (2, "main"))):
        table = Table(line("main"), line("canary", is_canary=True))
        table.router.set_up(name, False, table.now_ms)
        table.put(reminder(1, CANARY), reminder(2, ALICE, "usage_summary"))
        table.run(wait_ms=60_000)
        assert through(table) == [other]


def test_a_canary_that_waits_does_not_hold_up_customers() -> None:
    table = Table(line("main"), line("canary", is_canary=True))
    table.router.set_up("canary", False, table.now_ms)
    table.put(reminder(1, CANARY), reminder(2, ALICE))

    assert numbers(table.run(wait_ms=1_000)) == [2]


def test_receipts_and_letters_name_the_canary_because_it_is_nobody() -> None:
    table = Table(line("main"), line("canary", is_canary=True))
    table.put(reminder(1, CANARY), reminder(2, ALICE))
    table.run(Refused(ErrorClass.PERMANENT, "x"))

    assert {one.subscriber for one in table.receipts} == {CANARY, "861********01"}
    assert {one.subscriber for one in table.dead_letters} == {CANARY, "861********01"}


def receipts_of_both() -> list[Receipt]:
    table = Table(line("main"), line("canary", is_canary=True))
    table.put(reminder(1, CANARY), reminder(2, ALICE))
    table.run()
    return table.receipts


def test_statistics_metrics_and_alarms_leave_canaries_out() -> None:
    tally = ReceiptTally()
    tally.add(receipts_of_both())
    assert tally.statuses == {"accepted": 1}

    share = DispatcherShare("d1")
    metrics = DispatchMetrics(CollectorRegistry())
    observer = DispatchObserver(metrics, share=share)
    observer.canary_gateways = frozenset({"canary"})
    refused = Table(line("canary", is_canary=True))
    refused.put(reminder(3, CANARY), reminder(4, CANARY))
    refused.run(Refused(ErrorClass.PERMANENT, "x"))
    refused.put(reminder(5, CANARY, "usage_summary"))
    observer.committed(
        JournalTransaction(receipts=refused.receipts, dead_letters=refused.dead_letters)
    )
    observer.answered("canary", 0, Accepted(), 9.0)
    observer.refresh(refused.scheduler, refused.now_ms + 100_000)

    counted = {
        sample.name: sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.value and "_created" not in sample.name and "build" not in sample.name
    }
    assert counted == {"streamproc_dispatch_partitions": 1}
    told = share.take(refused.scheduler, refused.now_ms + 100_000, set())
    assert (told.levels, told.counts, told.are_gateways_down) == ({}, {}, False)


def test_the_phone_of_canaries_gets_their_messages_and_no_others() -> None:
    table = Table(line("main"), line("canary", is_canary=True))
    table.scheduler._canary_number = "34600000009"
    table.put(reminder(1, CANARY), reminder(2, ALICE))
    table.run()

    assert sorted(one.subscriber for one in table.sent) == ["34600000009", ALICE]
    assert {one.subscriber for one in table.receipts} == {CANARY, "861********01"}


CONFIG = """
version: 1
gateways:
  - {name: main, kind: console}
  - {name: test, kind: loopback, canary: true}
canary_number: "34600000009"
"""


def test_a_file_may_name_a_gateway_of_canaries() -> None:
    config = load_gateways(CONFIG, "g.yaml")
    assert with_canaries(config) is config
    router = router_of(config, gateways_of(config, Path(), lambda: 0.5), START_MS)

    assert [one.name for one in router.of_customers] == ["main"]
    assert router.lines["test"].is_canary
    assert router.lines["test"].reports


def test_without_one_a_loopback_takes_them() -> None:
    config = with_canaries(CONSOLE_ONLY)

    assert [(one.name, one.canary) for one in config.gateways] == [
        ("console", False),
        (LOOPBACK, True),
    ]


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("loopback, canary: true", "loopback", "canary_number: no gateway has canary: true"),
        ("canary: true", "canary: true, lanes: [bulk]", "no gateway of canaries takes the lane"),
        ("kind: console", "kind: console, canary: true", "no gateway takes the lane urgent"),
        ('"34600000009"', '"0034600000009"', "canary_number"),
    ],
)
def test_a_file_that_leaves_messages_without_a_gateway_is_refused(
    before: str, after: str, problem: str
) -> None:
    with pytest.raises(GatewaysError, match=problem):
        load_gateways(CONFIG.replace(before, after), "g.yaml")


async def test_a_loopback_accepts_and_reports() -> None:
    heard: asyncio.Queue[DeliveryReport] = asyncio.Queue()

    async def report(one: DeliveryReport) -> None:
        heard.put_nowait(one)

    gateway = LoopbackGateway("test")
    await gateway.start(Events(lambda up: None, report, lambda: START_MS))
    message: Any = Table(line("main"))
    message.put(reminder(1))
    (sent,) = message.step()

    outcome = await gateway.send(sent)

    assert outcome == Accepted({1: sent.id})
    assert await heard.get() == DeliveryReport("test", sent.id, "delivered", "loopback", START_MS)
    await gateway.close()
