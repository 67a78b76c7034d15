"""The entry of an SMPP gateway in the gateways file, and the gateway made of it."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from streamproc.contracts.numbers import UnknownRegionError, check_region
from streamproc.contracts.rules_file.read.field_lines import Path
from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.gateways.entry import (
    GatewayEntry,
    GatewayKind,
    GatewaysError,
    Seconds,
    SecretEntry,
    Site,
    out_of_order,
)
from streamproc.dispatch.smpp.addresses import Addressing
from streamproc.dispatch.smpp.gateway import BindMode, SmppGateway, SmppSettings
from streamproc.dispatch.smpp.national import WITHOUT_LOCKING, Language
from streamproc.dispatch.smpp.session import SessionSettings
from streamproc.dispatch.smpp.text import Alphabet, LongTexts, TextForm
from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.secret import refuse_if_public, refuse_special

Port = Annotated[int, Meta(ge=1, le=65_535)]
Sender = Annotated[
    str,
    Meta(pattern=r"^([0-9]{1,15}|[ -~]{1,11})\Z", description="digits, or up to 11 characters"),
]
SystemId = Annotated[str, Meta(pattern=r"^[!-~]{0,15}\Z", description="up to 15 ASCII characters")]
LONGEST_PASSWORD = 64
"""SMPP 3.4 has 8. Many message centers take more."""
_PASSWORD = re.compile(f"[ -~]{{0,{LONGEST_PASSWORD}}}")
Octet = Annotated[int, Meta(ge=0, le=255)]
TLS_FILES = ("tls_ca_file", "tls_certificate_file", "tls_key_file")


class SmppEntry(GatewayEntry, frozen=True, kw_only=True, tag="smpp"):
    """Entry of a gateway that submits to a message center."""

    host: Annotated[str, Meta(min_length=1, max_length=255)]
    port: Port = 2775
    system_id: SystemId
    password_env: str | None = None
    password_file: str | None = None
    system_type: Annotated[str, Meta(pattern=r"^[!-~]{0,12}\Z")] = ""
    bind: BindMode = "transceiver"
    source: Sender
    tls: bool = False
    tls_ca_file: str | None = None
    tls_certificate_file: str | None = None
    tls_key_file: str | None = None
    response_seconds: Seconds = 10.0
    late_response_seconds: Seconds = 120.0
    enquire_link_seconds: Seconds = 30.0
    alphabet: Alphabet = "gsm"
    data_coding: Octet = 0
    long_texts: LongTexts = "udh"
    national_shift: tuple[Language, ...] = ()
    national_locking: tuple[Language, ...] = ()
    region: str | None = None
    source_ton: Octet | None = None
    source_npi: Octet | None = None
    dest_ton: Octet | None = None
    dest_npi: Octet | None = None
    receipts: Literal["auto", "every_part", "last_part"] = "auto"
    account: Literal["own", "shared"] = "own"
    incoming_sms: Literal["take", "refuse"] = "take"
    sms_id_parameter: Annotated[int, Meta(ge=1, le=0xFFFF)] | None = None


_DEFAULTS = SmppEntry(name="a", host="a", system_id="a", source="1")


class Smpp(GatewayKind):
    entry = SmppEntry
    secret = SecretEntry("password")

    def problems(self, written: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
        yield from self.secret.problems(written)
        for name in TLS_FILES:
            if name in written and not written.get("tls"):
                yield (name,), "needs tls: true"
        if "tls_key_file" in written and "tls_certificate_file" not in written:
            yield ("tls_key_file",), "needs tls_certificate_file"
        yield from out_of_order(written, "response_seconds", "late_response_seconds", _DEFAULTS)
        region = written.get("region")
        if isinstance(region, str):
            try:
                check_region(region)
            except UnknownRegionError as error:
                yield ("region",), str(error)
        alphabet, long_texts = written.get("alphabet", "gsm"), written.get("long_texts", "udh")
        for name in ("national_shift", "national_locking"):
            if written.get(name) and (alphabet != "gsm" or long_texts not in ("udh", "udh16")):
                yield (name,), "needs alphabet: gsm and long_texts: udh or udh16"
        for place, language in enumerate(written.get("national_locking") or ()):
            if language in WITHOUT_LOCKING:
                yield ("national_locking", place), f"{language} has no locking shift table"

    def plain_text_host(self, entry: SmppEntry) -> str | None:
        return None if entry.tls else entry.host

    def gateway(self, entry: SmppEntry, site: Site) -> SmppGateway:
        password = self.secret.of(entry, site)
        if not _PASSWORD.fullmatch(password):
            raise GatewaysError(
                f"gateway {entry.name}: {self.secret.place(entry)} must be one line of visible "
                f"ASCII characters, at most {LONGEST_PASSWORD}: SMPP knows no others"
            )
        session = SessionSettings(
            entry.host,
            entry.port,
            entry.system_id,
            password,
            entry.system_type,
            _tls(entry, site) if entry.tls else None,
            response_seconds=entry.response_seconds,
            enquire_seconds=entry.enquire_link_seconds,
            unbind_seconds=entry.response_seconds,
        )
        form = TextForm(
            *(entry.alphabet, entry.data_coding, entry.long_texts),
            *(entry.national_shift, entry.national_locking),
        )
        addressing = Addressing(
            entry.region and check_region(entry.region),
            entry.source_ton,
            entry.source_npi,
            entry.dest_ton,
            entry.dest_npi,
        )
        settings = SmppSettings(
            session,
            entry.source,
            Backoff(base_ms=1_000, max_ms=30_000),
            entry.bind,
            entry.late_response_seconds,
            form,
            addressing,
            takes_sms=entry.incoming_sms == "take",
            identity_parameter=entry.sms_id_parameter,
        )
        return SmppGateway(entry.name, settings, site.chance)


def _tls(entry: SmppEntry, site: Site) -> ssl.SSLContext:
    """The certificates that both sides must show. Raises :class:`GatewaysError`."""
    for named in TLS_FILES:
        if (file := getattr(entry, named)) is not None:
            try:
                refuse_special(site.base / file)
            except KafkaSettingsError as error:
                raise GatewaysError(f"gateway {entry.name}: {named}: {error}") from None
    try:
        ca = None if entry.tls_ca_file is None else site.base / entry.tls_ca_file
        named = "tls_ca_file"
        context = ssl.create_default_context(cafile=ca)
        if entry.tls_certificate_file is not None:
            named = "tls_certificate_file"
            _refuse_public_key(entry, site)
            key = None if entry.tls_key_file is None else site.base / entry.tls_key_file
            # Without a password: a prompt for one would stop the start.
            context.load_cert_chain(site.base / entry.tls_certificate_file, key, password=_nobody)
    except KafkaSettingsError as error:
        raise GatewaysError(f"gateway {entry.name}: {error}") from None
    except (OSError, ssl.SSLError) as error:
        file = getattr(entry, named)
        reason = error.strerror or str(error)
        raise GatewaysError(f"gateway {entry.name}: {named} {file}: {reason}") from None
    return context


def _refuse_public_key(entry: SmppEntry, site: Site) -> None:
    """A key that everybody may read is none. It may be in the file of its certificate."""
    if entry.tls_key_file is not None:
        refuse_if_public(site.base / entry.tls_key_file)
    elif entry.tls_certificate_file is not None:
        own = site.base / entry.tls_certificate_file
        if b"PRIVATE KEY-----" in own.read_bytes():
            refuse_if_public(own)


def _nobody() -> str:
    return ""


KIND = Smpp()
