"""A message that never arrived is never told as accepted, whatever other reports come.

In each test the first message is in doubt and did not arrive. The report is about another one.
"""

from __future__ import annotations

import asyncio
from copy import copy
from typing import Any
from unittest import mock

import pytest

from streamproc.core.instants import from_ms
from streamproc.dispatch import runner
from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.early_reports import EARLY_MS
from streamproc.dispatch.elsewhere import Elsewhere
from streamproc.dispatch.journal import JournalContent, JournalEntry, encode
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    Outcome,
    Outgoing,
    Refused,
    ReportState,
    Unknown,
)
from streamproc.dispatch.number_hashes import NumberHashes
from streamproc.dispatch.router import HEARD_OUT_MS, GatewayLine
from streamproc.dispatch.runner import Runner
from streamproc.dispatch.settings import DispatchSettings
from tests.support.scheduler import HASHES, START_MS, Table, line, reminder
from tests.support.waiting import until

SILENCE = Unknown("no answer within 120 s")
WRONG = Refused(ErrorClass.PERMANENT, "ESME_RINVDSTADR")
BUSY = Refused(ErrorClass.TRANSIENT, "ESME_RSYSERR")
MEMBER = "8613800000001"
UNCERTAIN = [(1, "uncertain")]


def table_of(*lines: GatewayLine, partitions: int = 1) -> Table:
    given = lines or (line(reports=True, on_unknown_mandatory="at_least_once"),)
    backoff = Backoff(base_ms=1_000, max_ms=1_000, max_attempts=3)
    return Table(*given, backoff=backoff, partitions=partitions)


def heard(
    table: Table,
    message_id: str,
    state: ReportState = "delivered",
    gateway: str = "main",
    peer: str | None = None,
) -> None:
    known = HASHES.of(MEMBER) if peer is None else peer
    report = DeliveryReport(gateway, message_id, state, "000", table.now_ms, known)
    table.scheduler.report(report, None, table.now_ms)
    table.scheduler.sweep(table.now_ms)
    table.commit()


def in_doubt(table: Table, outcome: Outcome = SILENCE, **fields: Any) -> None:
    """The first message has no answer."""
    table.put(reminder(1, **fields))
    table.answer(table.step()[0], outcome)


def told(table: Table) -> list[tuple[int, str]]:
    """What the receipts say of the first message."""
    return [one for one in table.statuses() if one[0] == 1]


def one_sent(table: Table, number: int = 2, wait_ms: int = 0, **fields: Any) -> Outgoing:
    table.put(reminder(number, **fields))
    (message,) = table.step(wait_ms)
    return message


def test_an_intent_of_before_a_crash_may_be_meant_before_its_reminder_is_read_again() -> None:
    table = table_of()
    in_doubt(table)
    one_sent(table)
    table.restart(reads=False)
    heard(table, "78")
    table.read()
    table.run()

    assert table.statuses() == [(1, "uncertain"), (2, "uncertain")]


def test_what_waits_to_be_sent_again_may_have_been_accepted_before() -> None:
    table = table_of()
    in_doubt(table)
    table.answer(one_sent(table, mandatory=True), SILENCE)
    heard(table, "78")

    assert told(table) == UNCERTAIN


@pytest.mark.parametrize("answered", [False, True])
def test_a_message_of_a_pool_in_another_partition_may_be_meant(answered: bool) -> None:
    """It goes to the same number, and is under way or in doubt."""
    table = table_of(partitions=2)
    in_doubt(table)
    table.put(reminder(2, "family-4711", recipient=MEMBER), partition=1)
    (message,) = table.step()
    if answered:
        table.answer(message, SILENCE)
    heard(table, "78")

    assert told(table) == UNCERTAIN


def test_while_a_partition_is_not_open_here_its_messages_may_be_meant() -> None:
    table = table_of(partitions=2)
    in_doubt(table)
    table.put(reminder(2, "family-4711", recipient=MEMBER), partition=1)
    table.answer(table.step()[0], Accepted({1: "78"}))
    table.restart(opens=[0])
    heard(table, "78")
    assert told(table) == UNCERTAIN
    table.open(1)
    heard(table, "78")

    assert table.statuses() == [(1, "uncertain"), (2, "accepted"), (2, "delivered")]


def test_what_a_report_is_about_is_asked_again_when_all_partitions_are_open() -> None:
    table = table_of(partitions=2)
    in_doubt(table)
    table.restart(opens=[0])
    heard(table, "77")
    assert told(table) == UNCERTAIN
    table.open(1)
    table.step()

    assert table.statuses() == [(1, "uncertain"), (1, "accepted"), (1, "delivered")]


@pytest.mark.parametrize(
    ("outcome", "statuses"),
    [
        (None, ["uncertain", "accepted", "delivered"]),
        (Accepted({1: "78"}), ["uncertain"]),
        (SILENCE, ["uncertain"]),
        (WRONG, ["uncertain", "accepted", "delivered"]),
    ],
)
def test_the_journals_of_other_dispatchers_say_whether_a_message_of_theirs_can_be_meant(
    outcome: Outcome | None, statuses: list[str]
) -> None:
    """A reminder of a pool goes to the same number, from a partition that another one has."""
    table = table_of(partitions=2)
    in_doubt(table)
    if outcome is not None:
        table.put(reminder(2, "family-4711", recipient=MEMBER), partition=1)
        table.answer(table.step()[0], outcome)
    table.restart(opens=[0])
    heard(table, "78")
    deliveries = table.scheduler.deliveries
    keys = deliveries.unplaced()
    assert len(keys) == 1
    elsewhere = Elsewhere()
    elsewhere.add(1, table.entries(1))
    deliveries.place(keys, elsewhere, table.now_ms)
    table.commit()

    assert told(table) == [(1, one) for one in statuses]
    assert len(deliveries.unplaced()) == (len(statuses) == 1)


async def test_a_dispatcher_reads_the_journals_of_others_and_believes_no_change_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "ELSEWHERE_S", 0.0)
    table = table_of(partitions=2)
    in_doubt(table)
    table.restart(opens=[0])
    heard(table, "77")
    made = Runner(
        DispatchSettings(mock.Mock()), table.scheduler, {}, lambda: table.now_ms, mock.Mock()
    )
    read: list[int] = []

    class Journal:
        def __init__(self, settings: Any, lanes: Any, partition: int) -> None:
            self._partition = partition

        def load(self) -> JournalContent:
            read.append(self._partition)
            if len(read) == 1:  # the group gives a partition, and takes it again
                table.scheduler.open(1, [])
                table.scheduler.close(1)
                table.scheduler.ledgers[0] = copy(table.scheduler.ledgers[0])
            return JournalContent()

    monkeypatch.setattr(runner, "PartitionJournal", Journal)
    asking = asyncio.create_task(made._ask_elsewhere())
    try:
        await until(lambda: len(read) == 2)
        await until(lambda: not table.scheduler.deliveries.unplaced())
    finally:
        asking.cancel()
        for pool in (made._reading, made._hearing):
            pool.shutdown()
    table.commit()

    assert read == [1, 1]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_part_of_a_message_that_failed_is_reported(restarts: bool) -> None:
    table = table_of()
    table.put(reminder(2, segments=2))
    table.answer(table.step()[0], Refused(ErrorClass.PERMANENT, "wrong", {1: "70"}))
    in_doubt(table)
    if restarts:
        table.restart()
    heard(table, "70")

    assert told(table) == UNCERTAIN


@pytest.mark.parametrize("restarts", [False, True])
def test_a_part_that_another_gateway_took_before_is_reported(restarts: bool) -> None:
    second = line("second", reports=True)
    table = table_of(line(reports=True), second)
    table.put(reminder(2, segments=2))
    away = Refused(ErrorClass.UNREACHABLE, "not_bound", {1: "70"})
    table.answer(table.step()[0], away)
    table.router.set_up("main", False, table.now_ms)
    (again,) = table.step(120_000)
    assert (again.gateway, again.parts) == ("second", {})
    table.answer(again, Accepted({1: "80", 2: "81"}))
    table.router.set_up("main", True, table.now_ms)
    in_doubt(table)
    if restarts:
        table.restart()
    heard(table, "70")

    assert told(table) == UNCERTAIN


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(("answered", "reported"), [("4D", "77"), ("77", "4D"), ("0077", "77")])
def test_a_report_that_comes_again_may_write_its_id_in_another_way(
    answered: str, reported: str, restarts: bool
) -> None:
    table = table_of()
    table.answer(one_sent(table), Accepted({1: answered}))
    heard(table, reported)
    in_doubt(table)
    if restarts:
        table.restart()
        table.restart()
    heard(table, reported)

    assert table.statuses() == [(2, "accepted"), (2, "delivered"), (1, "uncertain")]


def test_a_part_that_was_accepted_without_an_id_is_reported_before_and_after_the_others() -> None:
    table = table_of()
    table.put(reminder(2, segments=2))
    (message,) = table.step()
    table.answer(message, Unknown("no answer", {1: ""}))
    table.scheduler.settle_late(message, Accepted({2: "71"}), table.now_ms)
    in_doubt(table)
    heard(table, "70")

    assert told(table) == UNCERTAIN


@pytest.mark.parametrize("message_id", ["", " "])
def test_a_message_that_was_accepted_without_an_id_is_reported(message_id: str) -> None:
    table = table_of()
    in_doubt(table)
    table.answer(one_sent(table), Accepted({1: message_id}))
    table.restart()
    heard(table, "78")

    assert told(table) == UNCERTAIN


def test_a_message_that_came_through_another_entry_for_the_same_account_is_reported() -> None:
    table = table_of(line(reports=True), line("second", reports=True))
    in_doubt(table)
    table.router.set_up("main", False, table.now_ms)
    message = one_sent(table, wait_ms=120_000)
    assert message.gateway == "second"
    heard(table, "78", gateway="main")
    table.answer(message, Accepted({1: "78"}))
    heard(table, "78", gateway="main")

    assert told(table) == UNCERTAIN


@pytest.mark.parametrize("restarts", [False, True])
def test_an_earlier_copy_is_reported_after_its_message_was_settled(restarts: bool) -> None:
    table = table_of()
    table.answer(one_sent(table, mandatory=True), SILENCE)
    table.answer(table.step(2_000)[0], Accepted({1: "78"}))
    heard(table, "78")
    in_doubt(table)
    if restarts:
        table.restart()
        table.restart()
    heard(table, "77")

    assert told(table) == UNCERTAIN


def test_of_two_copies_of_a_part_one_is_not_taken_for_another_part() -> None:
    table = table_of(line(reports=True, on_unknown="at_least_once"))
    table.put(reminder(1, segments=2))
    table.answer(table.step()[0], SILENCE)
    while sent := table.step(2_000):
        table.answer(sent[0], SILENCE)
    for message_id in ("77", "78"):  # both are copies of the first part
        heard(table, message_id)

    assert told(table) == UNCERTAIN


@pytest.mark.parametrize("second", [WRONG, BUSY])
def test_a_copy_of_a_part_that_was_taken_again_is_not_taken_for_another_part(
    second: Refused,
) -> None:
    table = table_of(line(reports=True, on_unknown="at_least_once"))
    table.put(reminder(1, segments=2))
    table.answer(table.step()[0], SILENCE)
    outcome: Outcome = Refused(second.error, second.code, {1: "78"})
    while sent := table.step(2_000):
        table.answer(sent[0], outcome)
        outcome = second
    heard(table, "77")  # the first copy of the first part

    assert told(table) == UNCERTAIN


def test_a_part_that_was_accepted_without_an_id_is_not_taken_for_another_part() -> None:
    table = table_of()
    in_doubt(table, Unknown("silence", {1: ""}), segments=2)
    heard(table, "77")

    assert told(table) == UNCERTAIN


def test_after_a_late_answer_nothing_of_a_half_message_is_in_doubt() -> None:
    table = table_of()
    table.put(reminder(1, segments=2))
    (message,) = table.step()
    table.answer(message, SILENCE)
    rest = Refused(ErrorClass.UNREACHABLE, "rest_not_sent", {1: "77"})
    table.scheduler.settle_late(message, rest, table.now_ms)
    for message_id in ("77", "78"):
        heard(table, message_id)

    assert told(table) == UNCERTAIN


def test_a_late_refusal_of_one_copy_says_nothing_of_the_other() -> None:
    table = table_of(line(reports=True, on_unknown="at_least_once"))
    table.put(reminder(1))
    (first,) = table.step()
    table.answer(first, SILENCE)
    table.answer(table.step(2_000)[0], SILENCE)
    table.answer(table.step(2_000)[0], SILENCE)
    table.scheduler.settle_late(first, WRONG, table.now_ms)
    table.commit()

    assert told(table) == UNCERTAIN


def test_a_message_whose_partition_went_is_known_by_its_late_id() -> None:
    table = table_of(partitions=2)
    table.put(reminder(2, "family-4711", recipient=MEMBER), partition=1)
    (message,) = table.step()
    table.scheduler.close(1)
    table.scheduler.settle(message, Accepted({1: "78"}), table.now_ms)
    for stored in (table.stored[1].journal, table.stored[1].log):
        stored.clear()  # whatever its next owner made of it
    table.open(1)
    in_doubt(table)
    heard(table, "78")

    assert told(table) == UNCERTAIN


@pytest.mark.parametrize("facts", [False, True])
def test_a_message_with_an_unknown_number_may_be_meant(facts: bool) -> None:
    """Its entry cannot be read, or its number has a hash by another key."""
    table = table_of()
    if facts:
        table.hashes = NumberHashes([b"another key for tests of the scheduler"])
        table.restart()
        table.answer(one_sent(table), SILENCE)
        table.hashes = HASHES
    else:
        table.journal = {f"{2:032x}": encode(JournalEntry("intent", START_MS + 10**9))}
    table.restart()
    in_doubt(table)
    heard(table, "78")

    assert told(table) == UNCERTAIN


def test_an_entry_of_an_earlier_release_is_not_settled_but_may_be_meant() -> None:
    table = table_of()
    in_doubt(table)
    written = table.journal[f"{1:032x}"]
    for name in (b'"doubtful":1', b'"doubted":"main"'):
        assert name in written
        written = written.replace(name + b",", b"").replace(b"," + name, b"")
    table.journal = {f"{1:032x}": written}
    table.restart()
    heard(table, "77")
    assert told(table) == UNCERTAIN
    table.answer(one_sent(table, 3), SILENCE)
    heard(table, "78")

    assert table.statuses() == [(1, "uncertain"), (3, "uncertain")]


def test_more_ids_than_a_fixed_memory_holds_are_known() -> None:
    table = table_of()
    table.scheduler.deliveries.know((str(10**9 + one) for one in range(60_000)), START_MS + 10**8)
    in_doubt(table)
    heard(table, str(10**9))

    assert told(table) == UNCERTAIN


def test_with_a_shared_account_reports_of_unknown_ids_settle_nothing() -> None:
    table = table_of(line(reports=True, shared_account=True))
    in_doubt(table)
    heard(table, "78")

    assert told(table) == UNCERTAIN


@pytest.mark.parametrize("is_ours", [False, True])
def test_a_report_that_no_message_explains_shows_that_the_account_is_shared(is_ours: bool) -> None:
    table = table_of()
    table.step()
    table.answer(one_sent(table), Accepted({1: "77"}))
    heard(table, "77")
    heard(table, "77" if is_ours else "90")
    table.step(EARLY_MS)
    in_doubt(table)
    heard(table, "78")

    assert table.scheduler.deliveries.shared == (set() if is_ours else {"main"})
    assert (told(table) == UNCERTAIN) is not is_ours


DAYS_3_MS = 3 * 86_400_000


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("state", ["accepted", "settled"])
def test_a_gateway_that_was_away_for_days_has_old_reports(state: str, restarts: bool) -> None:
    """Their messages are over, and are not forgotten before the reports had the time to come."""
    table = table_of()
    table.answer(one_sent(table), Accepted({1: "78"}))
    if state == "settled":
        heard(table, "78")  # and it comes again
    table.router.set_up("main", False, table.now_ms)
    table.step(DAYS_3_MS)
    if restarts:
        table.restart()
        table.router.set_up("main", False, table.now_ms)
        table.step()
    table.router.set_up("main", True, table.now_ms)
    expires = from_ms(table.now_ms + HEARD_OUT_MS)
    in_doubt(table, expires_time=expires)
    heard(table, "78")
    assert told(table) == UNCERTAIN
    assert f"{2:032x}" in table.journal
    table.step(HEARD_OUT_MS)
    assert f"{2:032x}" not in table.journal


class TestConvertedIds:
    """An id that is another message's in another way of writing settles neither."""

    def test_a_report_waits_for_the_answer_that_may_be_its_own(self) -> None:
        table = table_of()
        table.answer(one_sent(table, 3), Accepted({1: "99"}))
        heard(table, "99")
        table.answer(one_sent(table, 1), Accepted({1: "10"}))
        other = one_sent(table, 2)
        heard(table, "16")  # 10 in hexadecimal is 16
        assert told(table) == [(1, "accepted")]
        table.answer(other, Accepted({1: "16"}))

        assert table.statuses()[2:] == [(1, "accepted"), (2, "accepted"), (2, "delivered")]

    def test_two_messages_that_a_report_may_mean_are_not_told_apart(self) -> None:
        table = table_of()
        table.answer(one_sent(table, 1), Accepted({1: "16"}))
        table.answer(one_sent(table, 2), Accepted({1: "10"}))
        heard(table, "16")
        assert table.statuses() == [(1, "accepted"), (2, "accepted")]

    @pytest.mark.parametrize(("seen", "reported", "who"), [("99", "99", 1), ("63", "99", 2)])
    def test_a_gateway_shows_how_it_writes_ids(self, seen: str, reported: str, who: int) -> None:
        table = table_of()
        table.answer(one_sent(table, 3), Accepted({1: seen}))
        heard(table, reported)
        table.answer(one_sent(table, 1), Accepted({1: "16"}))
        table.answer(one_sent(table, 2), Accepted({1: "10"}))
        heard(table, "16")

        assert table.statuses()[4:] == [(who, "delivered")]

    def test_two_messages_with_the_same_id_and_number_are_not_told_apart(self) -> None:
        table = table_of()
        table.answer(one_sent(table, 1), Accepted({1: "7"}))
        table.answer(one_sent(table, 2), Accepted({1: "7"}))
        heard(table, "7", "failed")

        assert table.statuses() == [(1, "accepted"), (2, "accepted")]
