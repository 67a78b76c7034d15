"""One SMPP session: bound as transceiver, answering, keeping the link alive."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import smpp34
import structlog

from streamproc.dispatch.smpp import pdu
from streamproc.dispatch.smpp.errors import name_of
from streamproc.errors import StreamprocError

log = structlog.get_logger(__name__)

Handler = Callable[["smpp34.DeliverSm"], Awaitable[int]]
"""Takes a ``deliver_sm`` and returns its status; it is acknowledged only then."""


class NotSentError(StreamprocError, ConnectionError):
    """The PDU was certainly not written."""


class NoAnswerError(StreamprocError, ConnectionError):
    """The PDU was written, at least in part, and no answer came."""


class BindError(StreamprocError, ConnectionError):
    """The message center does not let us in; the message says why."""


@dataclass(frozen=True)
class SessionSettings:
    """Where and as whom; times in seconds."""

    host: str
    port: int
    system_id: str
    password: str
    system_type: str = ""
    tls: bool = False
    connect_seconds: float = 10.0
    response_seconds: float = 10.0
    enquire_seconds: float = 30.0


class Session:
    """Made by :meth:`open`; ends once, then another must be opened."""

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
        self._waiting: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        self._handling: set[asyncio.Task[None]] = set()
        self._heard = asyncio.get_running_loop().time()
        self.closed = asyncio.Event()
        self.reason = ""

    @classmethod
    async def open(cls, settings: SessionSettings, handler: Handler) -> Session:
        """Connect and bind. Raises :class:`BindError` or OSError (TimeoutError is one)."""
        context = ssl.create_default_context() if settings.tls else None
        async with asyncio.timeout(settings.connect_seconds):
            reader, writer = await asyncio.open_connection(
                settings.host, settings.port, ssl=context
            )
        session = cls(settings, reader, writer, handler)
        session._start(session._read())
        body = pdu.bind_body(settings.system_id, settings.password, settings.system_type)
        try:
            status, _ = await session._ask(pdu.BIND_TRANSCEIVER, body, settings.connect_seconds)
        except ConnectionError as error:
            session._end("the bind was not answered")
            raise BindError("the bind was not answered") from error
        if status != pdu.OK:
            session._end("the bind was refused")
            raise BindError(f"the bind was refused: {name_of(status)}")
        session._start(session._keep_alive())
        return session

    async def submit(self, build: Callable[[int], bytes]) -> tuple[int, str]:
        """Send what ``build`` makes of a sequence number; returns status and message id.

        Raises :class:`NotSentError` or :class:`NoAnswerError`, and nothing else.
        """
        status, body = await self._send(build, self._settings.response_seconds)
        return status, pdu.first_string(body)

    async def close(self) -> None:
        """Unbind politely and disconnect."""
        if not self.closed.is_set():
            with suppress(ConnectionError):  # we go anyway
                await self._ask(pdu.UNBIND, b"", 1.0)
            self._end("unbound")
        for task in self._handling:
            task.cancel()
        await asyncio.gather(*self._handling, return_exceptions=True)

    async def _ask(self, command: int, body: bytes, limit_seconds: float) -> tuple[int, bytes]:
        return await self._send(lambda number: pdu.encode(command, number, body), limit_seconds)

    async def _send(self, build: Callable[[int], bytes], limit_seconds: float) -> tuple[int, bytes]:
        if self.closed.is_set():
            raise NotSentError(self.reason)
        self._sequence = self._sequence % 0x7FFFFFFF + 1
        sequence = self._sequence
        data = build(sequence)
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = answer
        try:
            self._writer.write(data)
            async with asyncio.timeout(limit_seconds):
                await self._writer.drain()
                return await answer
        except TimeoutError:
            raise NoAnswerError(f"no answer within {limit_seconds:g} s") from None
        except NoAnswerError:
            raise
        except OSError as error:
            self._end(f"connection lost: {type(error).__name__}")
            raise NoAnswerError(self.reason) from None
        finally:
            self._waiting.pop(sequence, None)

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(pdu.HEADER_BYTES)
                length, command, status, sequence = pdu.header(head)
                if not pdu.HEADER_BYTES <= length <= pdu.MAX_PDU_BYTES:
                    self._end(f"a PDU claims to have {length} bytes")
                    return
                body = await self._reader.readexactly(length - pdu.HEADER_BYTES)
                self._heard = asyncio.get_running_loop().time()
                if self._take(command, status, sequence, head + body):
                    return
        except (asyncio.IncompleteReadError, OSError) as error:
            self._end(f"connection lost: {type(error).__name__}")

    def _take(self, command: int, status: int, sequence: int, data: bytes) -> bool:
        """Handle one PDU; True ends the session."""
        if command & 0x80000000:
            answer = self._waiting.get(sequence)
            if answer is not None and not answer.done():
                answer.set_result((status, data[pdu.HEADER_BYTES :]))
            return False
        if command == pdu.DELIVER_SM:
            self._start(self._deliver(sequence, data))
        elif command == pdu.ENQUIRE_LINK:
            self._writer.write(pdu.encode(pdu.ENQUIRE_LINK_RESP, sequence))
        elif command == pdu.UNBIND:
            self._writer.write(pdu.encode(pdu.UNBIND_RESP, sequence))
            self._end("the message center unbound")
            return True
        else:
            refusal = pdu.encode(pdu.GENERIC_NACK, sequence, status=pdu.INVALID_COMMAND)
            self._writer.write(refusal)
        return False

    async def _deliver(self, sequence: int, data: bytes) -> None:
        try:
            message = smpp34.decode(data)
            assert isinstance(message, smpp34.DeliverSm)
            status = await self._handler(message)
        except smpp34.SmppError as error:
            log.warning("a deliver_sm could not be read", error=str(error))
            status = pdu.OK  # it would not become readable by being sent again
        if not self.closed.is_set():
            self._writer.write(pdu.encode(pdu.DELIVER_SM_RESP, sequence, b"\0", status))

    async def _keep_alive(self) -> None:
        """Ask for a sign of life after silence; without an answer the session is over."""
        every = self._settings.enquire_seconds
        while not self.closed.is_set():
            silent = asyncio.get_running_loop().time() - self._heard
            if silent < every:
                await asyncio.sleep(every - silent)
                continue
            try:
                await self._ask(pdu.ENQUIRE_LINK, b"", self._settings.response_seconds)
            except ConnectionError:
                self._end("enquire_link was not answered")

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    def _end(self, reason: str) -> None:
        if self.closed.is_set():
            return
        self.reason = reason
        self.closed.set()
        self._writer.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(NoAnswerError(reason))
