"""More of what message centers do: odd receipts and SMS, late answers, an end in between."""

from __future__ import annotations

import asyncio
from typing import Any

from streamproc.dispatch.model import (
    Accepted,
    ErrorClass,
    IncomingPart,
    IncomingSms,
    Refused,
    Unknown,
)
from streamproc.dispatch.smpp.addresses import Addressing
from streamproc.dispatch.smpp.text import TextForm
from tests.interop.conftest import Record
from tests.interop.parts import Part
from tests.interop.test_smsc import EVERY_SMSC, RX_P_APPN, bound_to, message, running
from tests.support.foreign_smsc import ForeignSmsc, text_in
from tests.support.waiting import until

LONG = "a" * 400
"""Three parts."""

RECEIPTS: list[tuple[bytes, dict[str, Any], tuple[str, str, str]]] = [
    (b"id:7F3A sub:001 dlvrd:000 submit date:2601010000 done date:2601010001 stat:UNDELIV err:011",
     {"esm": 0x04}, ("7F3A", "failed", "011")),
    (b"ID:00042 STATUS:EXPIRED ERR:000 text:stat:DELIVRD", {"esm": 0x04},
     ("00042", "expired", "000")),
    (b"id:43 sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:ACCEPTD err:000 "
     b"text:hello", {"esm": 0x20}, ("43", "enroute", "000")),
    (b"stat:DELIVRD, id:44, err:0, sub:001, dlvrd:001", {"esm": 0x04}, ("44", "delivered", "0")),
    (b"id:45 sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:DELIVRD err:000 "
     b"text:", {"esm": 0, "command": "data_sm"}, ("45", "delivered", "000")),
    (b"id:46 REJECTD err:255", {"esm": 0x04, "command": "data_sm"}, ("46", "failed", "255")),
]  # fmt: skip


FORMS: list[tuple[dict[str, Any], str, str, tuple[str, str, str]]] = [
    ({"addressing": Addressing(region="ES")}, "612345678", "hi",
     ("0/1", "1/1", "34612345678")),
    ({"addressing": Addressing(dest_ton=2, dest_npi=8)}, "8613800000001", "hi",
     ("0/2", "1/8", "8613800000001")),
    ({"form": TextForm("ucs2", long_texts="udh16")}, "8613800000001", "x" * 100,
     ("0/1", "1/1", "8613800000001")),
    ({"form": TextForm("latin1", 3, long_texts="sar")}, "8613800000001", "é" * 200,
     ("0/1", "1/1", "8613800000001")),
]  # fmt: skip


@EVERY_SMSC
async def test_more_of_what_comes_and_goes(part: Part, record_finding: Record) -> None:
    async with running(part) as smsc:
        await _more_receipts(smsc)
        await _more_that_subscribers_write(smsc)
        await _more_forms_of_numbers_and_texts(smsc)
    for tried, result in (
        (
            "receipts of failures, in steps, in odd order; words of a receipt in an SMS",
            "told apart",
        ),
        (
            "SMS in Latin-1, with an emoji, parts in reverse, odd parts",
            "taken, or refused for good",
        ),
        ("national numbers, other type and plan, UCS-2 and Latin-1 in parts", "as set"),
    ):
        record_finding(part, tried, result)


async def _more_receipts(smsc: ForeignSmsc) -> None:
    async with bound_to(smsc) as here:
        for body, facts, _ in RECEIPTS:
            assert await here.smsc.deliver(body, **facts) == 0
        # A subscriber may write words of a receipt.
        for words in (b"id: 5 please, stat?", b"My ID:12345 was not DELIVRD"):
            assert await here.smsc.deliver(words) == 0
        found = [(one.message_id, one.state, one.code) for one in here.reports]
        assert found == [facts for _, _, facts in RECEIPTS]
        assert [one.text for one in here.sms] == [
            "id: 5 please, stat?",
            "My ID:12345 was not DELIVRD",
        ]


async def _more_that_subscribers_write(smsc: ForeignSmsc) -> None:
    async with bound_to(smsc, addressing=Addressing(region="ES")) as here:
        deliver = here.smsc.deliver
        assert await deliver("ALTA ñ".encode("latin-1"), coding=3) == 0
        assert await deliver("CANCELAR 😀".encode("utf-16-be"), coding=8) == 0
        # The second part first, in UCS-2, with a reference of 16 bits.
        assert (
            await deliver(b"\6\x08\4\1\2\2\2" + "订".encode("utf-16-be"), esm=0x40, coding=8) == 0
        )
        assert (
            await deliver(b"\6\x08\4\1\2\2\1" + "退".encode("utf-16-be"), esm=0x40, coding=8) == 0
        )
        assert await deliver(b"BAJA", **{"from": "0034612345678"}) == 0
        assert await deliver(b"BAJA", **{"from": "34612345678"}) == 0
        assert await deliver(b"STOP", sar="32767/3/3") == 0
        assert await deliver(b"\5\0\3\7\2\3UNS", esm=0x40) == RX_P_APPN  # part 3 of 2
        assert await deliver(b"\x09\0\3", esm=0x40) == RX_P_APPN  # a header that is cut short
        await until(lambda: len(here.answered) == 7, 30)
    his, spanish = ("main", "8613800000001", "10086"), ("main", "34612345678", "10086")
    assert here.sms == [
        IncomingSms(*his, "ALTA ñ"),
        IncomingSms(*his, "CANCELAR 😀"),
        IncomingSms(*his, "订", IncomingPart(0x102, 2, 2)),
        IncomingSms(*his, "退", IncomingPart(0x102, 2, 1)),
        IncomingSms(*spanish, "BAJA"),
        IncomingSms(*spanish, "BAJA"),
        IncomingSms(*his, "STOP", IncomingPart(32767, 3, 3)),
    ]


@EVERY_SMSC
async def test_late_answers_and_ends_in_the_middle(part: Part, record_finding: Record) -> None:
    async with running(part, {"answer_ms": 500}) as smsc:
        await _late_answers_to_several_and_to_a_part(smsc)
        await _ends_in_the_middle_of_a_long_text(smsc)
    for tried, result in (
        ("two submits, and a part of a text, that are answered late", "known, and no copy"),
        (
            "unbind between the parts of a text; a cut with two submits out",
            "the rest later; in doubt",
        ),
    ):
        record_finding(part, tried, result)


async def _late_answers_to_several_and_to_a_part(smsc: ForeignSmsc) -> None:
    async with bound_to(smsc, response_seconds=0.2, late_seconds=5.0) as here:
        both = await asyncio.gather(*(here.gateway.send(message(n)) for n in (1, 2)))
        assert all(isinstance(one, Accepted) for one in both)
    async with bound_to(smsc, response_seconds=0.1, late_seconds=0.2) as here:
        assert isinstance(await here.gateway.send(message(3, text=LONG)), Unknown)
        await until(lambda: here.late, 30)
        (late,) = here.late
        assert isinstance(late, Refused)
        assert (late.code, sorted(late.parts)) == ("rest_not_sent", [1])


async def _ends_in_the_middle_of_a_long_text(smsc: ForeignSmsc) -> None:
    """The message center unbinds while the first of three parts is out; later the link is cut."""
    before = {name: len(smsc.all(name)) for name in ("submit", "bind")}
    async with bound_to(smsc, response_seconds=5.0, unbind_seconds=5.0) as here:
        sending = asyncio.create_task(here.gateway.send(message(text=LONG)))
        await smsc.said("submit", before["submit"] + 1)
        smsc.obey("unbind")
        outcome = await sending
        assert isinstance(outcome, Refused)
        assert (outcome.error, sorted(outcome.parts)) == (ErrorClass.UNREACHABLE, [1])
        assert (await smsc.said("unbound"))[0]["status"] == "0"
        await smsc.said("bind", before["bind"] + 2)
        await until(lambda: here.ups[-1] is True, 30)
        rest = message(text=LONG)
        rest.parts = dict(outcome.parts)
        whole = await here.gateway.send(rest)
        assert isinstance(whole, Accepted)
        assert sorted(whole.parts) == [2, 3]
        submits = smsc.all("submit")[before["submit"] :]
        assert "".join(map(text_in, submits)) == LONG
        assert len({one["udh"][:-2] for one in submits}) == 1
        # Several at once, and the connection is cut: each is in doubt.
        several = [asyncio.create_task(here.gateway.send(message(n))) for n in (2, 3)]
        await smsc.said("submit", before["submit"] + 5)
        smsc.obey("cut")
        for one in several:
            assert isinstance(await one, Unknown)


async def _more_forms_of_numbers_and_texts(smsc: ForeignSmsc) -> None:
    for settings, to, text, (ton, npi, number) in FORMS:
        before = len(smsc.all("submit"))
        async with bound_to(smsc, **settings) as here:
            outcome = await here.gateway.send(message(text=text, subscriber=to))
            assert isinstance(outcome, Accepted)
        submits = smsc.all("submit")[before:]
        assert "".join(map(text_in, submits)) == text
        assert {(one["ton"], one["npi"], one["to"]) for one in submits} == {(ton, npi, number)}
