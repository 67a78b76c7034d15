"""Sends through a message centre (SMSC) by SMPP 3.4 and receives its delivery receipts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any

import smpp34
import structlog
from msgspec import Meta

from streamproc.contracts.rules_file.read.lines import Path
from streamproc.core.instants import to_ms
from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.gateways.entry import GatewayEntry, GatewayKind, Seconds, Secret, Site
from streamproc.dispatch.matching import peer_hash
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    Outcome,
    Outgoing,
    Refused,
    Unknown,
)
from streamproc.dispatch.smpp import pdu
from streamproc.dispatch.smpp.errors import class_of, name_of
from streamproc.dispatch.smpp.receipt import parse_receipt
from streamproc.dispatch.smpp.session import (
    NoAnswerError,
    NotSentError,
    Session,
    SessionSettings,
)
from streamproc.dispatch.smpp.text import SmsPart, split

log = structlog.get_logger(__name__)

TON_INTERNATIONAL, NPI_ISDN = 1, 1
TON_ALPHANUMERIC = 5
FINAL_RECEIPT = 1
LONGEST_VALIDITY_S = 14 * 86_400


@dataclass(frozen=True)
class SmppSettings:
    """A session and how messages look in it."""

    session: SessionSettings
    source: str
    """Sender: a number, a short code, or up to 11 letters and digits."""
    reconnect: Backoff


class SmppGateway:
    """Keeps one session bound; a message goes part by part, each after the other's answer."""

    idempotent = False
    reports = True

    def __init__(self, name: str, settings: SmppSettings, chance: Callable[[], float]) -> None:
        self._name = name
        self._settings = settings
        self._chance = chance
        self._session: Session | None = None
        self._events: Events | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self, events: Events) -> None:
        self._events = events
        events.up(False)
        self._keeper = asyncio.create_task(self._keep_bound(events))

    async def send(self, message: Outgoing) -> Outcome:
        session, events = self._session, self._events
        if session is None or events is None:
            return Refused(ErrorClass.UNREACHABLE, "not_bound")
        taken: dict[int, str] = {}
        for part in split(message.reminder.text, reference_of(message.reminder.id)):
            if part.number in message.parts:
                continue
            try:
                status, message_id = await session.submit(
                    _builder(self._settings, message, part, events.now_ms())
                )
            except NotSentError:
                return Refused(ErrorClass.UNREACHABLE, "not_bound", taken)
            except NoAnswerError as error:
                return Unknown(str(error), taken)
            if status != pdu.OK:
                return Refused(class_of(status), name_of(status), taken)
            taken[part.number] = message_id
        return Accepted(taken)

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _keep_bound(self, events: Events) -> None:
        failures = 0
        while True:
            try:
                session = await Session.open(self._settings.session, self._heard)
            except OSError as error:
                failures += 1
                wait_ms = self._settings.reconnect.wait_ms(failures, self._chance())
                log.warning(
                    "no session with the message center",
                    gateway=self._name,
                    reason=str(error) or type(error).__name__,
                    next_try_ms=wait_ms,
                )
                await asyncio.sleep(wait_ms / 1000)
                continue
            failures = 0
            self._session = session
            log.info("bound to the message center", gateway=self._name)
            events.up(True)
            await session.closed.wait()
            self._session = None
            events.up(False)
            log.warning("session ended", gateway=self._name, reason=session.reason)

    async def _heard(self, message: smpp34.DeliverSm) -> int:
        events = self._events
        assert events is not None
        parameters = {one.tag: bytes(one.value) for one in message.tlvs}
        receipt = parse_receipt(message.esm_class, bytes(message.short_message), parameters)
        if receipt is None:
            log.info("a deliver_sm that is no receipt was taken and dropped", gateway=self._name)
            return pdu.OK
        await events.report(
            DeliveryReport(
                self._name,
                receipt.message_id,
                receipt.state,
                receipt.code,
                events.now_ms(),
                peer_hash(message.source_addr),
            )
        )
        return pdu.OK


def reference_of(reminder_id: str) -> int:
    """The concatenation reference: the same each time a reminder is sent."""
    return blake2b(reminder_id.encode(), digest_size=1).digest()[0]


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
    source, subscriber = settings.source, message.subscriber
    source_ton = TON_INTERNATIONAL if source.isdigit() and len(source) > 8 else 0
    if not source.isdigit():
        source_ton = TON_ALPHANUMERIC
    is_number = subscriber.isdigit()

    def build(sequence: int) -> bytes:
        return bytes(
            smpp34.SubmitSm(
                source,
                subscriber,
                part.short_message,
                source_addr_ton=source_ton,
                source_addr_npi=0 if source_ton == TON_ALPHANUMERIC else NPI_ISDN,
                dest_addr_ton=TON_INTERNATIONAL if is_number else 0,
                dest_addr_npi=NPI_ISDN if is_number else 0,
                esm_class=part.esm_class,
                validity_period=validity_period(to_ms(message.reminder.expires_time) - now_ms),
                registered_delivery=FINAL_RECEIPT,
                data_coding=part.data_coding,
                sequence_number=sequence,
            ).encode()
        )

    return build


Port = Annotated[int, Meta(ge=1, le=65_535)]
Sender = Annotated[
    str,
    Meta(pattern=r"^([0-9]{1,15}|[ -~]{1,11})\Z", description="digits, or up to 11 characters"),
]
SystemId = Annotated[str, Meta(pattern=r"^[!-~]{0,15}\Z", description="up to 15 ASCII characters")]


class SmppEntry(GatewayEntry, frozen=True, kw_only=True, tag="smpp"):
    """Submits to a message center."""

    host: Annotated[str, Meta(min_length=1, max_length=255)]
    port: Port = 2775
    system_id: SystemId
    password_env: str | None = None
    password_file: str | None = None
    system_type: Annotated[str, Meta(pattern=r"^[!-~]{0,12}\Z")] = ""
    source: Sender
    tls: bool = False
    response_seconds: Seconds = 10.0
    enquire_link_seconds: Seconds = 30.0


class Smpp(GatewayKind):
    entry = SmppEntry
    secret = Secret("password")

    def problems(self, written: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
        yield from self.secret.problems(written)

    def gateway(self, entry: SmppEntry, site: Site) -> SmppGateway:
        session = SessionSettings(
            entry.host,
            entry.port,
            entry.system_id,
            self.secret.of(entry, site),
            entry.system_type,
            entry.tls,
            response_seconds=entry.response_seconds,
            enquire_seconds=entry.enquire_link_seconds,
        )
        reconnect = Backoff(base_ms=1_000, max_ms=30_000)
        settings = SmppSettings(session, entry.source, reconnect)
        return SmppGateway(entry.name, settings, site.chance)


KIND = Smpp()
