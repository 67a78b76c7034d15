"""A broker that is frozen or away for minutes: the dispatcher goes on with what it knows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest import mock

import pytest
from kafka.errors import (
    FencedInstanceIdError,
    InvalidProducerEpochError,
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
)

from streamproc.dispatch import owner as owner_module
from streamproc.dispatch import partition_journal, patience
from streamproc.dispatch.journal import JournalContent
from streamproc.dispatch.ledger import JournalTransaction
from streamproc.dispatch.model import Accepted, Outcome, Unknown
from streamproc.dispatch.owner import JournalOwner
from streamproc.dispatch.partition_journal import (
    DispatcherFencedError,
    JournalLostError,
    PartitionJournal,
)
from streamproc.dispatch.patience import MOST_FAILURES, Patience
from streamproc.dispatch.progress import DispatchProgress
from streamproc.dispatch.runner import Runner
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.sms_log import SmsLog
from streamproc.dispatch.statistics import ReceiptTally
from tests.support.scheduler import TOPIC, Table, line, reminder
from tests.support.waiting import until

TIMED_OUT = KafkaError("Could not execute transactional request: Request timed out")


class Producer:
    """A transactional producer. ``commit``: why it cannot commit; ``abort``: why not abort."""

    now = 0.0
    """Seconds; a broker that is frozen turns the clock."""

    def __init__(self, commit: Exception, abort: Exception | None, seconds: float = 0.0) -> None:
        self._commit, self._abort, self._seconds = commit, abort, seconds

    def begin_transaction(self) -> None: ...

    def flush(self, timeout: float | None = None) -> None: ...

    def commit_transaction(self) -> None:
        self.now += self._seconds
        raise self._commit

    def abort_transaction(self) -> None:
        if self._abort is not None:
            raise self._abort


@pytest.mark.parametrize(
    ("producer", "error"),
    [
        (Producer(TIMED_OUT, TIMED_OUT), JournalLostError),
        (Producer(TIMED_OUT, None), KafkaError),
        (Producer(InvalidProducerEpochError(), None), DispatcherFencedError),
        # The broker takes the id from a transaction that lasts too long: nobody else has it.
        (Producer(InvalidProducerEpochError(), None, 20.0), JournalLostError),
        (Producer(InvalidProducerEpochError(), None, 19.9), DispatcherFencedError),
        (Producer(TIMED_OUT, InvalidProducerEpochError(), 20.0), JournalLostError),
    ],
)
def test_a_commit_that_a_silent_broker_spoiled_is_told_from_a_successor(
    monkeypatch: pytest.MonkeyPatch, producer: Producer, error: type[Exception]
) -> None:
    clock = f"{partition_journal.__name__}.time.monotonic"
    monkeypatch.setattr(clock, lambda: producer.now)
    journal = PartitionJournal(DispatchSettings(mock.Mock()), ("urgent",), 0)
    journal._producer = producer
    with pytest.raises(error) as raised:
        journal.commit(JournalTransaction())
    assert type(raised.value) is error


class Lost:
    """A journal whose commits fail as those of a broker that was frozen."""

    def __init__(self, *_: Any) -> None:
        pass

    def open(self) -> None: ...

    def load(self) -> JournalContent:
        return JournalContent()

    def commit(self, batch: JournalTransaction) -> None:
        raise JournalLostError("timed out")

    def close(self) -> None: ...


async def test_a_journal_that_cannot_be_written_is_opened_again_by_the_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner_module, "PartitionJournal", Lost)
    table = Table()
    table.scheduler.close(0)
    asked = mock.Mock()
    settings: Any = DispatchSettings(mock.Mock())
    observer, send, wake = mock.Mock(), mock.Mock(), mock.Mock()
    tally, progress = ReceiptTally(), DispatchProgress()
    owner = JournalOwner(
        settings, table.scheduler, tally, observer, send, wake, lambda: 0, progress, asked
    )

    async def seek(partition: int) -> dict[tuple[int, str], int]:
        return {(0, TOPIC): 0, (1, TOPIC): 0}

    await owner.open(0, seek)
    table.put(reminder(1))
    table.scheduler.take(table.now_ms)
    owner.commit_soon()
    await until(lambda: asked.called)

    assert table.scheduler.ledgers == {}
    assert not owner.broken.done(), "the process goes on"
    assert table.lines[0].shaper.outstanding == 0, "no place in the window is lost"


def reopened(table: Table) -> None:
    """The partition is lost and assigned to this process again, with what was committed."""
    table.scheduler.close(0)
    table.open(0)
    table.commit()


@pytest.mark.parametrize("was_written", [False, True])
def test_an_intent_that_was_not_released_is_not_in_doubt_when_it_is_found(
    was_written: bool,
) -> None:
    """Nobody knows whether the batch was written, but this process knows that it sent nothing."""
    table = Table(line(reports=True))
    table.put(reminder(1))
    table.scheduler.take(table.now_ms)
    batch = table.scheduler.take_batch(0)
    assert batch is not None
    if was_written:
        table.journal.update({key: value or b"" for key, value in batch.entries.items()})
    table.scheduler.abandon(batch)
    reopened(table)
    (message,) = table.step(1_000)
    table.answer(message, Accepted({1: "77"}))

    assert table.statuses() == [(1, "accepted")]
    assert table.receipts[0].attempts == 1


@pytest.mark.parametrize(
    ("outcome", "statuses"),
    [(Accepted({1: "77"}), ["accepted"]), (Unknown("silence"), ["uncertain"])],
)
def test_an_answer_that_could_not_be_written_is_known_when_the_partition_is_opened_again(
    outcome: Outcome, statuses: list[str]
) -> None:
    table = Table(line(reports=True))
    table.put(reminder(1))
    (message,) = table.step()
    table.scheduler.settle(message, outcome, table.now_ms)
    reopened(table)

    assert table.statuses() == [(1, one) for one in statuses]
    assert len(table.sent) == 1


def test_an_answer_that_comes_after_the_partition_was_opened_again_settles_the_message() -> None:
    table = Table(line(reports=True))
    table.put(reminder(1))
    (message,) = table.step()
    reopened(table)
    assert table.statuses() == [(1, "uncertain")]
    table.scheduler.settle(message, Accepted({1: "77"}), table.now_ms)
    table.commit()

    assert table.statuses() == [(1, "uncertain"), (1, "accepted")]


def test_an_answer_of_an_earlier_attempt_says_nothing_of_a_later_one() -> None:
    """Another process sent it again meanwhile, and died."""
    table = Table(line(reports=True))
    table.put(reminder(1))
    (message,) = table.step()
    table.scheduler.settle(message, Accepted({1: "77"}), table.now_ms)
    written = table.journal[message.id]
    assert b'"sent_ms":1767225600000' in written
    table.journal[message.id] = written.replace(
        b'"sent_ms":1767225600000', b'"sent_ms":1767225609999'
    )
    reopened(table)

    assert table.statuses() == [(1, "uncertain")]


class Readers:
    """Polls that fail as often as a test says, after they have delivered something."""

    def __init__(self, errors: Iterator[Exception | None]) -> None:
        self.assigned: deque[int] = deque()
        self._errors = errors
        self.polls = 0
        self.asked = 0

    def poll(self, held: list[int]) -> Iterator[tuple[tuple[int, str], Any]]:
        self.polls += 1
        yield (0, TOPIC), self.polls
        error = next(self._errors, None)
        if error is not None:
            raise error

    def ask_again(self) -> None:
        self.asked += 1


@pytest.fixture
async def runner(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runner]:
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.0)
    watch = mock.Mock(silence=mock.Mock(seconds=0.0))
    made = Runner(DispatchSettings(mock.Mock()), Table().scheduler, {}, lambda: 0, watch)
    yield made
    for pool in (made._reading, made._hearing):
        pool.shutdown()


def offered_by(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, errors: Iterator[Exception | None]
) -> tuple[Readers, list[int]]:
    readers = Readers(errors)
    runner._readers = readers  # type: ignore[assignment]
    offered: list[int] = []
    monkeypatch.setattr(runner, "_offer", lambda _, record: offered.append(record))
    return readers, offered


async def test_a_failed_poll_is_tried_again_and_loses_nothing(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter([KafkaTimeoutError(), KafkaTimeoutError(), None, None])
    _, offered = offered_by(runner, monkeypatch, errors)
    reading = asyncio.create_task(runner._read())
    await until(lambda: len(offered) >= 4)
    runner._ending = True
    await reading

    assert offered == list(range(1, len(offered) + 1))


@pytest.mark.parametrize(
    ("error", "polls"),
    [
        (FencedInstanceIdError(), 1),
        (TopicAuthorizationFailedError({"reminders"}), 1),
        (KafkaTimeoutError(), MOST_FAILURES + 1),
    ],
)
async def test_what_waiting_does_not_mend_ends_the_dispatcher(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, error: Exception, polls: int
) -> None:
    readers, _ = offered_by(runner, monkeypatch, iter([error] * 99))
    with pytest.raises(type(error)):
        await runner._read()
    assert readers.polls == polls


async def test_a_failed_poll_of_incoming_sms_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.0)
    settings = DispatchSettings(mock.Mock())
    log = SmsLog(settings, lambda: 0, {}, Patience(settings.broker, lambda: 0.0))
    polls = mock.Mock(side_effect=[KafkaTimeoutError(), [], TopicAuthorizationFailedError({"sms"})])
    monkeypatch.setattr(log, "_poll", polls)
    with pytest.raises(TopicAuthorizationFailedError):
        await log.follow()
    await log.close()
    assert polls.call_count == 3


async def test_failures_while_the_broker_is_silent_do_not_add_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.0)
    waiting = Patience(mock.Mock(), lambda: 7.0)
    for _ in range(2 * MOST_FAILURES):
        async with waiting.around("reading") as failed:
            raise KafkaTimeoutError
        assert len(failed) == 1


async def test_a_partition_that_cannot_be_opened_is_asked_for_again(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be another dispatcher's by now, so the group decides."""
    readers, _ = offered_by(runner, monkeypatch, iter(()))
    readers.assigned.append(0)
    monkeypatch.setattr(runner, "_open_partition", mock.AsyncMock(side_effect=KafkaTimeoutError()))
    reading = asyncio.create_task(runner._read())
    await until(lambda: readers.asked)
    runner._ending = True
    await reading

    assert readers.asked == 1
