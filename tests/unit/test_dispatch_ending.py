"""A dispatcher that is told to stop ends in time, whatever Kafka and its gateways do."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from streamproc.cli import steering
from streamproc.contracts.records.codec import encode_effect
from streamproc.dispatch import owner as owner_module
from streamproc.dispatch import runner as runner_module
from streamproc.dispatch.gateways.base import SmsRefusedError
from streamproc.dispatch.journal import JournalContent
from streamproc.dispatch.ledger import JournalTransaction
from streamproc.dispatch.owner import JournalOwner
from streamproc.dispatch.progress import DispatchProgress
from streamproc.dispatch.runner import Runner
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.statistics import ReceiptTally
from streamproc.tools.replay.pace import Control
from tests.support.scheduler import TOPIC, Table, reminder
from tests.support.waiting import until
from tests.unit.test_tracing_context import PARENT

LIMIT_SECONDS = 0.05


class Journal:
    """The journal of a partition, whose commits do what a test says."""

    free = threading.Event()
    error: BaseException | None = None
    commits = 0

    def __init__(self, *_: Any) -> None:
        pass

    def open(self) -> None:
        pass

    def load(self) -> JournalContent:
        return JournalContent()

    def commit(self, batch: JournalTransaction) -> None:
        type(self).commits += 1
        if self.error is not None:
            raise self.error
        self.free.wait()

    def close(self) -> None:
        pass


@pytest.fixture
async def owned(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[JournalOwner, Table]]:
    monkeypatch.setattr(owner_module, "PartitionJournal", Journal)
    monkeypatch.setattr(owner_module, "LAST_COMMIT_S", LIMIT_SECONDS)
    monkeypatch.setattr(Journal, "error", None)
    monkeypatch.setattr(Journal, "commits", 0)
    Journal.free.clear()
    table = Table()
    table.scheduler.close(0)
    settings: Any = DispatchSettings(mock.Mock())
    owner = JournalOwner(
        settings,
        table.scheduler,
        ReceiptTally(),
        mock.Mock(),
        mock.Mock(),
        mock.Mock(),
        lambda: 0,
        DispatchProgress(),
    )

    async def seek(partition: int) -> dict[tuple[int, str], int]:
        return {(0, TOPIC): 0, (1, TOPIC): 0}

    await owner.open(0, seek)
    yield owner, table
    Journal.free.set()


def one_to_send(table: Table) -> None:
    table.put(reminder(1))
    table.scheduler.take(table.now_ms)


@pytest.mark.parametrize("error", [MessageSizeTooLargeError(), KafkaTimeoutError(), None])
async def test_a_commit_that_never_succeeds_does_not_hold_up_the_end(
    owned: tuple[JournalOwner, Table], monkeypatch: pytest.MonkeyPatch, error: BaseException | None
) -> None:
    owner, table = owned
    monkeypatch.setattr(Journal, "error", error)
    one_to_send(table)
    owner.commit_soon()
    await until(lambda: Journal.commits)
    async with asyncio.timeout(2.0):
        await owner.give_back([0], LIMIT_SECONDS)

    assert table.scheduler.ledgers == {}
    await until(lambda: table.lines[0].shaper.outstanding == 0)  # no place in the window is lost


async def test_an_error_of_a_commit_that_nobody_expects_ends_the_process(
    owned: tuple[JournalOwner, Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, table = owned
    monkeypatch.setattr(Journal, "error", ValueError("a record that cannot be written"))
    one_to_send(table)
    owner.commit_soon()

    with pytest.raises(ValueError, match="cannot be written"):
        await asyncio.wait_for(owner.broken, 5.0)


async def test_a_stop_during_the_start_is_heard_and_no_gateway_holds_it_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kafka does not answer yet, and one gateway's end takes for ever."""
    waiting, free = threading.Event(), threading.Event()

    def never(*_: Any) -> None:
        waiting.set()
        free.wait()

    monkeypatch.setattr(runner_module, "ReportsWriter", never)
    monkeypatch.setattr(runner_module, "CLOSE_S", LIMIT_SECONDS)
    gateway = mock.Mock(close=asyncio.Event().wait)
    runner = Runner(
        DispatchSettings(mock.Mock()), Table().scheduler, {"main": gateway}, lambda: 0, mock.Mock()
    )
    stop = asyncio.Event()
    running = asyncio.create_task(runner.run(stop))
    await until(waiting.is_set)
    stop.set()
    async with asyncio.timeout(2.0):
        await running
    free.set()


async def test_sms_and_receipts_that_come_during_the_end_stay_with_the_message_center() -> None:
    gateway = mock.Mock(close=mock.AsyncMock())
    runner = Runner(
        DispatchSettings(mock.Mock()), Table().scheduler, {"main": gateway}, lambda: 0, mock.Mock()
    )
    runner._incoming = mock.AsyncMock()
    runner._reports_out = mock.AsyncMock()
    events = runner._events("main")
    runner._ending = True
    for take in (events.sms, events.report):
        with pytest.raises(SmsRefusedError, match="the dispatcher ends") as refused:
            await take(mock.Mock())
        assert not refused.value.is_final


@pytest.mark.parametrize(
    ("headers", "resend"),
    [
        ([("resend", b"3-12")], "3-12"),
        ([("resend", b"9" * 900_000)], ""),
        ([("resend", "3-١".encode())], ""),
        ([("resend", None)], ""),
        (None, ""),
    ],
)
@pytest.mark.parametrize("time_ms", [-1, 0, 2**62])
async def test_odd_headers_and_times_of_a_reminder_are_left_out(
    headers: Any, resend: str, time_ms: int
) -> None:
    table = Table()
    runner = Runner(DispatchSettings(mock.Mock()), table.scheduler, {}, lambda: 0, mock.Mock())
    value = encode_effect(reminder(1))
    record = mock.Mock(
        topic=TOPIC, partition=0, offset=0, timestamp=time_ms, headers=headers, value=value
    )
    runner._offer((0, TOPIC), record)
    messages = list(table.scheduler.ledgers[0].messages.values())
    for message in table.step() if not resend else ():
        table.answer(message)  # makes a receipt with the time
    assert [one.id.partition("~")[2] for one in messages] == ([resend] if resend else [""])


async def test_a_message_has_the_trace_of_its_reminder() -> None:
    table = Table()
    runner = Runner(DispatchSettings(mock.Mock()), table.scheduler, {}, lambda: 0, mock.Mock())
    for offset, headers in enumerate([[("traceparent", PARENT), ("resend", b"3-12")], []]):
        record = mock.Mock(
            topic=TOPIC,
            partition=0,
            offset=offset,
            timestamp=0,
            headers=headers,
            value=encode_effect(reminder(offset)),
        )
        runner._offer((0, TOPIC), record)
    messages = table.scheduler.ledgers[0].messages.values()
    assert [one.trace for one in messages] == [(("traceparent", PARENT),), ()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_replay_or_a_watched_folder_that_is_told_to_stop_ends_in_time_too(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    hard_end = mock.Mock()
    monkeypatch.setattr(steering, "HardEnd", hard_end)
    control = Control()
    with steering.steered(control, keys=False):
        os.kill(os.getpid(), number)

    assert control.stopping
    hard_end.return_value.begin.assert_called_once_with()


BLOCKED = """
import sys, time
from streamproc import hard_end
from streamproc.supervision import one_thread
hard_end.STOP_LIMIT_SECONDS = 0.1
hard_end.LAST_WORDS_SECONDS = 0.1
end = hard_end.HardEnd("program", lambda: time.sleep(60))  # a full pipe
one_thread("blocked").submit(time.sleep, 60)  # the interpreter waits for it when it ends
end.begin()
time.sleep(0.05)  # the thread counts now
end.begin()
"""


def test_an_end_that_blocks_is_cut_off_also_when_nobody_reads_the_log() -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", BLOCKED], check=False, timeout=30)

    assert done.returncode == 70
    assert time.monotonic() - began < 10


def test_a_thread_of_a_library_does_not_hold_up_the_end_of_a_process_that_is_done() -> None:
    code = """
import threading, time
from streamproc import hard_end
hard_end.INTERPRETER_SECONDS = 0
end = hard_end.HardEnd("dispatcher")
end.begin()
end.done()
threading.Thread(target=time.sleep, args=(60,)).start()
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0
