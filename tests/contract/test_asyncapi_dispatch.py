"""What the dispatcher keeps for itself is as asyncapi.yaml describes it."""

from __future__ import annotations

import asyncio
import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft7Validator

from streamproc.contracts.records.codec import encode_effect
from streamproc.dispatch.journal import REPORTS_KEY, JournalEntry, encode
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    IncomingPart,
    IncomingSms,
    Origin,
    Outcome,
    Refused,
    ReportState,
    Unknown,
)
from streamproc.dispatch.reports_log import ReportsWriter
from streamproc.dispatch.sms_memory import Answered, Answering, CommandWritten, Doubted, heard_of
from tests.contract.test_asyncapi import DOCUMENT, messages
from tests.support.scheduler import START_MS, TOPIC, Table, line, reminder

OWN = ("dispatchJournal", "reports", "incomingSms")
MESSAGES = {one["name"]: one for name in OWN for one in messages(name)}


def accepts(name: str, document: Any) -> bool:
    """Whether a record's value is as the document describes it."""
    # The references are to the document's own components.
    schema = {"components": DOCUMENT["components"], "allOf": [MESSAGES[name]["payload"]]}
    return bool(Draft7Validator(schema).is_valid(document))


def key_of(name: str) -> dict[str, Any]:
    key: dict[str, Any] = MESSAGES[name]["bindings"]["kafka"]["key"]
    return key


def written(answers: tuple[Outcome, ...], resend: str) -> list[tuple[str, bytes]]:
    """All that the journal said of a reminder that got these answers."""
    table = Table(line(reports=True))
    origin = Origin("resends" if resend else TOPIC, 0, 0, START_MS)
    table.scheduler.offer(0, origin, encode_effect(reminder()), START_MS, resend)
    said: list[tuple[str, bytes]] = []
    for answer in answers:
        (message,) = table.step(wait_ms=120_000)
        said.extend(table.journal.items())
        table.answer(message, answer)
        said.extend(table.journal.items())
    return said


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ((Accepted({1: "7", 2: "8"}),), "accepted"),
        ((Accepted(),), "settled"),
        ((Refused(ErrorClass.TRANSIENT, "x", {1: "7"}),), "retry"),
        ((Refused(ErrorClass.TRANSIENT, "x"), Accepted({1: "7"})), "accepted"),
        ((Refused(ErrorClass.PERMANENT, "x"),), "settled"),
        ((Unknown("x"),), "uncertain"),
    ],
)
@pytest.mark.parametrize("resend", ["", "3-14"])
def test_the_journal_is_as_described(answers: tuple[Outcome, ...], state: str, resend: str) -> None:
    states = []
    for key, value in written(answers, resend):
        entry = json.loads(value)
        states.append(entry["state"])

        assert re.search(key_of("dispatch.remembered")["pattern"], key)
        assert accepts("dispatch.remembered", entry), entry
    assert states[0] == "intent"
    assert states[-1] == state


def test_a_journal_that_says_more_is_not() -> None:
    entry = json.loads(encode(JournalEntry("settled", 5)))

    assert accepts("dispatch.remembered", entry)
    for wrong in ({**entry, "state": "sent"}, {**entry, "text": "80%"}, {"state": "settled"}):
        assert not accepts("dispatch.remembered", wrong)


def test_the_position_in_the_reports_is_as_described() -> None:
    assert key_of("dispatch.reports_read")["const"] == REPORTS_KEY.decode()
    assert accepts("dispatch.reports_read", json.loads(encode({0: 17})))
    assert not accepts("dispatch.reports_read", {"0": -1})


@pytest.mark.parametrize("state", ["delivered", "failed", "expired", "enroute"])
async def test_a_report_is_as_described(state: ReportState) -> None:
    written: list[bytes] = []

    class Producer:
        def send(self, _topic: str, key: bytes, value: bytes) -> Any:
            written.extend((key, value))
            done: Any = SimpleNamespace(add_errback=lambda _: None)
            done.add_callback = lambda call: call(None)
            return done

    writer = ReportsWriter.__new__(ReportsWriter)
    vars(writer).update(_topic="reports", _producer=Producer())
    async with asyncio.timeout(5):
        await writer.write(DeliveryReport("main", "a7", state, "000", 1_767_225_600_000, "f00d"))

    key, value = written
    assert key == b"a7"
    assert accepts("dispatch.delivery_reported", json.loads(value))
    assert not accepts("dispatch.delivery_reported", json.loads(value)[:-1])


@pytest.mark.parametrize("part", [None, IncomingPart(7, 2, 1)])
def test_what_is_heard_of_an_sms_is_as_described(part: IncomingPart | None) -> None:
    sms = IncomingSms("main", "8613800000001", "10086", "退订", part)
    heard = json.loads(encode(heard_of(sms, "me-1", START_MS)))

    assert accepts("dispatch.sms_heard", heard), heard
    assert not accepts("dispatch.sms_heard", heard[:-1])
    assert accepts("dispatch.sms_taken", json.loads(encode(CommandWritten("key", "key-1"))))
    assert accepts("dispatch.sms_answering", json.loads(encode(Answering("key", 1, START_MS))))
    assert accepts("dispatch.sms_answered", json.loads(encode(Answered("key", 1))))
    assert accepts("dispatch.sms_doubted", json.loads(encode(Doubted("key", 1))))
    assert not accepts("dispatch.sms_answered", json.loads(encode(CommandWritten("key", "key-1"))))
