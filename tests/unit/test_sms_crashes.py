"""A dispatcher that dies at any step of an incoming SMS: none is lost, none is a command twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from streamproc.contracts.records.codec import decode_event
from streamproc.core.state.events import SmsReceived
from streamproc.dispatch import sms_log
from streamproc.dispatch.gateways.base import SmsRefusedError
from streamproc.dispatch.model import IncomingPart, IncomingSms
from streamproc.dispatch.patience import Patience
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.smpp.confirming import Confirming
from streamproc.dispatch.sms_log import SmsLog
from streamproc.dispatch.sms_memory import CONFIRM_MS, Answering

START_MS = 1_767_225_600_000
STEPS = ("heard", "command", "taken", "answering", "answered")
"""The records of an SMS in the order in which they are written; the answer is sent before the last
one."""


class DiedError(Exception):
    """The process is gone."""


@dataclass
class Topics:
    """What all dispatchers write and read."""

    heard: list[bytes] = field(default_factory=list)
    commands: list[SmsReceived] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def texts(self) -> list[str]:
        """The commands, as workers take them: each id once."""
        return [one.text for one in {one.id: one for one in self.commands}.values()]


class Process:
    """The clients of one dispatcher, which dies at a write."""

    def __init__(self, topics: Topics, dies_at: str = "", is_written: bool = False) -> None:
        self._topics = topics
        self._dies_at = dies_at
        self._is_written = is_written
        self._is_dead = False
        self._read = 0

    def send(self, topic: str, key: bytes, value: bytes) -> Any:
        is_command = topic == DispatchSettings("").topics.commands
        step = "command" if is_command else value.split(b'"')[1].decode()
        is_last = step == self._dies_at
        if self._is_dead or (is_last and not self._is_written):
            self._is_dead = True
            raise DiedError
        with self._topics.changed:
            if is_command:
                event = decode_event(value, key)
                assert isinstance(event, SmsReceived)
                self._topics.commands.append(event)
            else:
                self._topics.heard.append(value)
            self._topics.changed.notify_all()
        if is_last:
            self._is_dead = True
            raise DiedError
        sent: Any = SimpleNamespace(add_errback=lambda _: None)
        sent.add_callback = lambda call: call(None)
        return sent

    def poll(self, timeout_ms: int) -> dict[str, list[Any]]:
        with self._topics.changed:
            self._topics.changed.wait_for(lambda: len(self._topics.heard) > self._read, 0.01)
            found = self._topics.heard[self._read :]
            self._read += len(found)
        return {"": [SimpleNamespace(value=one) for one in found]}

    def partitions_for_topic(self, _: str) -> set[int]:
        return {0}

    def assign(self, _: Any) -> None: ...

    def seek(self, *_: Any) -> None: ...

    def offsets_for_times(self, places: Any) -> Any:
        return dict.fromkeys(places)

    def end_offsets(self, places: Any) -> Any:
        return dict.fromkeys(places, 0)

    def close(self, timeout: float = 0) -> None: ...


class Clock:
    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


@asynccontextmanager
async def dispatcher(
    monkeypatch: pytest.MonkeyPatch, process: Process, clock: Clock
) -> AsyncIterator[SmsLog]:
    monkeypatch.setattr(sms_log, "kafka_producer", lambda *_, **__: process)
    monkeypatch.setattr(sms_log, "kafka_consumer", lambda *_, **__: process)
    patience = Patience("nowhere:1", lambda: 0.0)
    one = SmsLog(DispatchSettings("nowhere:1"), clock, {"main": "smpp"}, patience)
    await one.open()
    following = asyncio.create_task(one.follow())
    try:
        yield one
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await one.close()


class MessageCenter:
    """It sends an SMS again as long as no answer to it has arrived."""

    def __init__(self, has_names: bool) -> None:
        self._has_names = has_names
        self._sent = 0

    def sms(self, text: str, part: IncomingPart | None = None) -> IncomingSms:
        self._sent += 1
        identity = f"{self._sent:04x}" if self._has_names else ""
        return IncomingSms("main", "8613800000001", "10086", text, part, identity)


async def handed_over(one: SmsLog, sms: IncomingSms) -> None:
    await one.take(sms)
    await one.answered(sms)


@pytest.mark.parametrize("has_names", [False, True])
@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("dies_at", STEPS)
async def test_a_stop_is_neither_lost_nor_doubled(
    monkeypatch: pytest.MonkeyPatch, dies_at: str, is_written: bool, has_names: bool
) -> None:
    topics, clock, center = Topics(), Clock(), MessageCenter(has_names)
    stop = center.sms("STOP")
    has_answer = False
    async with dispatcher(monkeypatch, Process(topics, dies_at, is_written), clock) as first:
        with suppress(DiedError):
            await first.take(stop)
            has_answer = True
            await first.answered(stop)
    async with dispatcher(monkeypatch, Process(topics), clock) as second:
        clock.now_ms += 5_000
        if not has_answer:
            await handed_over(second, stop)
        await handed_over(second, center.sms("START"))
        clock.now_ms += CONFIRM_MS
        await handed_over(second, center.sms("STOP"))
    assert topics.texts() == ["STOP", "START", "STOP"]
    assert {one.source for one in topics.commands} == {"smpp:main"}


async def death_after_the_answer(
    monkeypatch: pytest.MonkeyPatch, topics: Topics, clock: Clock, sms: IncomingSms
) -> None:
    async with dispatcher(monkeypatch, Process(topics, "answered"), clock) as one:
        await one.take(sms)


@pytest.mark.parametrize("has_names", [False, True])
async def test_what_is_left_to_chance_without_names_of_sms(
    monkeypatch: pytest.MonkeyPatch, has_names: bool
) -> None:
    """A dispatcher that dies after its answer leaves the same bytes, whether the answer arrived or
    not. The same SMS then is a repetition or a new one, and nothing tells which."""
    came, clock, center = Topics(), Clock(), MessageCenter(has_names)
    stop = center.sms("STOP")
    await death_after_the_answer(monkeypatch, came, clock, stop)
    lost = Topics(list(came.heard), list(came.commands))
    clock.now_ms += CONFIRM_MS - 1
    async with dispatcher(monkeypatch, Process(came), clock) as one:
        await handed_over(one, center.sms("STOP"))
    clock.now_ms += 1
    async with dispatcher(monkeypatch, Process(lost), clock) as one:
        await handed_over(one, stop)
    # With names it is always right; without, a late repetition and an early new one are not.
    assert came.texts() == (["STOP", "STOP"] if has_names else ["STOP"])
    assert lost.texts() == (["STOP"] if has_names else ["STOP", "STOP"])


async def test_an_answer_that_may_be_lost_is_awaited_again_for_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topics, clock, center = Topics(), Clock(), MessageCenter(has_names=False)
    stop = center.sms("STOP")
    async with dispatcher(monkeypatch, Process(topics), clock) as one:
        await one.take(stop)
        await one.doubted(stop)
        clock.now_ms += 10 * CONFIRM_MS
        await handed_over(one, stop)
        await handed_over(one, center.sms("STOP"))
    assert topics.texts() == ["STOP", "STOP"]


async def test_an_sms_that_was_refused_though_its_answer_was_noted_is_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kafka takes too long for the last record before the answer, and takes it afterwards."""
    topics, clock = Topics(), Clock()
    stop = MessageCenter(has_names=False).sms("STOP")
    monkeypatch.setattr(sms_log, "LIMIT_S", 0.2)
    async with dispatcher(monkeypatch, Process(topics), clock) as one:
        append = one._append

        async def slow(record: Any, subscriber: str) -> None:
            await append(record, subscriber)
            if isinstance(record, Answering):
                await asyncio.sleep(1)  # it is about time: the limit is shorter

        monkeypatch.setattr(one, "_append", slow)
        with pytest.raises(SmsRefusedError):
            await one.take(stop)
        monkeypatch.setattr(one, "_append", append)
    clock.now_ms += 2 * CONFIRM_MS
    async with dispatcher(monkeypatch, Process(topics), clock) as one:
        await handed_over(one, stop)
    assert topics.texts() == ["STOP"]


async def test_parts_keep_their_names_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    topics, clock, center = Topics(), Clock(), MessageCenter(has_names=True)
    parts = [center.sms(text, IncomingPart(7, 2, number)) for number, text in ((1, "UN"), (2, "S"))]
    async with dispatcher(monkeypatch, Process(topics), clock) as one:
        for part in (*parts, parts[0], parts[1]):
            await handed_over(one, part)
        clock.now_ms += 1_000
        again = [center.sms(text, IncomingPart(7, 2, at)) for at, text in ((1, "UN"), (2, "S"))]
        for part in again:
            await handed_over(one, part)
    assert topics.texts() == ["UNS", "UNS"]


async def test_a_parameter_that_names_nothing_loses_no_sms(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator took another parameter for the name: each SMS has the same one."""
    topics, clock, texts = Topics(), Clock(), ["STOP", "START", "BALANCE"]
    async with dispatcher(monkeypatch, Process(topics), clock) as one:
        for text in texts:
            await handed_over(one, IncomingSms("main", "8613800000001", "10086", text, None, "01"))
    assert topics.texts() == texts


@pytest.mark.parametrize("proofs", [[True], [False, True], [False, False]])
async def test_each_answer_is_reported_as_arrived_or_as_doubtful(proofs: list[bool]) -> None:
    """A message center may answer an ``enquire_link`` late; the session ends with the last one."""
    reports: list[tuple[str, str]] = []
    closed, asked = asyncio.Event(), list(proofs)

    async def is_alive() -> bool:
        has_arrived = asked.pop(0)
        if not asked:
            closed.set()
        return has_arrived

    def report(how: str) -> Any:
        async def one(sms: IncomingSms) -> None:
            reports.append((how, sms.text))

        return one

    session: Any = SimpleNamespace(is_alive=is_alive, closed=closed)
    confirming = Confirming(session, report("arrived"), report("doubtful"))
    center = MessageCenter(has_names=False)
    for text in ("STOP", "START"):
        confirming.add(center.sms(text))
    await confirming.close()
    how = "arrived" if proofs[-1] else "doubtful"
    assert reports == [(how, "STOP"), (how, "START")]
