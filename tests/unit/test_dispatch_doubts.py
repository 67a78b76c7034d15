"""Answers that come late, and reports that settle what nobody knew (docs/dispatcher.md)."""

from __future__ import annotations

import pytest

from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.delivery_reports import LAST_PART_MS
from streamproc.dispatch.journal import JournalEntry, decode_entry
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    Policy,
    ReceiptsOf,
    Refused,
    ReportState,
    Unknown,
)
from tests.support.scheduler import HASHES, START_MS, TOPIC, Table, line, numbers, reminder

SILENCE = Unknown("no answer within 120 s")
BUSY = Refused(ErrorClass.TRANSIENT, "ESME_RSYSERR")
WRONG = Refused(ErrorClass.PERMANENT, "ESME_RINVDSTADR")
REST = Refused(ErrorClass.UNREACHABLE, "rest_not_sent", {1: "77"})


def table_with(
    policy: Policy = "at_most_once", receipts: ReceiptsOf = "auto", **fields: int
) -> Table:
    backoff = Backoff(base_ms=1_000, max_ms=1_000, **fields)
    return Table(line(reports=True, on_unknown=policy, receipts=receipts), backoff=backoff)


def heard(
    table: Table,
    message_id: str,
    state: ReportState = "delivered",
    to: str = "8613800000001",
    received_ms: int | None = None,
    position: tuple[int, int] | None = None,
) -> None:
    at_ms = table.now_ms if received_ms is None else received_ms
    report = DeliveryReport("main", message_id, state, "000", at_ms, HASHES.of(to))
    table.scheduler.report(report, position, table.now_ms)
    table.commit()


def test_a_late_answer_settles_what_was_uncertain() -> None:
    table = table_with()
    table.put(reminder(1))
    (message,) = table.step()
    table.answer(message, SILENCE)
    table.scheduler.settle_late(message, Accepted({1: "77"}), table.now_ms)
    table.commit()
    heard(table, "77")

    assert table.statuses() == [(1, "uncertain"), (1, "accepted"), (1, "delivered")]
    assert len(table.sent) == 1


def test_a_late_answer_stops_what_was_to_be_sent_again() -> None:
    table = table_with("at_least_once")
    table.put(reminder(1), reminder(2))
    (message,) = table.step()
    table.answer(message, SILENCE)
    table.scheduler.settle_late(message, Accepted({1: "77"}), table.now_ms)
    table.commit()
    table.run(wait_ms=5_000)

    assert numbers(table.sent) == [1, 2]
    assert table.statuses() == [(1, "accepted"), (2, "accepted")]
    assert table.receipts[0].attempts == 1
    assert table.positions[0, TOPIC] == 2


def test_a_late_answer_about_half_a_message_leaves_the_other_half_to_be_sent() -> None:
    table = table_with("at_least_once")
    table.put(reminder(1, segments=2))
    (message,) = table.step()
    table.answer(message, SILENCE)
    table.scheduler.settle_late(message, REST, table.now_ms)
    (again,) = table.step(2_000)

    assert again.parts == {1: "77"}


def test_a_late_refusal_of_what_is_not_sent_again_is_a_dead_letter() -> None:
    table = table_with()
    table.put(reminder(1))
    (message,) = table.step()
    table.answer(message, SILENCE)
    table.scheduler.settle_late(message, WRONG, table.now_ms)
    table.commit()

    assert table.statuses() == [(1, "uncertain"), (1, "failed")]
    (letter,) = table.dead_letters
    assert (letter.reason, letter.detail) == ("permanent", "ESME_RINVDSTADR")


def test_an_answer_that_comes_after_the_second_copy_settles_nothing_twice() -> None:
    table = table_with("at_least_once")
    table.put(reminder(1))
    (message,) = table.step()
    table.answer(message, SILENCE)
    (again,) = table.step(2_000)
    table.scheduler.settle_late(message, Accepted({1: "77"}), table.now_ms)
    table.answer(again, Accepted({1: "78"}))
    table.scheduler.settle_late(message, Accepted({1: "77"}), table.now_ms)
    table.commit()

    assert table.statuses() == [(1, "accepted")]
    assert table.receipts[0].message_ids == ["78"]


def test_a_report_settles_the_only_uncertain_message_to_its_number() -> None:
    table = table_with()
    table.put(reminder(1), reminder(2, "8613800000002"))
    for message in table.step():
        table.answer(message, SILENCE)
    heard(table, "77")

    assert table.statuses() == [
        *((1, "uncertain"), (2, "uncertain")),
        *((1, "accepted"), (1, "delivered")),
    ]
    assert table.receipts[-1].message_ids == ["77"]


def test_a_report_that_came_before_the_result_was_unknown_settles_it_then() -> None:
    table = table_with()
    table.put(reminder(1))
    (message,) = table.step()
    heard(table, "77")
    assert table.statuses() == []  # its answer may still come
    table.answer(message, SILENCE)

    assert table.statuses() == [(1, "uncertain"), (1, "accepted"), (1, "delivered")]


def test_a_report_settles_what_was_uncertain_after_a_crash() -> None:
    table = table_with()
    table.put(reminder(1))
    table.step()
    table.restart()
    table.run()
    table.restart()
    heard(table, "77", "expired")

    assert table.statuses() == [(1, "uncertain"), (1, "accepted"), (1, "expired")]
    assert len(table.sent) == 1


def test_a_report_of_an_unknown_id_does_not_stop_what_is_to_be_sent_again() -> None:
    """It may be about something else, and at least once means that a copy more is better."""
    table = table_with("at_least_once")
    table.put(reminder(1))
    table.answer(table.step()[0], SILENCE)
    heard(table, "77")
    table.run(wait_ms=5_000)

    assert numbers(table.sent) == [1, 1]
    assert table.statuses() == [(1, "accepted")]


def test_a_report_of_an_earlier_copy_settles_no_other_message() -> None:
    table = table_with("at_least_once")
    table.put(reminder(1))
    table.answer(table.step()[0], SILENCE)
    table.answer(table.step(2_000)[0], Accepted({1: "78"}))
    table.lines[0].on_unknown = "at_most_once"
    table.put(reminder(2))
    table.answer(table.step()[0], SILENCE)
    heard(table, "77")
    heard(table, "78")

    assert table.statuses() == [(1, "accepted"), (2, "uncertain"), (1, "delivered")]


def test_a_report_that_was_read_before_a_restart_settles_nothing_new() -> None:
    table = table_with()
    table.put(reminder(1), reminder(2))
    table.answer(table.step()[0], Accepted({1: "77"}))
    (second,) = table.step()
    heard(table, "77", position=(0, 4))
    table.restart()  # the second is uncertain now
    table.run()
    heard(table, "77", position=(0, 4))
    assert table.statuses() == [(1, "accepted"), (1, "delivered"), (2, "uncertain")]
    heard(table, "79", position=(0, 5))

    assert table.statuses()[3:] == [(2, "accepted"), (2, "delivered")]
    assert second.id == f"{2:032x}"


@pytest.mark.parametrize("restarts", [False, True])
def test_two_uncertain_messages_to_a_number_are_not_told_apart(restarts: bool) -> None:
    table = table_with()
    table.put(reminder(1), reminder(2))
    for _ in range(2):
        table.answer(table.step()[0], SILENCE)
    if restarts:
        table.restart()
    heard(table, "77")

    assert table.statuses() == [(1, "uncertain"), (2, "uncertain")]


def test_a_report_of_another_message_settles_nothing() -> None:
    table = table_with()
    table.put(reminder(1), reminder(2))
    table.answer(table.step()[0], Accepted({1: "77"}))
    heard(table, "77")
    table.answer(table.step(10_000)[0], SILENCE)
    heard(table, "77")  # once more
    heard(table, "78", received_ms=START_MS)  # from before it was sent
    heard(table, "79", to="8613800000009")

    assert table.statuses() == [(1, "accepted"), (1, "delivered"), (2, "uncertain")]


def test_while_a_message_is_under_way_its_number_settles_no_other() -> None:
    table = table_with()
    table.put(reminder(1), reminder(2))
    table.answer(table.step()[0], SILENCE)
    (second,) = table.step()
    heard(table, "77")
    assert table.statuses() == [(1, "uncertain")]
    table.answer(second, Accepted({1: "77"}))

    assert table.statuses() == [(1, "uncertain"), (2, "accepted"), (2, "delivered")]


def test_a_long_message_in_doubt_is_delivered_only_with_all_its_parts() -> None:
    table = table_with()
    table.put(reminder(1, segments=3))
    table.answer(table.step()[0], Unknown("silence", {1: "70"}))
    for message_id in ("70", "71"):
        heard(table, message_id)
    assert table.statuses() == [(1, "uncertain")]
    heard(table, "72")

    assert table.statuses() == [(1, "uncertain"), (1, "accepted"), (1, "delivered")]
    assert table.receipts[-1].message_ids == ["70", "71", "72"]


def test_what_was_tried_too_often_without_an_answer_has_not_failed() -> None:
    table = table_with("at_least_once", max_attempts=3)
    table.put(reminder(1))
    table.run(SILENCE, wait_ms=2_000)

    assert len(table.sent) == 3
    assert table.statuses() == [(1, "uncertain")]
    assert len(table.dead_letters) == 1


@pytest.mark.parametrize("outcome", [BUSY, WRONG])
def test_what_is_refused_after_an_attempt_without_an_answer_is_uncertain(outcome: Refused) -> None:
    table = table_with("at_least_once", max_attempts=3)
    table.put(reminder(1))
    table.answer(table.step()[0], SILENCE)
    table.restart()
    table.run(outcome, wait_ms=2_000)
    heard(table, "77")

    assert table.statuses() == [(1, "uncertain"), (1, "accepted"), (1, "delivered")]
    assert table.receipts[0].error_code == outcome.code


def test_what_expires_after_an_attempt_without_an_answer_is_uncertain() -> None:
    table = table_with("at_least_once")
    table.put(reminder(1))
    table.answer(table.step()[0], SILENCE)
    table.step(25 * 3_600_000)

    assert table.statuses() == [(1, "uncertain")]


def test_an_uncertain_message_is_forgotten_with_its_id() -> None:
    table = table_with()
    table.put(reminder(1))
    table.answer(table.step()[0], SILENCE)
    table.step(50 * 3_600_000)
    assert table.journal == {}
    heard(table, "77")

    assert table.statuses() == [(1, "uncertain")]


def accepted_in_parts(table: Table) -> None:
    table.put(reminder(1, segments=3))
    table.answer(table.step()[0], Accepted({1: "70", 2: "71", 3: "72"}))


def test_a_gateway_that_reports_the_last_part_alone_is_understood() -> None:
    table = table_with()
    accepted_in_parts(table)
    heard(table, "72")
    table.restart()
    table.step()
    table.step(LAST_PART_MS - 1)
    assert table.statuses() == [(1, "accepted")]
    table.step(1)

    assert table.statuses() == [(1, "accepted"), (1, "delivered")]


def test_a_gateway_that_reports_the_other_parts_is_waited_for() -> None:
    table = table_with()
    accepted_in_parts(table)
    heard(table, "72")
    heard(table, "70")
    table.step(10 * LAST_PART_MS)
    assert table.statuses() == [(1, "accepted")]
    heard(table, "71", "failed")

    assert table.statuses() == [(1, "accepted"), (1, "failed")]


@pytest.mark.parametrize(
    ("receipts", "told"), [("last_part", [(1, "delivered")]), ("every_part", [])]
)
def test_the_gateways_file_may_say_which_parts_are_reported(
    receipts: ReceiptsOf, told: list[tuple[int, str]]
) -> None:
    table = table_with(receipts=receipts)
    accepted_in_parts(table)
    heard(table, "72")
    table.step(10 * LAST_PART_MS)

    assert table.statuses() == [(1, "accepted"), *told]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_report_that_comes_once_more_settles_no_other_message_also_after_a_restart(
    restarts: bool,
) -> None:
    table = table_with()
    table.put(reminder(1), reminder(2))
    table.answer(table.step()[0], Accepted({1: "77"}))
    heard(table, "77", position=(0, 4))
    table.answer(table.step(10_000)[0], SILENCE)
    if restarts:
        table.restart()
        table.restart()
    heard(table, "77", position=(0, 5))  # the message center sends it once more
    assert table.statuses() == [(1, "accepted"), (1, "delivered"), (2, "uncertain")]
    heard(table, "79", position=(0, 6))
    assert table.statuses()[3:] == [(2, "accepted"), (2, "delivered")]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_report_of_another_part_of_a_failed_message_settles_no_other_message(
    restarts: bool,
) -> None:
    table = table_with()
    table.put(reminder(1, segments=2), reminder(2))
    table.answer(table.step()[0], Accepted({1: "71", 2: "72"}))
    heard(table, "71", "failed", position=(0, 4))
    table.answer(table.step(10_000)[0], SILENCE)
    if restarts:
        table.restart()
    heard(table, "72", position=(0, 5))
    assert table.statuses() == [(1, "accepted"), (1, "failed"), (2, "uncertain")]


def test_of_a_message_that_reports_settled_the_journal_keeps_its_ids_alone() -> None:
    table = table_with()
    table.put(reminder(1))
    table.answer(table.step()[0], Accepted({1: "77"}))
    heard(table, "77")
    entry = decode_entry(table.journal[f"{1:032x}"])
    assert entry == JournalEntry("settled", entry.forget_ms, "main", done={1: "77"})
    table.restart()
    table.restart()
    table.put(reminder(1))
    table.run()
    assert numbers(table.sent) == [1]
