"""One SMPP session: bound, answering, keeping the link alive."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import structlog

from streamproc.dispatch.peer_lines import Sparing
from streamproc.dispatch.smpp import pdu
from streamproc.dispatch.smpp.errors import name_of
from streamproc.dispatch.smpp.inbound import Inbound, UnreadableError, read
from streamproc.errors import StreamprocError
from streamproc.supervision import start_task

log = structlog.get_logger(__name__)

Handler = Callable[[Inbound, "Session"], Awaitable[int]]
"""Handles a request of a message center and returns its status. It is acknowledged only then."""
Answer = asyncio.Future[tuple[int, bytes]]
"""Status and body of a response. It fails with :class:`NoAnswerError` if the session ends first."""
Bind = Literal["transceiver", "transmitter", "receiver"]
_BINDS: Final[dict[Bind, int]] = {
    "transceiver": pdu.BIND_TRANSCEIVER,
    "transmitter": pdu.BIND_TRANSMITTER,
    "receiver": pdu.BIND_RECEIVER,
}

UNANSWERED_LIMIT: Final = 10_000
"""Requests without an answer that a session remembers. Answers to older ones settle nothing."""
HANDLING_LIMIT: Final = 200
"""Requests of message centers in progress. More are refused for now."""
UNREAD_LIMIT: Final = 64 * 1024
"""Bytes that the message center has not read. If there are more, its requests are not read."""
TURN_PDUS: Final = 64
"""After so many PDUs other tasks have their turn, also if more have arrived."""
ABORT_SECONDS: Final = 5.0
"""How long an ended connection may still send what is written."""


class NotSentError(StreamprocError, ConnectionError):
    """The PDU was certainly not written."""


class NoAnswerError(StreamprocError, ConnectionError):
    """The PDU was written, at least a part of it, and no answer came."""


class BindError(StreamprocError, ConnectionError):
    """The message center refused the bind; the message says why."""


@dataclass(frozen=True)
class SessionSettings:
    """Address, account and times of a session; times in seconds."""

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    tls: ssl.SSLContext | None = None
    connect_seconds: float = 10.0
    response_seconds: float = 10.0
    enquire_seconds: float = 30.0
    unbind_seconds: float = 10.0
    """How long to wait for answers when the message center unbinds."""


class Session:
    """Made by :meth:`open`. It ends once; then another one must be opened."""

    def __init__(
        self,
        settings: SessionSettings,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handler: Handler,
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._sequence = 0
        self._waiting: dict[int, tuple[int, Answer]] = {}
        """Command and answer of each request, by sequence number."""
        self._handling: set[asyncio.Task[None]] = set()
        self._delivering = 0
        self._done = asyncio.Event()
        """Set when one more request is answered, by either side."""
        self._heard = asyncio.get_running_loop().time()
        self._tell = Sparing(message_center=f"{settings.host}:{settings.port}")
        self.leaving = asyncio.Event()
        """Nothing new may be sent: the message center unbinds, or the session is over."""
        self.closed = asyncio.Event()
        self.reason = ""

    @classmethod
    async def open(
        cls, settings: SessionSettings, handler: Handler, bind: Bind = "transceiver"
    ) -> Session:
        """Connect and bind. Raises :class:`BindError` or OSError (TimeoutError is one)."""
        body = pdu.bind_body(settings.system_id, settings.password, settings.system_type)
        async with asyncio.timeout(settings.connect_seconds):
            reader, writer = await asyncio.open_connection(
                settings.host, settings.port, ssl=settings.tls
            )
        session = cls(settings, reader, writer, handler)
        session._start(session._read())
        try:
            status, _ = await session._ask(_BINDS[bind], body, settings.connect_seconds)
        except ConnectionError as error:
            session._end("the bind was not answered")
            raise BindError("the bind was not answered") from error
        except asyncio.CancelledError:
            session._end("stopped")
            raise
        if status != pdu.OK:
            session._end("the bind was refused")
            raise BindError(f"the bind was refused: {name_of(status)}")
        session._start(session._keep_alive())
        return session

    def submit(self, build: Callable[[int], bytes]) -> Answer:
        """Send the PDU that ``build`` makes for a sequence number; returns the future of its
        answer.

        Raises :class:`NotSentError`. The future fails only with :class:`NoAnswerError`.
        """
        if self.leaving.is_set():
            raise NotSentError(self.reason)
        return self._send(pdu.SUBMIT_SM, build)

    async def is_alive(self) -> bool:
        """Whether an ``enquire_link`` is answered: then everything written before has arrived."""
        try:
            await self._ask(pdu.ENQUIRE_LINK, b"", self._settings.response_seconds)
        except ConnectionError:
            return False
        return True

    async def close(self) -> None:
        """Unbind politely and disconnect."""
        if not self.closed.is_set():
            with suppress(ConnectionError):  # the session ends anyway
                await self._ask(pdu.UNBIND, b"", 1.0)
            self._end("unbound")
        for task in self._handling:
            task.cancel()
        await asyncio.gather(*self._handling, return_exceptions=True)

    async def _ask(self, command: int, body: bytes, limit_seconds: float) -> tuple[int, bytes]:
        """Send a request and wait. Raises :class:`NoAnswerError` if the time or the session is
        over."""
        if self.closed.is_set():
            raise NoAnswerError(self.reason)
        answer = self._send(command, lambda number: pdu.encode(command, number, body))
        try:
            async with asyncio.timeout(limit_seconds):
                return await answer
        except TimeoutError:
            raise NoAnswerError(f"no answer within {limit_seconds:g} s") from None

    def _send(self, command: int, build: Callable[[int], bytes]) -> Answer:
        sequence = self._sequence = self._sequence % 0x7FFFFFFF + 1
        data = build(sequence)
        answer: Answer = asyncio.get_running_loop().create_future()

        def settled(done: Answer) -> None:
            self._waiting.pop(sequence, None)
            self._done.set()
            if not done.cancelled():
                done.exception()  # nobody may wait for it any more, and asyncio would complain

        answer.add_done_callback(settled)
        self._waiting[sequence] = command, answer
        if len(self._waiting) > UNANSWERED_LIMIT:
            _, oldest = self._waiting.pop(next(iter(self._waiting)))
            if not oldest.done():
                oldest.set_exception(NoAnswerError("too many submits without an answer"))
        self._writer.write(data)
        return answer

    async def _read(self) -> None:
        count = 0
        try:
            while True:
                head = await self._reader.readexactly(pdu.HEADER_BYTES)
                length, command, status, sequence = pdu.header(head)
                if not pdu.HEADER_BYTES <= length <= pdu.MAX_PDU_BYTES:
                    self._end(f"a PDU claims to have {length} bytes")
                    return
                body = await self._reader.readexactly(length - pdu.HEADER_BYTES)
                self._heard = asyncio.get_running_loop().time()
                if self.closed.is_set():
                    return  # nobody is answered any more
                self._take(command, status, sequence, head + body)
                await self._until_read()
                count += 1
                if count % TURN_PDUS == 0:
                    await asyncio.sleep(0)
        except TimeoutError:
            self._end("the message center does not read what is sent to it")
        except (asyncio.IncompleteReadError, OSError) as error:
            self._end(f"connection lost: {type(error).__name__}")

    async def _until_read(self) -> None:
        """A message center that does not read its answers may not ask more. Raises TimeoutError."""
        if self._writer.transport.get_write_buffer_size() > UNREAD_LIMIT:
            async with asyncio.timeout(self._settings.response_seconds):
                await self._writer.drain()

    def _take(self, command: int, status: int, sequence: int, data: bytes) -> None:
        """Handle one PDU."""
        if command & pdu.RESPONSE:
            self._settle(command, status, sequence, data[pdu.HEADER_BYTES :])
        elif command in pdu.NAMES:
            if self._delivering < HANDLING_LIMIT:
                self._delivering += 1
                self._start(self._deliver(command, sequence, data))
            else:
                self._tell.warn("requests of the message center are refused for now: too many")
                self._acknowledge(command, sequence, pdu.TRY_AGAIN)
        elif command == pdu.ENQUIRE_LINK:
            self._writer.write(pdu.encode(command | pdu.RESPONSE, sequence))
        elif command == pdu.UNBIND:
            if not self.leaving.is_set():
                self.reason = "the message center unbinds"
                self.leaving.set()
                self._start(self._leave(sequence))
        elif command == pdu.ALERT_NOTIFICATION:
            # This request has no answer.
            log.debug("the message center reports that a phone is available again")
        else:
            refusal = pdu.encode(pdu.GENERIC_NACK, sequence, status=pdu.INVALID_COMMAND)
            self._writer.write(refusal)

    def _settle(self, command: int, status: int, sequence: int, body: bytes) -> None:
        """An answer. One to no request, or of another command, settles nothing."""
        asked, answer = self._waiting.get(sequence, (0, None))
        if answer is None or answer.done():
            if command == pdu.GENERIC_NACK:
                self._tell.warn(
                    "the message center could not read a PDU of ours", status=name_of(status)
                )
            return
        if command not in (asked | pdu.RESPONSE, pdu.GENERIC_NACK):
            self._tell.warn(
                "an answer of the message center is ignored: it is of another command",
                command=f"{command:#010x}",
                request=f"{asked:#010x}",
            )
            return
        if command == pdu.GENERIC_NACK and status == pdu.OK:
            status = pdu.UNKNOWN_ERROR  # it says that the request was not taken
        answer.set_result((status, body))

    async def _deliver(self, command: int, sequence: int, data: bytes) -> None:
        try:
            status = await self._handler(read(data), self)
        except UnreadableError as error:
            self._tell.warn(
                "a request of the message center was refused, because it cannot be read",
                reason=str(error),
            )
            status = pdu.NEVER
        finally:
            self._delivering -= 1
            self._done.set()
        self._acknowledge(command, sequence, status)

    def _acknowledge(self, command: int, sequence: int, status: int) -> None:
        if not self.closed.is_set():
            self._writer.write(pdu.encode(command | pdu.RESPONSE, sequence, b"\0", status))

    async def _leave(self, sequence: int) -> None:
        """The message center unbinds: send nothing new, wait for messages in progress, then agree.

        A message without an answer by then is unknown, as after a lost connection.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.unbind_seconds):
                while self._waiting or self._delivering:
                    self._done.clear()
                    await self._done.wait()
        if not self.closed.is_set():
            self._writer.write(pdu.encode(pdu.UNBIND | pdu.RESPONSE, sequence))
            with suppress(OSError):
                await self._writer.drain()
        self._end("the message center unbound")

    async def _keep_alive(self) -> None:
        """Send an ``enquire_link`` after silence. If nothing comes, the session is over."""
        every = self._settings.enquire_seconds
        loop = asyncio.get_running_loop()
        while not self.closed.is_set():
            silent = loop.time() - self._heard
            if silent < every:
                await asyncio.sleep(every - silent)
                continue
            asked = loop.time()
            # A message center that answers slowly and in order is alive.
            if not await self.is_alive() and self._heard < asked:
                self._end("enquire_link was not answered")

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        # Without one of its tasks a session would look alive and do nothing.
        task = start_task(work, "SMPP session", lambda error: self._end(f"failed: {error!r}"))
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    def _end(self, reason: str) -> None:
        if self.closed.is_set():
            return
        self.reason = reason
        self.leaving.set()
        self.closed.set()
        self._writer.close()
        loop = asyncio.get_running_loop()
        loop.call_later(ABORT_SECONDS, self._writer.transport.abort)
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(NoAnswerError(reason))
