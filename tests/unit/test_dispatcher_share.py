"""A dispatcher's share of alarms says what it committed, and what is so now."""

from __future__ import annotations

import msgspec
from prometheus_client import CollectorRegistry

from streamproc.alarms.shares import SUBMITS, AlarmPart, Share, key_of
from streamproc.core.privacy import mask
from streamproc.dispatch.alarm_share import DispatcherShare
from streamproc.dispatch.ledger import JournalTransaction
from streamproc.dispatch.model import Accepted, ErrorClass, Refused
from streamproc.dispatch.observing import DispatchObserver
from streamproc.metrics.dispatch import DispatchMetrics
from tests.support.scheduler import Table, line, reminder

ALICE = "8613800000001"
BOB = "8613800000002"


def take(table: Table, share: DispatcherShare, stalled: set[int] | None = None) -> Share:
    return share.take(table.scheduler, table.now_ms, stalled or set())


def test_a_dispatcher_without_trouble_tells_nothing() -> None:
    table = Table()
    table.put(reminder(1, ALICE))

    assert take(table, DispatcherShare("d1")) == Share("d1", "dispatcher", table.now_ms)


def test_messages_of_a_gateway_that_is_down_wait_for_it() -> None:
    table = Table(line("main"), line("spare", lanes=frozenset({1})))
    table.put(reminder(1, ALICE), reminder(2, BOB, "usage_summary"))
    table.router.set_up("main", False, table.now_ms)

    found = take(table, DispatcherShare("d1"))

    down = AlarmPart(2, sorted([mask(ALICE), mask(BOB)]))
    assert found.levels == {key_of("GatewayDown", "main"): down}
    assert not found.are_gateways_down
    table.router.set_up("spare", False, table.now_ms)
    assert take(table, DispatcherShare("d1")).are_gateways_down


def test_messages_that_wait_for_a_minute_are_told() -> None:
    table = Table()
    table.put(reminder(1, ALICE))
    table.now_ms += 60_000
    assert take(table, DispatcherShare("d1")).levels == {}

    table.now_ms += 1
    assert take(table, DispatcherShare("d1"), {0}).levels == {
        "MessagesWaiting": AlarmPart(1, [mask(ALICE)]),
        "DispatchStalled": AlarmPart(1, [mask(ALICE)]),
    }


def test_receipts_letters_and_slow_answers_count_once() -> None:
    share = DispatcherShare("d1")
    observer = DispatchObserver(DispatchMetrics(CollectorRegistry()), share=share)
    table = Table()
    table.put(reminder(1, ALICE))
    table.run(Refused(ErrorClass.PERMANENT, "ESME_RINVDSTADR"))
    receipts = [msgspec.structs.replace(table.receipts[0], status="expired")]
    observer.committed(JournalTransaction(receipts=receipts, dead_letters=table.dead_letters))
    for seconds in (0.1, 5.0, 5.1):
        observer.answered("main", 0, Accepted(), seconds)

    assert take(table, share).counts == {
        "MessagesExpired": AlarmPart(1, [mask(ALICE)]),
        "DeadLetters": AlarmPart(1, [mask(ALICE)]),
        key_of(SUBMITS, "main"): AlarmPart(3),
        key_of("GatewaySlow", "main"): AlarmPart(1),
    }
    assert take(table, share).counts == {}
