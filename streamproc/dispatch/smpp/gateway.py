"""Sends through a message center (SMSC) by SMPP 3.4; receipts and subscribers' SMS come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Literal

import structlog

from streamproc.core.instants import to_ms
from streamproc.core.state.effects import Reminder
from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.gateways.base import Events, SmsRefusedError
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    IncomingSms,
    Outcome,
    Outgoing,
    Refused,
    Unknown,
    UnsendableError,
)
from streamproc.dispatch.peer_lines import Sparing
from streamproc.dispatch.smpp import pdu
from streamproc.dispatch.smpp.addresses import Addressing
from streamproc.dispatch.smpp.confirming import Confirming
from streamproc.dispatch.smpp.errors import class_of, name_of
from streamproc.dispatch.smpp.inbound import Inbound, text_of
from streamproc.dispatch.smpp.pdus import MessageError, ShortMessage, encode_submit
from streamproc.dispatch.smpp.receipt import is_receipt, missing_fact, parse_receipt
from streamproc.dispatch.smpp.session import (
    Answer,
    Bind,
    NoAnswerError,
    NotSentError,
    Session,
    SessionSettings,
)
from streamproc.dispatch.smpp.text import SmsPart, TextForm, count_parts, split
from streamproc.supervision import start_task

log = structlog.get_logger(__name__)

FINAL_RECEIPT = 1
LONGEST_VALIDITY_S = 14 * 86_400
LASTING_SECONDS = 10.0
"""A session that ended sooner counts as a failure to connect."""
BindMode = Literal["transceiver", "transmitter_receiver", "transmitter"]
_SESSIONS: dict[BindMode, tuple[Bind, ...]] = {
    "transceiver": ("transceiver",),
    "transmitter_receiver": ("transmitter", "receiver"),
    "transmitter": ("transmitter",),
}


@dataclass(frozen=True)
class SmppSettings:
    """Sessions, and the form of their messages."""

    session: SessionSettings
    source: str
    """Sender: a number, a short code, or up to 11 letters and digits."""
    reconnect: Backoff
    bind: BindMode = "transceiver"
    late_seconds: float = 120.0
    """How long to wait for an answer while the session is alive; then the result is unknown."""
    form: TextForm = field(default_factory=TextForm)
    addressing: Addressing = field(default_factory=Addressing)
    takes_sms: bool = True
    identity_parameter: int | None = None
    """The optional parameter in which the message center names each SMS of a subscriber."""


class SmppGateway:
    """Keeps its sessions bound. A message is sent part by part, each after the answer to the one
    before."""

    idempotent = False
    reports = True

    def __init__(self, name: str, settings: SmppSettings, chance: Callable[[], float]) -> None:
        self._name = name
        self._settings = settings
        self._chance = chance
        self._sessions: dict[Bind, Session] = {}
        self._events: Events | None = None
        self._keepers: list[asyncio.Task[None]] = []
        self._confirming: dict[Session, Confirming] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._tell = Sparing(gateway=name)

    @property
    def takes_sms(self) -> bool:
        """Whether SMS of subscribers can come."""
        return self._settings.takes_sms and self._settings.bind != "transmitter"

    def parts_of(self, reminder: Reminder) -> int:
        """How many submits a reminder needs."""
        return count_parts(reminder.text, self._settings.form)

    async def start(self, events: Events) -> None:
        self._events = events
        events.up(False)
        for bind in _SESSIONS[self._settings.bind]:
            work = self._keep_bound(bind, events)
            self._keepers.append(start_task(work, f"sessions of {self._name}", lambda _: None))

    async def send(self, message: Outgoing) -> Outcome:
        session, events = self._sessions.get(self._sender), self._events
        if session is None or events is None:
            return Refused(ErrorClass.UNREACHABLE, "not_bound")
        taken: dict[int, str] = {}
        try:
            parts = split(message.reminder.text, self._reference(message), self._settings.form)
        except UnsendableError as error:
            return Refused(ErrorClass.PERMANENT, error.code)
        for part in parts:
            if part.number in message.parts:
                continue
            now_ms = events.now_ms()
            try:
                answer = session.submit(builder(self._settings, message, part, now_ms))
            except NotSentError:
                return Refused(ErrorClass.UNREACHABLE, "not_bound", taken)
            except MessageError:
                return Refused(ErrorClass.PERMANENT, "cannot_be_written", taken)
            try:
                status, body = await self._answer_to(answer, events)
            except NoAnswerError as error:
                return Unknown(str(error), taken)
            except TimeoutError:
                rest = len(parts) - len(message.parts.keys() | taken.keys()) - 1
                self._settle_late(answer, message, part.number, rest)
                return Unknown(f"no answer within {self._settings.late_seconds:g} s", taken)
            if status != pdu.OK:
                return Refused(class_of(status), name_of(status), taken)
            taken[part.number] = pdu.message_id(body)
            if not taken[part.number].strip():
                self._tell.warn("a message was accepted without an id, so its receipt is unknown")
        return Accepted(taken)

    async def close(self) -> None:
        for task in self._keepers:
            task.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        ends: list[Confirming | Session] = [*self._confirming.values(), *self._sessions.values()]
        await asyncio.gather(*(one.close() for one in ends), *self._ending)
        self._sessions.clear()

    @property
    def _sender(self) -> Bind:
        """The session that submits."""
        return _SESSIONS[self._settings.bind][0]

    def _reference(self, message: Outgoing) -> int:
        is_narrow = self._settings.form.long_texts == "udh"
        return reference_of(message.reminder.id, 1 if is_narrow else 2)

    async def _answer_to(self, answer: Answer, events: Events) -> tuple[int, bytes]:
        """The answer, also if it is late. Raises :class:`NoAnswerError` if the session ends first,
        and TimeoutError if it is too late to wait any longer."""
        soon = self._settings.session.response_seconds
        done, _ = await asyncio.wait({answer}, timeout=soon)
        if not done:
            events.overdue()
            later = max(self._settings.late_seconds - soon, 0.0)
            done, _ = await asyncio.wait({answer}, timeout=later)
        if not done:
            raise TimeoutError
        return await answer

    def _settle_late(self, answer: Answer, message: Outgoing, number: int, rest: int) -> None:
        """Let an answer settle the message even now, as long as the session is alive."""
        events = self._events
        assert events is not None

        def come(done: Answer) -> None:
            if done.cancelled() or done.exception() is not None:
                return  # the session ended, so the result stays unknown
            status, body = done.result()
            if status != pdu.OK:
                events.late(message, Refused(class_of(status), name_of(status)))
                return
            taken = {number: pdu.message_id(body)}
            if rest:
                events.late(message, Refused(ErrorClass.UNREACHABLE, "rest_not_sent", taken))
            else:
                events.late(message, Accepted(taken))

        answer.add_done_callback(come)

    async def _keep_bound(self, bind: Bind, events: Events) -> None:
        """One session after the other, for ever: whatever goes wrong, the gateway comes back."""
        failures, clock = 0, asyncio.get_running_loop().time
        while True:
            began, event = clock(), "the session ended; connecting again"
            try:
                reason = await self._one_session(bind, events)
                # A message center that ends each session soon is not asked at full speed.
                failures = 0 if clock() - began >= LASTING_SECONDS else failures + 1
            except Exception as error:
                event = "no session with the message center"
                reason = str(error) or type(error).__name__
                failures += 1
            wait_ms = self._settings.reconnect.wait_ms(failures, self._chance()) if failures else 0
            tell = log.warning if failures <= 1 else log.debug
            tell(event, gateway=self._name, bind=bind, reason=reason, next_try_ms=wait_ms)
            await asyncio.sleep(wait_ms / 1000)

    async def _one_session(self, bind: Bind, events: Events) -> str:
        """Open a session; returns why it ended. Raises OSError if there was none."""
        session = await Session.open(self._settings.session, self._heard, bind)
        confirming = Confirming(session, events.answered, events.doubted)
        self._sessions[bind], self._confirming[session] = session, confirming
        try:
            log.info("bound to the message center", gateway=self._name, bind=bind)
            if bind == self._sender:
                events.up(True)
            await session.leaving.wait()
            if bind == self._sender:
                events.up(False)
            await session.closed.wait()
        finally:
            if session.closed.is_set():
                del self._sessions[bind], self._confirming[session]
                # It writes which answers may be lost, and the next session does not wait for that.
                ending = start_task(confirming.close(), "confirming SMS", lambda _: None)
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
        return session.reason

    async def _heard(self, message: Inbound, session: Session) -> int:
        """Store a receipt or an SMS; it is acknowledged only when it is durable."""
        events = self._events
        assert events is not None
        facts = message.esm_class, message.body, message.parameters
        receipt = parse_receipt(*facts)
        if receipt is not None:
            peer = events.peer_of(message.source.digits)
            known = (receipt.message_id, receipt.state, receipt.code, events.now_ms(), peer)
            return await self._kept(events.report(DeliveryReport(self._name, *known)))
        if is_receipt(*facts):
            self._tell.warn("a receipt is ignored", reason=missing_fact(*facts))
            return pdu.OK
        if not self._settings.takes_sms:
            self._tell.warn("an SMS was refused, because incoming_sms is refuse")
            return pdu.NEVER
        written = text_of(message, self._settings.form.alphabet)
        sms = IncomingSms(
            self._name,
            self._settings.addressing.subscriber(message.source),
            message.destination.digits,
            written.text,
            written.joint,
            self._identity(message),
        )
        status = await self._kept(events.sms(sms))
        if status == pdu.OK:
            confirming = self._confirming.get(session)
            if confirming is not None:
                confirming.add(sms)
        return status

    def _identity(self, message: Inbound) -> str:
        tag = self._settings.identity_parameter
        return "" if tag is None else message.parameters.get(tag, b"").hex()

    async def _kept(self, keeping: Awaitable[None]) -> int:
        """Store something, and return the status: it is acknowledged only when it is durable."""
        try:
            await keeping
        except SmsRefusedError as error:
            self._tell.warn("an SMS of a subscriber was refused", reason=str(error))
            return pdu.NEVER if error.is_final else pdu.TRY_AGAIN
        except Exception as error:
            self._tell.warn(
                "an SMS or receipt was not acknowledged, so that the message center sends it again",
                reason=str(error) or type(error).__name__,
            )
            return pdu.TRY_AGAIN
        return pdu.OK


def reference_of(reminder_id: str, octets: int = 1) -> int:
    """The concatenation reference: the same each time that a reminder is sent."""
    return int.from_bytes(blake2b(reminder_id.encode(), digest_size=octets).digest(), "big")


def validity_period(valid_ms: int) -> str:
    """Relative time of SMPP 3.4 (7.1.1.2), in whole seconds, at least one."""
    left = min(max(valid_ms // 1000, 1), LONGEST_VALIDITY_S)
    days, left = divmod(left, 86_400)
    hours, left = divmod(left, 3_600)
    minutes, seconds = divmod(left, 60)
    return f"0000{days:02}{hours:02}{minutes:02}{seconds:02}000R"


def builder(
    settings: SmppSettings, message: Outgoing, part: SmsPart, now_ms: int
) -> Callable[[int], bytes]:
    """Makes the PDU of a part for a sequence number, which raises :class:`MessageError` if SMPP has
    no room for the message."""
    written = ShortMessage(
        settings.addressing.source(settings.source),
        settings.addressing.destination(message.subscriber),
        part.short_message,
        esm_class=part.esm_class,
        data_coding=part.data_coding,
        validity_period=validity_period(to_ms(message.reminder.expires_time) - now_ms),
        registered_delivery=FINAL_RECEIPT,
        parameters=part.parameters,
    )
    return partial(encode_submit, written)
