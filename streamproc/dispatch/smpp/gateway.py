"""Sends through a message center (SMSC) by SMPP 3.4; receipts and subscribers' SMS come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

import smpp34
import structlog

from streamproc.core.instants import to_ms
from streamproc.core.state.effects import Reminder
from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.gateways.base import Events, SmsRefusedError
from streamproc.dispatch.matching import peer_hash
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    IncomingSms,
    Outcome,
    Outgoing,
    Refused,
    Unknown,
)
from streamproc.dispatch.smpp import pdu
from streamproc.dispatch.smpp.addresses import Addressing
from streamproc.dispatch.smpp.errors import class_of, name_of
from streamproc.dispatch.smpp.inbound import Inbound, text_of
from streamproc.dispatch.smpp.receipt import is_receipt, parse_receipt
from streamproc.dispatch.smpp.session import (
    Answer,
    Bind,
    NoAnswerError,
    NotSentError,
    Session,
    SessionSettings,
)
from streamproc.dispatch.smpp.text import SmsPart, TextForm, count_parts, split

log = structlog.get_logger(__name__)

FINAL_RECEIPT = 1
LONGEST_VALIDITY_S = 14 * 86_400
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
        self._confirming: set[asyncio.Task[None]] = set()

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
            self._keepers.append(asyncio.create_task(self._keep_bound(bind, events)))

    async def send(self, message: Outgoing) -> Outcome:
        session, events = self._sessions.get(self._sender), self._events
        if session is None or events is None:
            return Refused(ErrorClass.UNREACHABLE, "not_bound")
        taken: dict[int, str] = {}
        parts = split(message.reminder.text, self._reference(message), self._settings.form)
        for part in parts:
            if part.number in message.parts:
                continue
            now_ms = events.now_ms()
            try:
                answer = session.submit(_builder(self._settings, message, part, now_ms))
            except NotSentError:
                return Refused(ErrorClass.UNREACHABLE, "not_bound", taken)
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
        return Accepted(taken)

    async def close(self) -> None:
        for task in (*self._keepers, *self._confirming):
            task.cancel()
        await asyncio.gather(*self._keepers, *self._confirming, return_exceptions=True)
        for session in self._sessions.values():
            await session.close()
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
        failures = 0
        is_sender = bind == self._sender
        while True:
            try:
                session = await Session.open(self._settings.session, self._heard, bind)
            except OSError as error:
                failures += 1
                wait_ms = self._settings.reconnect.wait_ms(failures, self._chance())
                tell = log.warning if failures == 1 else log.debug
                tell(
                    "no session with the message center",
                    gateway=self._name,
                    bind=bind,
                    reason=str(error) or type(error).__name__,
                    next_try_ms=wait_ms,
                )
                await asyncio.sleep(wait_ms / 1000)
                continue
            failures = 0
            self._sessions[bind] = session
            log.info("bound to the message center", gateway=self._name, bind=bind)
            if is_sender:
                events.up(True)
            await session.leaving.wait()
            if is_sender:
                events.up(False)
            await session.closed.wait()
            del self._sessions[bind]
            log.warning(
                "the session ended; connecting again",
                gateway=self._name,
                bind=bind,
                reason=session.reason,
            )

    async def _heard(self, message: Inbound, session: Session) -> int:
        """Store a receipt or an SMS; it is acknowledged only when it is durable."""
        events = self._events
        assert events is not None
        facts = message.esm_class, message.body, message.parameters
        receipt = parse_receipt(*facts)
        if receipt is not None:
            peer = peer_hash(message.source.digits)
            known = (receipt.message_id, receipt.state, receipt.code, events.now_ms(), peer)
            return await self._kept(events.report(DeliveryReport(self._name, *known)))
        if is_receipt(*facts):
            log.warning("a receipt names no message; it is ignored", gateway=self._name)
            return pdu.OK
        if not self._settings.takes_sms:
            log.warning("an SMS was refused, because incoming_sms is refuse", gateway=self._name)
            return pdu.NEVER
        written = text_of(message, self._settings.form.alphabet)
        sms = IncomingSms(
            self._name,
            self._settings.addressing.subscriber(message.source),
            message.destination.digits,
            written.text,
            written.joint,
        )
        status = await self._kept(events.sms(sms))
        if status == pdu.OK:
            self._confirm(session, sms, events)
        return status

    async def _kept(self, keeping: Awaitable[None]) -> int:
        """Store something, and return the status: it is acknowledged only when it is durable."""
        try:
            await keeping
        except SmsRefusedError as error:
            log.warning("an SMS of a subscriber was refused", gateway=self._name, reason=str(error))
            return pdu.NEVER if error.is_final else pdu.TRY_AGAIN
        except Exception as error:
            log.warning(
                "an SMS or receipt was not acknowledged, so that the message center sends it again",
                gateway=self._name,
                reason=str(error) or type(error).__name__,
            )
            return pdu.TRY_AGAIN
        return pdu.OK

    def _confirm(self, session: Session, sms: IncomingSms, events: Events) -> None:
        """Report when the answer to an SMS has certainly arrived: the same SMS is a new one from
        then on.

        An ``enquire_link`` that is written after the answer, and that is answered, proves it.
        """

        async def ask() -> None:
            await asyncio.sleep(0)  # the answer is written after the handler has returned
            if await session.is_alive():
                # Then the same SMS within the hour counts as a repetition.
                with suppress(Exception):
                    await events.answered(sms)

        task = asyncio.create_task(ask())
        self._confirming.add(task)
        task.add_done_callback(self._confirming.discard)


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


def _builder(
    settings: SmppSettings, message: Outgoing, part: SmsPart, now_ms: int
) -> Callable[[int], bytes]:
    source = settings.addressing.source(settings.source)
    destination = settings.addressing.destination(message.subscriber)

    def build(sequence: int) -> bytes:
        return bytes(
            smpp34.SubmitSm(
                source.digits,
                destination.digits,
                part.short_message,
                source_addr_ton=source.ton,
                source_addr_npi=source.npi,
                dest_addr_ton=destination.ton,
                dest_addr_npi=destination.npi,
                esm_class=part.esm_class,
                validity_period=validity_period(to_ms(message.reminder.expires_time) - now_ms),
                registered_delivery=FINAL_RECEIPT,
                data_coding=part.data_coding,
                sequence_number=sequence,
                tlvs=[smpp34.Tlv(tag, value) for tag, value in part.parameters.items()],
            ).encode()
        )

    return build
