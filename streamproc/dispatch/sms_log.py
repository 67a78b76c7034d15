"""SMS of subscribers, from gateways to the topic of commands: each once, however often it arrives.

Each delivery is first written to the topic of incoming SMS, which all dispatchers read. So they
agree which SMS is a repetition, and which part completes an SMS (``sms_memory``). The dispatcher
that received the SMS, or its last part, then writes the command. It also writes that the answer is
sent next, and afterwards whether the answer has arrived. So a death at any point leaves a trace.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final
from uuid import uuid4

import msgspec
import structlog
from kafka import TopicPartition

from streamproc.contracts.records.codec import encode_event
from streamproc.core.instants import from_ms
from streamproc.core.state.events import SmsReceived
from streamproc.dispatch.gateways.base import SmsRefusedError
from streamproc.dispatch.model import IncomingSms
from streamproc.dispatch.patience import Patience
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.sms_memory import (
    LONGEST,
    REPEAT_MS,
    Answered,
    Answering,
    CommandWritten,
    Doubted,
    PartHeard,
    Record,
    SmsMemory,
    WholeSms,
    decode_record,
    heard_of,
    key_of,
    whole_characters,
)
from streamproc.kafka.clients import kafka_consumer, kafka_producer
from streamproc.kafka.durable import durable
from streamproc.supervision import one_thread, start_task

log = structlog.get_logger(__name__)

LIMIT_S: Final = 5.0
"""An SMS that cannot be written within this time is refused for now; the message center tries
again."""
UNDER_WAY_LIMIT: Final = 2_000
"""SMS that Kafka has not accepted yet; more are refused for now."""
POLL_MS: Final = 100
_SUBSCRIBER: Final = re.compile(r"[A-Za-z0-9][!-~]{2,63}")


class SmsLog:
    """Made and used on one event loop. Kafka's consumer has a thread of its own."""

    def __init__(
        self,
        settings: DispatchSettings,
        now_ms: Callable[[], int],
        kinds: Mapping[str, str],
        patience: Patience,
    ) -> None:
        """``kinds``: the kind of each gateway, by its name."""
        self._settings = settings
        self._now_ms = now_ms
        self._kinds = kinds
        self._patience = patience
        self._correcting: set[asyncio.Task[None]] = set()
        self._memory = SmsMemory()
        # Each task can wait for Kafka, and nothing else may wait for these tasks.
        self._reading = one_thread("sms-in")
        self._sending = one_thread("sms-out")
        self._me = uuid4().hex[:12]
        self._count = 0
        self._decisions: dict[str, asyncio.Future[WholeSms | None]] = {}
        self._writing: dict[str, asyncio.Task[None]] = {}
        self._consumer: Any = None
        self._producer: Any = None

    async def open(self) -> None:
        """Connect, and go to the start of the SMS of the last hour. Raises KafkaError."""
        self._producer = await asyncio.to_thread(
            kafka_producer,
            self._settings.broker,
            acks="all",
            linger_ms=0,
            # Records about one answer must keep their order, also when one is sent again.
            enable_idempotence=True,
        )
        await asyncio.get_running_loop().run_in_executor(self._reading, self._seek)

    async def follow(self) -> None:
        """Read the records of all dispatchers, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            found: list[bytes | None] = []
            async with self._patience.around("reading incoming SMS"):
                found = await loop.run_in_executor(self._reading, self._poll)
            for value in found:
                record = decode_record(value)
                if record is None:
                    log.warning("a record is not an incoming SMS; it is ignored")
                else:
                    self._fold(record)
            lost = self._memory.sweep(self._now_ms())
            if lost:
                log.warning(
                    "parts of SMS were dropped, because the other parts never came", parts=lost
                )

    async def take(self, sms: IncomingSms) -> None:
        """Returns when the SMS is a command, or when its part is stored: it is answered next.
        Afterwards call :meth:`answered` or :meth:`doubted`. Raises :class:`SmsRefusedError`."""
        if not _SUBSCRIBER.fullmatch(sms.subscriber):
            raise SmsRefusedError("its sender is not a subscriber", is_final=True)
        if len(sms.text) > LONGEST:
            raise SmsRefusedError(f"it is longer than {LONGEST} characters", is_final=True)
        if len(self._decisions) >= UNDER_WAY_LIMIT:
            raise SmsRefusedError("too many wait for Kafka", is_final=False)
        # The write continues after the limit: a repetition then finds it.
        work = start_task(self._take(sms), "an SMS")
        work.add_done_callback(lambda done: done.cancelled() or done.exception())
        heard = heard_of(sms, "", 0)
        is_answering = False
        try:
            async with asyncio.timeout(LIMIT_S):
                await asyncio.shield(work)
                is_answering = True
                answering = Answering(key_of(heard), heard.number, self._now_ms())
                await self._append(answering, sms.subscriber)
        except BaseException as error:
            if is_answering:
                # It is not accepted now, although the record about its answer may be written yet.
                correcting = start_task(self._correct(sms), "correcting an SMS", lambda _: None)
                self._correcting.add(correcting)
                correcting.add_done_callback(self._correcting.discard)
            if isinstance(error, TimeoutError):
                why = f"Kafka did not take it within {LIMIT_S:g} s"
                raise SmsRefusedError(why, is_final=False) from None
            raise

    async def answered(self, sms: IncomingSms) -> None:
        """The answer has arrived: the same SMS is a new one from now on."""
        heard = heard_of(sms, "", 0)
        await self._append(Answered(key_of(heard), heard.number), sms.subscriber)

    async def doubted(self, sms: IncomingSms) -> None:
        """The answer may be lost: the same SMS is a repetition within the hour."""
        heard = heard_of(sms, "", 0)
        await self._append(Doubted(key_of(heard), heard.number), sms.subscriber)

    async def close(self) -> None:
        if self._correcting:
            await asyncio.wait(self._correcting, timeout=LIMIT_S)
        unfinished = [*self._writing.values(), *self._correcting]
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if self._consumer is not None:
            await asyncio.get_running_loop().run_in_executor(self._reading, self._consumer.close)
        if self._producer is not None:
            await asyncio.to_thread(self._producer.close, timeout=5)
        self._reading.shutdown(wait=False, cancel_futures=True)
        self._sending.shutdown(wait=False, cancel_futures=True)

    async def _take(self, sms: IncomingSms) -> None:
        self._count += 1
        nonce = f"{self._me}-{self._count}"
        decision: asyncio.Future[WholeSms | None] = asyncio.get_running_loop().create_future()
        self._decisions[nonce] = decision
        try:
            await self._append(heard_of(sms, nonce, self._now_ms()), sms.subscriber)
            command = await decision
        finally:
            del self._decisions[nonce]
        if command is not None and not command.is_taken:
            await self._command(sms, command)

    async def _command(self, sms: IncomingSms, command: WholeSms) -> None:
        """Write a command, once even if the SMS arrives again meanwhile."""
        task = self._writing.get(command.id)
        if task is None:
            task = start_task(self._write(sms, command), "a command")
            self._writing[command.id] = task
            task.add_done_callback(lambda _: self._writing.pop(command.id, None))
        await asyncio.shield(task)

    async def _write(self, sms: IncomingSms, command: WholeSms) -> None:
        whole = command.text or whole_characters(sms.text)
        if len(whole) > LONGEST:
            raise SmsRefusedError(f"it is longer than {LONGEST} characters", is_final=True)
        event = SmsReceived(
            id=command.id,
            source=f"{self._kinds.get(sms.gateway, 'gateway')}:{sms.gateway}",
            subscriber=sms.subscriber,
            time=from_ms(command.time_ms),
            text=whole,
        )
        await self._send(self._settings.topics.commands, sms.subscriber, encode_event(event))
        with suppress(Exception):  # then a repetition is written again, and the worker knows its id
            await self._append(CommandWritten(command.key, command.id), sms.subscriber)

    async def _correct(self, sms: IncomingSms) -> None:
        with suppress(Exception):  # Kafka does not take the other record either
            await self.doubted(sms)

    async def _append(self, record: Record, subscriber: str) -> None:
        value = msgspec.json.encode(record)
        await self._send(self._settings.topics.incoming_sms, subscriber, value)

    async def _send(self, topic: str, key: str, value: bytes) -> None:
        """Write a record; returns when it is durable. Raises KafkaError."""
        send = partial(self._producer.send, topic, key=key.encode(), value=value)
        sent = await asyncio.get_running_loop().run_in_executor(self._sending, send)
        await durable(sent)

    def _fold(self, record: Record) -> None:
        if isinstance(record, PartHeard):
            command = self._memory.hear(record)
            decision = self._decisions.get(record.nonce)
            if decision is not None and not decision.done():
                decision.set_result(command)
        elif isinstance(record, CommandWritten):
            self._memory.take(record)
        else:
            self._memory.answer(record)

    def _seek(self) -> None:
        self._consumer = kafka_consumer(
            self._settings.broker, enable_auto_commit=False, fetch_max_wait_ms=POLL_MS
        )
        topic = self._settings.topics.incoming_sms
        numbers = self._consumer.partitions_for_topic(topic) or {0}
        places = [TopicPartition(topic, number) for number in sorted(numbers)]
        self._consumer.assign(places)
        since_ms = self._now_ms() - REPEAT_MS
        found = self._consumer.offsets_for_times(dict.fromkeys(places, since_ms))
        ends = self._consumer.end_offsets(places)
        for place in places:
            self._consumer.seek(place, found[place].offset if found.get(place) else ends[place])

    def _poll(self) -> list[bytes | None]:
        found = self._consumer.poll(timeout_ms=POLL_MS)
        return [record.value for records in found.values() for record in records]
