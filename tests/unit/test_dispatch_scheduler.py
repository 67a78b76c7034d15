"""What the dispatcher promises, with a clock of the tests and no Kafka."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from streamproc.core.instants import from_ms
from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.breaker import Breaker
from streamproc.dispatch.journal import read_key
from streamproc.dispatch.lanes import Lane, default_lanes
from streamproc.dispatch.model import Accepted, DeliveryReport, ErrorClass, Refused, Unknown
from streamproc.dispatch.shaping import Shaper
from tests.support.scheduler import HASHES, START_MS, TOPIC, Table, line, numbers, reminder

TRANSIENT = Refused(ErrorClass.TRANSIENT, "ESME_RSYSERR")
PERMANENT = Refused(ErrorClass.PERMANENT, "ESME_RINVDSTADR")
THROTTLED = Refused(ErrorClass.THROTTLED, "ESME_RTHROTTLED")
UNREACHABLE = Refused(ErrorClass.UNREACHABLE, "not_bound")
LOST = Unknown("connection_lost")


def test_nothing_is_sent_before_its_intent_is_committed() -> None:
    table = Table()
    table.put(reminder(1))
    table.scheduler.take(table.now_ms)

    assert table.journal == {}
    (message,) = table.commit()
    assert b'"intent"' in table.journal[message.id]


def test_a_reminder_is_sent_once_however_often_its_record_comes() -> None:
    table = Table()
    table.put(reminder(1), reminder(1))
    table.run()
    table.put(reminder(1))
    table.run()
    table.positions.clear()  # offsets lost: the journal alone must know
    table.restart()
    table.run()

    assert numbers(table.sent) == [1]
    assert table.statuses() == [(1, "accepted")]


def test_a_crash_before_the_submit_or_after_it_is_uncertain_and_sent_no_more() -> None:
    table = Table()
    table.put(reminder(1))
    table.step()
    table.restart()
    table.run()

    assert numbers(table.sent) == [1]
    assert table.statuses() == [(1, "uncertain")]


def test_at_least_once_sends_again_after_a_crash() -> None:
    table = Table(line(on_unknown="at_least_once"))
    table.put(reminder(1))
    table.step()
    table.restart()
    table.run(wait_ms=2_000)

    assert numbers(table.sent) == [1, 1]
    assert table.statuses() == [(1, "accepted")]


@pytest.mark.parametrize(("mandatory", "sends"), [(True, 2), (False, 1)])
def test_the_policy_may_differ_for_mandatory_reminders(mandatory: bool, sends: int) -> None:
    table = Table(line(on_unknown_mandatory="at_least_once"))
    table.put(reminder(1, mandatory=mandatory))
    table.step()
    table.restart()
    table.run(wait_ms=2_000)

    assert len(table.sent) == sends


def test_an_idempotent_gateway_gets_the_repeat_and_no_other_gateway_does() -> None:
    table = Table(line("hook", idempotent=True), line("other"))
    table.put(reminder(1))
    table.answer(table.step()[0], LOST)
    table.router.set_up("hook", False, table.now_ms)
    assert table.run(wait_ms=20_000) == []
    table.router.set_up("hook", True, table.now_ms)
    (message,) = table.run(wait_ms=20_000)

    assert message.gateway == "hook"
    assert table.statuses() == [(1, "accepted")]


def test_an_unanswered_submit_is_uncertain_without_a_crash_too() -> None:
    table = Table()
    table.put(reminder(1))
    table.answer(table.step()[0], LOST)

    assert table.statuses() == [(1, "uncertain")]
    assert table.receipts[0].error_code == "connection_lost"
    assert table.positions[0, TOPIC] == 1


def test_a_restart_after_a_refusal_tries_again_with_the_attempts_counted() -> None:
    table = Table()
    table.put(reminder(1))
    table.answer(table.step()[0], TRANSIENT)
    table.restart()
    table.run(wait_ms=5_000)

    assert table.sent[-1].attempts == 2
    assert table.statuses() == [(1, "accepted")]


def test_positions_never_pass_an_unfinished_reminder() -> None:
    table = Table()
    table.put(reminder(1, "861380001"), reminder(2, "861380002"))
    first, second = table.step()
    table.answer(second)
    assert table.positions.get((0, TOPIC), 0) == 0
    table.answer(first)

    assert table.positions[0, TOPIC] == 2


def test_one_subscribers_messages_go_one_after_the_other() -> None:
    table = Table()
    table.put(reminder(1), reminder(2), reminder(3))
    (first,) = table.step()
    assert table.step(60_000) == []
    table.answer(first)

    assert numbers(table.run()) == [2, 3]


def test_a_retry_keeps_its_place_before_the_subscribers_later_messages() -> None:
    table = Table()
    table.put(reminder(1), reminder(2))
    table.answer(table.step()[0], TRANSIENT)
    assert table.step() == []

    assert numbers(table.run(wait_ms=2_000)) == [1, 2]


def test_low_balance_goes_before_a_thousand_summaries() -> None:
    table = Table(line(shaper=Shaper(10.0, 1, 1, START_MS)))
    table.put(*(reminder(n, f"86138{n:06}", "usage_summary") for n in range(1, 1001)))
    table.answer(table.step()[0])
    table.put(reminder(5000, "8613999"))
    gone = table.step(200)

    assert numbers(gone) == [5000]


def test_low_balance_overtakes_the_same_subscribers_summary_but_never_the_reverse() -> None:
    table = Table(line(shaper=Shaper(1000.0, 10, 1, START_MS)))
    table.put(reminder(9, "861380009", "usage_summary"))
    (busy,) = table.step()
    table.put(reminder(1, kind="usage_summary"), reminder(2), reminder(3, kind="usage_summary"))
    table.answer(busy)
    (urgent,) = table.step()
    assert numbers([urgent]) == [2]
    table.answer(urgent, TRANSIENT)
    gone = table.step()  # 1 came before 2: it need not wait for 2's retry; 3 must
    assert numbers(gone) == [1]
    table.answer(gone[0])
    assert table.step() == []

    assert numbers(table.run(wait_ms=2_000)) == [2, 3]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((Lane("urgent"), Lane("bulk")), default_lanes()),
        (default_lanes(), (Lane("urgent"), Lane("bulk"))),
    ],
)
def test_a_change_of_the_lanes_loses_nothing(
    before: tuple[Lane, ...], after: tuple[Lane, ...]
) -> None:
    """One is done; one waits in its lane, which the other lane's cursor has passed."""
    table = Table(line(shaper=Shaper(1000.0, 10, 1, START_MS)), lanes=before)
    table.put(reminder(1, "861380001"), reminder(2, "861380002"))
    table.answer(table.step()[0])
    table.lanes = after
    table.restart()
    table.run()
    table.run()

    assert sorted(numbers(table.sent)) == [1, 2]
    assert sorted(table.statuses()) == [(1, "accepted"), (2, "accepted")]


def test_mandatory_reminders_of_any_kind_are_urgent() -> None:
    table = Table(line(shaper=Shaper(10.0, 1, 1, START_MS)))
    table.put(
        reminder(1, "861380001", "usage_summary"),
        reminder(2, "861380002", "usage_summary", mandatory=True),
    )

    assert numbers(table.step()) == [2]


def test_the_rate_is_held_and_long_messages_cost_their_parts() -> None:
    table = Table(line(shaper=Shaper(10.0, 1, 100, START_MS)))
    table.put(*(reminder(n, f"86138{n:06}", segments=2) for n in range(1, 501)))
    for _ in range(1000):
        table.run(wait_ms=10)
        table.step(10)

    sent_parts = 2 * len(table.sent)
    seconds = (table.now_ms - START_MS) / 1000
    assert 0.9 * 10 * seconds <= sent_parts <= 10 * seconds + 2


def test_the_window_bounds_what_is_outstanding() -> None:
    table = Table(line(shaper=Shaper(1000.0, 1000, 3, START_MS)))
    table.put(*(reminder(n, f"86138{n:06}") for n in range(1, 11)))
    first = table.step()
    assert len(first) == 3
    assert table.step(60_000) == []
    table.answer(first[0])

    assert len(table.step()) == 1


def test_not_before_is_honoured_and_does_not_hold_up_what_is_due() -> None:
    table = Table()
    later = from_ms(START_MS + 3_600_000)
    table.put(reminder(1, not_before=later), reminder(2))
    assert numbers(table.run()) == [2]
    assert table.scheduler.queues.next_due_ms() == START_MS + 3_600_000
    assert table.step(3_599_999) == []

    assert numbers(table.step(1)) == [1]


def test_expired_reminders_are_dropped_with_a_receipt_wherever_they_wait() -> None:
    soon = from_ms(START_MS + 1_000)
    table = Table(line(shaper=Shaper(1000.0, 10, 1, START_MS)))
    table.put(reminder(1, "861380001"))
    table.step()
    table.put(reminder(2, "861380002", expires_time=soon))
    table.step(1_000)
    table.put(reminder(3, "861380003", expires_time=soon))
    table.step()

    assert numbers(table.sent) == [1]
    assert table.statuses() == [(2, "expired"), (3, "expired")]
    assert table.positions.get((0, TOPIC), 0) == 0  # the first is still out


def test_a_replay_of_the_past_expires_nothing_and_still_sends_once() -> None:
    table = Table(honour_expiry=False)
    table.now_ms += 90 * 86_400_000
    table.put(reminder(1))
    table.run()
    table.step(1_000)
    table.positions.clear()
    table.restart()
    table.run()

    assert numbers(table.sent) == [1]


def test_transient_errors_back_off_exponentially_and_end_as_dead_letters() -> None:
    table = Table(backoff=Backoff(base_ms=1_000, max_ms=8_000, max_attempts=5))
    table.put(reminder(1))
    times = []
    for _ in range(40_000 // 50):
        for message in table.step(50):
            times.append(table.now_ms)
            table.answer(message, TRANSIENT)
    waits = [later - earlier for earlier, later in pairwise(times)]

    assert len(times) == 5
    assert waits == sorted(waits)
    assert 700 <= waits[0] <= 1_000
    assert waits[2] >= 3_000
    (letter,) = table.dead_letters
    assert (letter.reason, letter.detail, letter.attempts) == ("transient", "ESME_RSYSERR", 5)
    assert table.statuses() == [(1, "failed")]


def test_jitter_spreads_the_retries() -> None:
    backoff = Backoff(base_ms=1_000)
    assert backoff.wait_ms(1, 0.0) == 500
    assert backoff.wait_ms(1, 0.999) > 990


def test_a_permanent_error_is_a_dead_letter_at_once_and_the_next_message_goes() -> None:
    table = Table()
    table.put(reminder(1), reminder(2))
    table.answer(table.step()[0], PERMANENT)

    assert numbers(table.run()) == [2]
    (letter,) = table.dead_letters
    assert letter.subscriber == "861********01"
    assert letter.reminder.offset == 0
    assert table.statuses() == [(1, "failed"), (2, "accepted")]


def test_a_throttled_gateway_gets_a_pause_that_grows_and_costs_no_attempt() -> None:
    table = Table(backoff=Backoff(max_attempts=2))
    table.put(reminder(1))
    times: list[int] = []
    while len(times) < 6:
        for message in table.step(10):
            times.append(table.now_ms)
            table.answer(message, THROTTLED)
    waits = [later - earlier for earlier, later in pairwise(times)]

    assert waits == sorted(waits)
    assert waits[-1] > 4 * waits[0]
    assert table.dead_letters == []
    while not table.step(10):
        pass
    table.answer(table.sent[-1])
    assert table.statuses() == [(1, "accepted")]


def test_retry_after_is_obeyed() -> None:
    table = Table()
    table.put(reminder(1))
    table.answer(table.step()[0], Refused(ErrorClass.THROTTLED, "429", retry_after_ms=7_000))

    assert table.step(6_999) == []
    assert len(table.step(1)) == 1


def test_a_failing_gateway_is_left_alone_and_the_next_one_takes_over() -> None:
    table = Table(line("first", breaker=Breaker(failures=3, open_ms=10_000)), line("second"))
    table.put(*(reminder(n, f"86138{n:06}") for n in range(1, 4)))
    for message in table.step():
        assert message.gateway == "first"
        table.answer(message, TRANSIENT)
    taken = table.run(wait_ms=1_000)

    assert {message.gateway for message in taken} == {"second"}
    table.now_ms += 10_000
    table.put(reminder(8, "8613888"), reminder(9, "8613999"))
    probe, other = table.step()
    assert (probe.gateway, other.gateway) == ("first", "second")  # one message tries
    table.answer(probe)
    table.put(reminder(10, "86138810"))
    assert table.step()[0].gateway == "first"


def test_a_failed_probe_doubles_the_pause() -> None:
    breaker = Breaker(failures=1, open_ms=1_000, max_open_ms=3_000)
    breaker.failed(0)
    waits = []
    now_ms = 0
    for _ in range(4):
        waits.append(breaker.open_until_ms - now_ms)
        now_ms = breaker.open_until_ms
        assert breaker.allows(now_ms)
        breaker.started()
        assert not breaker.allows(now_ms)
        breaker.failed(now_ms)

    assert waits == [1_000, 2_000, 3_000, 3_000]
    assert breaker.state == "open"


def test_a_permanent_error_says_nothing_against_the_gateway() -> None:
    table = Table(line("first", breaker=Breaker(failures=2)), line("second"))
    table.put(*(reminder(n, f"86138{n:06}") for n in range(1, 10)))
    for message in table.step():
        table.answer(message, PERMANENT)
    table.put(reminder(20, "8613820"))

    assert table.step()[0].gateway == "first"


def test_a_lost_connection_is_waited_for_a_moment_then_the_next_gateway_takes_over() -> None:
    table = Table(line("first"), line("second"))
    table.router.set_up("first", False, table.now_ms)
    table.put(reminder(1))
    assert table.step(4_999) == []

    (message,) = table.step(1)
    assert message.gateway == "second"


def test_an_unreachable_gateway_costs_no_attempt() -> None:
    table = Table(backoff=Backoff(max_attempts=1))
    table.put(reminder(1))
    table.answer(table.step()[0], UNREACHABLE)
    table.run(wait_ms=300)

    assert table.statuses() == [(1, "accepted")]
    assert table.receipts[0].attempts == 1


def test_accepted_parts_of_a_long_message_are_not_sent_again() -> None:
    table = Table(line(reports=True))
    table.put(reminder(1, segments=3))
    table.answer(table.step()[0], Refused(ErrorClass.TRANSIENT, "x", parts={1: "A1"}))
    table.restart()
    (again,) = table.step(2_000)
    assert again.parts == {1: "A1"}
    assert again.cost == 2
    table.answer(again, Accepted({2: "A2", 3: "A3"}))

    assert table.receipts[-1].message_ids == ["A1", "A2", "A3"]


def test_another_gateway_gets_all_parts_of_a_message_that_the_first_took_in_part() -> None:
    table = Table(line("first", breaker=Breaker(failures=1)), line("second"))
    table.put(reminder(1, segments=3))
    table.answer(table.step()[0], Refused(ErrorClass.TRANSIENT, "x", parts={1: "A1"}))
    (again,) = table.step(2_000)

    assert (again.gateway, again.parts) == ("second", {})


def test_being_throttled_is_no_failure_of_the_gateway() -> None:
    table = Table(line("first", breaker=Breaker(failures=1)), line("second"))
    table.put(reminder(1))
    table.answer(table.step()[0], THROTTLED)

    assert table.step() == []
    assert table.step(2_000)[0].gateway == "first"


def test_an_id_that_was_written_again_is_kept_from_then_on() -> None:
    table = Table(honour_expiry=False)
    table.now_ms += 30 * 86_400_000
    table.put(reminder(1))
    table.answer(table.step()[0], TRANSIENT)
    table.answer(table.step(2 * 3_600_000)[0])
    table.step(23 * 3_600_000)
    assert len(table.journal) == 1

    table.step(2 * 3_600_000)
    assert table.journal == {}


def _report(message_id: str, state: str = "delivered", **fields: str) -> DeliveryReport:
    peer = fields.get("peer", HASHES.of("8613800000001"))
    return DeliveryReport("main", message_id, state, "000", START_MS + 5_000, peer)  # type: ignore[arg-type]


def test_a_delivery_report_makes_a_receipt_with_the_time_from_the_event() -> None:
    table = Table(line(reports=True))
    table.put(reminder(1))
    table.answer(table.step(40)[0], Accepted({1: "77"}))
    table.scheduler.report(_report("77"), (0, 4), table.now_ms)
    table.commit()

    assert table.statuses() == [(1, "accepted"), (1, "delivered")]
    assert table.receipts[1].event_to_status_ms == 5_000
    assert table.receipts[0].event_to_status_ms == 40
    assert table.reports == {0: 5, read_key(0): 5}


def test_a_report_may_come_before_the_answer_to_its_submit() -> None:
    table = Table(line(reports=True))
    table.put(reminder(1))
    (message,) = table.step()
    table.scheduler.report(_report("77"), (0, 4), table.now_ms)
    assert table.scheduler.deliveries.positions() == {
        0: 4,
        read_key(0): 5,
    }  # to be read again after a crash
    table.answer(message, Accepted({1: "77"}))

    assert table.statuses() == [(1, "accepted"), (1, "delivered")]
    assert table.scheduler.deliveries.positions() == {0: 5, read_key(0): 5}


def test_a_report_after_a_restart_finds_its_message() -> None:
    table = Table(line(reports=True))
    table.put(reminder(1))
    table.answer(table.step()[0], Accepted({1: "77"}))
    table.restart()
    table.scheduler.report(_report("77", "failed"), (0, 4), table.now_ms)
    table.scheduler.report(_report("77", "failed"), (0, 5), table.now_ms)
    table.commit()

    assert table.statuses() == [(1, "accepted"), (1, "failed")]
    assert table.receipts[1].error_class == "undelivered"


def test_a_long_message_is_delivered_with_its_last_part() -> None:
    table = Table(line(reports=True))
    table.put(reminder(1, segments=2))
    table.answer(table.step()[0], Accepted({1: "A", 2: "B"}))
    table.scheduler.report(_report("B"), None, table.now_ms)
    table.commit()
    assert table.statuses() == [(1, "accepted")]
    table.restart()
    table.scheduler.report(_report("B"), None, table.now_ms)
    table.scheduler.report(_report("A", "enroute"), None, table.now_ms)
    table.scheduler.report(_report("A"), None, table.now_ms)
    table.commit()

    assert table.statuses() == [(1, "accepted"), (1, "delivered")]


@pytest.mark.parametrize(
    ("answered", "reported"),
    [("1A2B", "6699"), ("6699", "1a2b"), ("0001A2B", "1A2B"), ("006699", "6699"), ("AbC", "aBc")],
)
def test_ids_match_in_hexadecimal_and_decimal(answered: str, reported: str) -> None:
    table = Table(line(reports=True))
    table.put(reminder(1))
    table.answer(table.step()[0], Accepted({1: answered}))
    table.scheduler.report(_report(reported), None, table.now_ms)
    table.commit()

    assert table.statuses()[-1] == (1, "delivered")


@pytest.mark.parametrize("reported", ["0", "00", "7"])
def test_a_part_without_an_id_has_no_report(reported: str) -> None:
    """An id of zeros is one, and that of an error with some message centers."""
    table = Table(line(reports=True))
    table.put(reminder(1))
    table.answer(table.step()[0], Accepted({1: ""}))
    table.scheduler.report(_report(reported), None, table.now_ms)
    table.commit()
    assert table.statuses() == [(1, "accepted")]
    table.restart()
    table.scheduler.report(_report(reported), None, table.now_ms)
    table.commit()
    assert table.statuses() == [(1, "accepted")]


def test_a_converted_id_counts_only_for_the_same_number() -> None:
    table = Table(line(reports=True))
    table.put(reminder(1, "8613800000001"), reminder(2, "8613800000002"))
    first, second = table.step()
    table.answer(first, Accepted({1: "10"}))
    table.answer(second, Accepted({1: "16"}))  # 0x10 is 16
    table.scheduler.report(_report("16", peer=HASHES.of("+8613800000001")), None, table.now_ms)
    table.commit()

    assert table.statuses()[-1] == (1, "delivered")


def test_ids_are_forgotten_a_day_after_their_expiry_and_not_before() -> None:
    table = Table()
    table.put(reminder(1))
    table.run()
    table.step(47 * 3_600_000)
    assert len(table.journal) == 1
    table.step(2 * 3_600_000)

    assert table.journal == {}
    assert len(table.scheduler.ledgers[0]) == 0


def test_a_record_that_is_no_reminder_is_a_dead_letter_and_stops_nothing() -> None:
    table = Table()
    table.log.append((b'{"type":"reminder.requested","id":"8613800000001"}', ""))
    table.put(reminder(2))
    table.run()

    assert numbers(table.sent) == [2]
    (letter,) = table.dead_letters
    assert letter.reason == "contract_violation"
    assert "86138" not in letter.detail
    assert table.positions[0, TOPIC] == 2


def test_a_partition_that_goes_takes_its_messages_along() -> None:
    table = Table()
    table.put(reminder(1), reminder(2))
    (message,) = table.step()
    table.scheduler.close(0)
    table.scheduler.settle(message, Accepted(), table.now_ms)

    assert table.scheduler.queues.held == [0, 0]
    assert table.lines[0].shaper.outstanding == 0
    table.restart()  # the next owner
    table.run()
    assert numbers(table.sent) == [1, 2]
    assert table.statuses() == [(1, "uncertain"), (2, "accepted")]


def test_receipts_say_neither_text_nor_number() -> None:
    from streamproc.contracts.records.receipts import encode_receipt

    table = Table()
    table.put(reminder(1, text="secret text"))
    table.run()
    said = encode_receipt(table.receipts[0]) + b"".join(table.journal.values())

    assert b"secret" not in said
    assert b"8613800000001" not in said


def test_expiry_counts_from_the_reminder_even_after_many_retries() -> None:
    table = Table(backoff=Backoff(max_attempts=10_000, max_ms=1_000))
    table.put(reminder(1, expires_time=from_ms(START_MS) + timedelta(seconds=30)))
    while not table.receipts:
        for message in table.step(200):
            table.answer(message, TRANSIENT)

    assert len(table.sent) > 3
    assert table.statuses() == [(1, "expired")]
    assert table.now_ms - START_MS < 35_000
