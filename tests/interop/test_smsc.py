"""The SMPP gateway and message centers that others made: npm smpp, ch-smpp and jsmpp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.gateways.base import Events, SmsRefusedError
from streamproc.dispatch.gateways.entry import GatewaysError, Site
from streamproc.dispatch.gateways.smpp import KIND, SmppEntry
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    IncomingPart,
    IncomingSms,
    Origin,
    Outcome,
    Outgoing,
    Refused,
    Unknown,
    message_of,
)
from streamproc.dispatch.smpp.gateway import SmppGateway, SmppSettings
from streamproc.dispatch.smpp.session import SessionSettings
from streamproc.dispatch.smpp.text import TextForm
from tests.interop.conftest import Record
from tests.interop.parts import CH_SMSC, JSMPP_SMSC, NODE_SMSC, SMSCS, Part
from tests.support.certificates import Authority, secret_file
from tests.support.foreign_smsc import ForeignSmsc, foreign_smsc, text_in
from tests.support.maven_parts import java_program
from tests.support.npm_parts import PARTS as HERE
from tests.support.npm_parts import node_modules
from tests.support.scheduler import START_MS, reminder
from tests.support.waiting import until

RX_T_APPN, RX_P_APPN = 0x64, 0x65
LIBRARIES = {
    CH_SMSC.name: ("com.fizzed:ch-smpp", "ChSmsc.java"),
    JSMPP_SMSC.name: ("org.jsmpp:jsmpp", "JSmsc.java"),
}
EVERY_SMSC = pytest.mark.parametrize("part", SMSCS, ids=lambda part: part.name.split()[0])


def program(part: Part) -> tuple[list[str], dict[str, str]]:
    """The command that runs a message center, and its environment."""
    if part == NODE_SMSC:
        packages = {"NODE_PATH": str(node_modules())}
        return ["node", str(HERE / "smsc" / "smsc.js")], packages
    library, source = LIBRARIES[part.name]
    silent = "org.slf4j:slf4j-nop:1.7.36"
    return java_program(HERE / "smsc" / source, f"{library}:{part.version}", silent), {}


@dataclass
class Bound:
    """A gateway bound to a message center, and what it said."""

    smsc: ForeignSmsc
    gateway: SmppGateway
    ups: list[bool] = field(default_factory=list)
    reports: list[DeliveryReport] = field(default_factory=list)
    sms: list[IncomingSms] = field(default_factory=list)
    answered: list[IncomingSms] = field(default_factory=list)
    late: list[Outcome] = field(default_factory=list)
    refusal: SmsRefusedError | None = None

    def events(self) -> Events:
        async def report(heard: DeliveryReport) -> None:
            self.reports.append(heard)

        async def sms(heard: IncomingSms) -> None:
            if self.refusal is not None:
                raise self.refusal
            self.sms.append(heard)

        async def answered(heard: IncomingSms) -> None:
            self.answered.append(heard)

        return Events(
            self.ups.append,
            report,
            lambda: START_MS,
            sms,
            answered,
            late=lambda _, outcome: self.late.append(outcome),
        )


@asynccontextmanager
async def bound(
    part: Part, smsc_settings: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Bound]:
    async with running(part, smsc_settings) as smsc, bound_to(smsc, **settings) as made:
        yield made


@asynccontextmanager
async def running(part: Part, settings: dict[str, Any] | None = None) -> AsyncIterator[ForeignSmsc]:
    command, environment = await asyncio.to_thread(program, part)
    async with foreign_smsc(command, environment, **(settings or {})) as smsc:
        yield smsc


@asynccontextmanager
async def bound_to(smsc: ForeignSmsc, **settings: Any) -> AsyncIterator[Bound]:
    timers = {
        name: settings.pop(name)
        for name in ("response_seconds", "enquire_seconds", "unbind_seconds")
        if name in settings
    }
    session = SessionSettings("127.0.0.1", smsc.port, "dispatch", "secret", **timers)
    backoff = Backoff(base_ms=50, max_ms=100)
    gateway = SmppGateway("main", SmppSettings(session, "10086", backoff, **settings), _half)
    made, before = Bound(smsc, gateway), len(smsc.all("bind"))
    await gateway.start(made.events())
    try:
        await until(lambda: made.ups[-1:] == [True], 30)
        await smsc.said("bind", before + 1)
        yield made
    finally:
        await gateway.close()


def _half() -> float:
    return 0.5


def message(number: int = 1, text: str = "80% used", **fields: Any) -> Outgoing:
    one = reminder(number, text=text, **fields)
    return message_of(one, Origin("reminders", 0, 0, START_MS), 0, number)


@EVERY_SMSC
async def test_a_message_goes_out_and_its_receipt_comes_back(
    part: Part, record_finding: Record
) -> None:
    async with bound(part, {"receipts": "yes"}) as here:
        outcome = await here.gateway.send(message())
        assert isinstance(outcome, Accepted)
        await until(lambda: here.reports, 30)
        (submit,) = here.smsc.all("submit")

    assert (submit["to"], submit["from"]) == ("8613800000001", "10086")
    assert (submit["ton"], submit["npi"]) == ("0/1", "1/1")
    assert text_in(submit) == "80% used"
    assert [(one.message_id, one.state) for one in here.reports] == [
        (outcome.parts[1], "delivered")
    ]
    record_finding(part, "a message, and its receipt in the library's own form", "delivered")


FORMS = [
    (TextForm(), "流量提醒" * 40, 3),
    (TextForm(long_texts="udh16"), "a" * 155 + "€" * 5, 2),
    (TextForm(long_texts="sar"), "流量提醒" * 40, 3),
    (TextForm(long_texts="payload"), "流量提醒" * 40, 1),
    (TextForm("ucs2"), "plain", 1),
    (TextForm("latin1", 3), "für Ägypten", 1),
]


@EVERY_SMSC
async def test_texts_arrive_whole_in_every_form(part: Part, record_finding: Record) -> None:
    async with running(part) as smsc:
        for form, text, count in FORMS:
            before = len(smsc.all("submit"))
            async with bound_to(smsc, form=form) as here:
                outcome = await here.gateway.send(message(text=text))
            assert isinstance(outcome, Accepted)
            submits = smsc.all("submit")[before:]
            assert sorted(outcome.parts) == list(range(1, count + 1))
            assert "".join(map(text_in, submits)) == text, form
            joined = {one["udh"][:-2] for one in submits}
            totals = {one["sar"].rpartition("/")[0] for one in submits}
            assert len(joined) == len(totals) == 1
    record_finding(
        part, "long texts: header with 8 and 16 bits, sar, payload; Latin-1, UCS-2", "whole"
    )


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("turkish", "Kalan 500 MB, süreniz bitiyor: İşlem için ÇĞÖŞÜ çığöşü € [x]"),
        ("spanish", "Quedan 500 MB: ¿más información? ÁÍÓÚ áíóú ç €"),
        ("portuguese", "Restam 500 MB: não há mais créditos, ê ã õ À Í Ó Ú Ã Õ Â €"),
    ],
)
async def test_national_tables_are_those_of_another_library(
    language: Any, text: str, record_finding: Record
) -> None:
    async with bound(NODE_SMSC, form=TextForm(national=(language,))) as here:
        for one in (text, text * 4):
            before = len(here.smsc.all("submit"))
            assert isinstance(await here.gateway.send(message(text=one)), Accepted)
            submits = here.smsc.all("submit")[before:]
            assert {submit["coding"] for submit in submits} == {"0"}
            assert "".join(map(text_in, submits)) == one
    record_finding(NODE_SMSC, f"the single shift table of {language}", "the same characters")


RECEIPTS = {
    "usual": b"id:1 sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:DELIVRD "
    b"err:000 text:hello",
    "without stat": b"id:1 sub:000 dlvrd:000 submit date:2601010000 done date:2601010001 DELIVRD "
    b"err:000 Text:",
}


@EVERY_SMSC
async def test_receipts_come_in_every_form(part: Part, record_finding: Record) -> None:
    async with bound(part) as here:
        count = 0
        for command in ("deliver_sm", "data_sm"):
            for esm in (4, 0):
                for body in RECEIPTS.values():
                    assert await here.smsc.deliver(body, command, esm=esm) == 0
                    count += 1
        odd: list[tuple[bytes, dict[str, Any]]] = [
            (b"\5\0\3\7\2\1" + RECEIPTS["usual"], {"esm": 0x44}),
            (RECEIPTS["usual"].decode().encode("utf-16-be"), {"esm": 4, "coding": 8}),
            (RECEIPTS["usual"] + b"\0", {"esm": 0x24}),
        ]
        for body, facts in odd:
            assert await here.smsc.deliver(body, **facts) == 0
            count += 1
        assert [(one.message_id, one.state) for one in here.reports] == [("1", "delivered")] * count
        assert here.sms == []
        here.smsc.obey("alert", **{"from": "8613800000001", "to": "10086"})
        assert await here.smsc.deliver(RECEIPTS["usual"], esm=4) == 0

    assert here.smsc.all("nack") == []
    record_finding(
        part,
        "receipts by deliver_sm and data_sm, marked or not, with and without stat:, in UTF-16, "
        "behind a header",
        "read",
    )


@EVERY_SMSC
async def test_a_subscriber_writes(part: Part, record_finding: Record) -> None:
    async with bound(part) as here:
        deliver = here.smsc.deliver
        assert await deliver(b"STOP") == 0
        assert await deliver("退订".encode("utf-16-be"), coding=8) == 0
        assert await deliver(b"STOP", "data_sm") == 0
        assert await deliver(b"\5\0\3\7\2\1UNS", esm=0x40) == 0
        assert await deliver(b"\6\x08\4\1\7\2\2UB", esm=0x40) == 0
        assert await deliver(b"UNSUB 1", sar="300/2/1") == 0
        await until(lambda: len(here.answered) == 6, 30)
        assert await deliver(b"\1\2", coding=4) == RX_P_APPN
        here.refusal = SmsRefusedError("no Kafka", is_final=False)
        assert await deliver(b"STOP") == RX_T_APPN

    from_him = ("main", "8613800000001", "10086")
    assert here.sms == [
        IncomingSms(*from_him, "STOP"),
        IncomingSms(*from_him, "退订"),
        IncomingSms(*from_him, "STOP"),
        IncomingSms(*from_him, "UNS", IncomingPart(7, 2, 1)),
        IncomingSms(*from_him, "UB", IncomingPart(0x107, 2, 2)),
        IncomingSms(*from_him, "UNSUB 1", IncomingPart(300, 2, 1)),
    ]
    assert here.answered == here.sms
    record_finding(part, "SMS of subscribers, whole and in parts (header, sar), data_sm", "taken")


@EVERY_SMSC
async def test_the_message_center_unbinds_and_what_is_under_way_is_waited_for(
    part: Part, record_finding: Record
) -> None:
    async with bound(part, {"answer_ms": 700}, response_seconds=5.0, unbind_seconds=5.0) as here:
        sending = asyncio.create_task(here.gateway.send(message()))
        await here.smsc.said("submit")
        here.smsc.obey("unbind")
        await until(lambda: here.ups[-1] is False, 30)
        refused = await here.gateway.send(message(2))
        assert refused == Refused(ErrorClass.UNREACHABLE, "not_bound")
        assert isinstance(await sending, Accepted)
        assert (await here.smsc.said("unbound"))[0]["status"] == "0"
        await here.smsc.said("bind", 2)  # and comes back
        assert len(here.smsc.all("submit")) == 1
    record_finding(part, "unbind by the message center while a submit is out", "answered first")


@EVERY_SMSC
async def test_an_answer_after_the_usual_time_settles_the_message(
    part: Part, record_finding: Record
) -> None:
    async with running(part, {"answer_ms": 700, "receipts": "yes"}) as smsc:
        async with bound_to(smsc, response_seconds=0.3) as here:
            assert isinstance(await here.gateway.send(message()), Accepted)
            await until(lambda: here.reports, 30)
            assert len(smsc.all("submit")) == 1
        async with bound_to(smsc, response_seconds=0.2, late_seconds=0.3) as here:
            assert isinstance(await here.gateway.send(message()), Unknown)
            await until(lambda: here.late, 30)
            assert here.late == [Accepted({1: "2"})]
    record_finding(part, "a submit that is answered late", "accepted, one copy")


@EVERY_SMSC
async def test_transmitter_and_receiver_are_two_sessions(
    part: Part, record_finding: Record
) -> None:
    async with bound(part, {"receipts": "yes"}, bind="transmitter_receiver") as here:
        await here.smsc.said("bind", 2)
        assert isinstance(await here.gateway.send(message()), Accepted)
        await until(lambda: here.reports, 30)
        assert await here.smsc.deliver(b"STOP") == 0
        modes = {one["mode"] for one in here.smsc.all("bind")}
    assert modes == {"transmitter", "receiver"}
    assert [one.text for one in here.sms] == ["STOP"]
    record_finding(part, "bound as transmitter and as receiver", "receipts and SMS come")


def gateway_over_tls(directory: Path, port: int, **files: Any) -> SmppGateway:
    """A gateway as the gateways file describes it."""
    entry = SmppEntry(
        name="main",
        host="localhost",
        port=port,
        system_id="me",
        password_env="SECRET",
        source="10086",
        tls=True,
        **files,
    )
    return KIND.gateway(entry, Site(directory, _half, {"SECRET": "secret"}))


async def tried(made: Bound, is_good: bool) -> None:
    """Start the gateway and wait until it is bound, or has failed once."""
    with capture_logs() as logs:
        await made.gateway.start(made.events())
        await until(lambda: True in made.ups if is_good else logs, 30)
        await made.gateway.close()


async def test_over_tls_both_sides_prove_who_they_are(
    tmp_path: Path, record_finding: Record
) -> None:
    ours, others = Authority(), Authority("others")
    for name, issued in (
        ("smsc", ours.issue("smsc", "localhost")),
        ("us", ours.issue("us")),
        ("stranger", others.issue("us")),
    ):
        (tmp_path / f"{name}.pem").write_bytes(issued.certificate)
        secret_file(tmp_path / f"{name}.key", issued.key)
    (tmp_path / "ca.pem").write_bytes(ours.certificate)
    (tmp_path / "others.pem").write_bytes(others.certificate)
    command, environment = await asyncio.to_thread(program, NODE_SMSC)
    files = {"key": tmp_path / "smsc.key", "cert": tmp_path / "smsc.pem", "ca": tmp_path / "ca.pem"}
    us = {"tls_certificate_file": "us.pem", "tls_key_file": "us.key"}
    stranger = {"tls_certificate_file": "stranger.pem", "tls_key_file": "stranger.key"}
    async with foreign_smsc(command, environment, **files) as smsc:
        for given, is_good in (
            ({"tls_ca_file": "ca.pem", **us}, True),
            ({"tls_ca_file": "ca.pem", **stranger}, False),
            ({"tls_ca_file": "ca.pem"}, False),
            ({"tls_ca_file": "others.pem", **us}, False),
            (us, False),
        ):
            gateway = gateway_over_tls(tmp_path, smsc.port, **given)
            made = Bound(smsc, gateway)
            await tried(made, is_good)
            assert (True in made.ups) is is_good, given
    missing = r"tls_certificate_file: cannot read \S+no\.pem: No such file"
    with pytest.raises(GatewaysError, match=missing):
        gateway_over_tls(tmp_path, 1, tls_certificate_file="no.pem")
    record_finding(NODE_SMSC, "TLS with a private authority and our own certificate", "bound")
