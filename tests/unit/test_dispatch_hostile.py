"""What the dispatcher keeps of peers that send anything, and of journals that hold anything."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock

import msgspec
import pytest
from structlog.testing import capture_logs

from streamproc.contracts.records.receipts import encode_receipt
from streamproc.core.state.effects import Reminder
from streamproc.dispatch import dead_letters, early_reports, main
from streamproc.dispatch.gateways.entry import GatewaysError, Site
from streamproc.dispatch.gateways.smpp import KIND, SmppEntry
from streamproc.dispatch.journal import REPORTS_KEY, Facts, JournalEntry, encode, read_journal
from streamproc.dispatch.matching import ID_LIMIT, AwaitedParts, bounded_id
from streamproc.dispatch.model import Accepted, DeliveryReport, Origin, UnsendableError
from streamproc.dispatch.peer_lines import Sparing
from streamproc.dispatch.peers import NamingAssignor
from streamproc.dispatch.reports_log import decode_report
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.smpp import pdu
from streamproc.dispatch.smpp.inbound import UnreadableError, read, text_of
from streamproc.dispatch.smpp.receipt import parse_receipt
from streamproc.dispatch.smpp.session import Session, SessionSettings
from streamproc.dispatch.smpp.text import LongTexts, TextForm, count_parts
from streamproc.dispatch.sms_memory import decode_record
from streamproc.kafka.recording import LogRecord
from streamproc.tools.explain.gathering import Gathered
from tests.support.scheduler import HASHES, START_MS, TOPIC, Table, line, reminder

ID = "0" * 31 + "1"
NEST = b"[" * 100_000
DEEP = b'{"type":"reminder.requested","more":' + NEST
LONG = ("9" * 5_000, "x" * 69_000, "\x01" * 60_000, "7" * (ID_LIMIT + 1), "é\n" * 40)


@pytest.mark.parametrize("message_id", LONG)
def test_an_id_of_any_length_needs_little_space_and_its_report_finds_it(message_id: str) -> None:
    answered = pdu.message_id(message_id.encode("latin-1") + b"\0")
    facts = {0x1E: message_id.encode("latin-1") + b"\0", 0x427: b"\2"}
    receipt = parse_receipt(0x04, b"", facts)
    assert receipt is not None
    table = Table(line(reports=True))
    table.put(reminder(1))
    (message,) = table.step()
    table.answer(message, Accepted({1: answered}))
    peer = HASHES.of("8613800000001")
    report = DeliveryReport("main", receipt.message_id, receipt.state, "", START_MS, peer)
    table.restart()
    table.scheduler.report(report, None, table.now_ms)
    table.commit()

    assert table.statuses() == [(1, "accepted"), (1, "delivered")]
    assert all(len(encode_receipt(one)) < 1_000 for one in table.receipts)


def test_an_id_within_the_standard_stays_as_it_is() -> None:
    assert bounded_id("7" * ID_LIMIT) == "7" * ID_LIMIT
    assert pdu.message_id(b"A1-b2\0rest") == "A1-b2"


def test_ids_that_differ_only_in_their_end_are_kept_apart() -> None:
    assert bounded_id("9" * 5_000 + "1") != bounded_id("9" * 5_000 + "2")


def test_what_waits_for_reports_takes_any_id() -> None:
    AwaitedParts().find("main", "9" * 5_000, "")


def entry(**fields: Any) -> JournalEntry:
    facts = Facts("86*1", "ab", "cron", "low", False, 1, START_MS, START_MS, TOPIC, 3)
    return JournalEntry("accepted", START_MS, "main", 1, {1: "77"}, {}, facts, **fields)


def test_ids_that_earlier_releases_kept_whole_do_not_stop_a_start() -> None:
    written = encode(msgspec.structs.replace(entry(), done={1: "9" * 5_000}))
    table = Table(line(reports=True))
    table.journal = {ID: written}
    table.restart()

    ((_, kept),) = read_journal({ID.encode(): (written, START_MS)}).entries
    assert len(kept.done[1]) <= ID_LIMIT


@pytest.mark.parametrize(
    "value",
    [
        b"id",
        b"\xff\xfe",
        DEEP,
        b"null",
        b'{"state":"later","forget_ms":1}',
        b'{"state":"settled","forget_ms":' + b"9" * 5_000 + b"}",
        b'{"state":"accepted","forget_ms":1,"gateway":"main","done":{"1":"7"}}',
        encode(msgspec.structs.replace(entry(), done={0: "7"})),
        encode(entry()).replace(str(START_MS).encode(), b"9" * 16),
    ],
)
def test_an_entry_that_cannot_be_read_is_uncertain_and_not_sent(value: bytes) -> None:
    content = read_journal({ID.encode(): (value, START_MS)})
    assert content.unread == [ID]
    table = Table(line(reports=True, on_unknown="at_least_once"))
    table.journal = {key: encode(one) for key, one in content.entries}
    table.restart()
    table.put(reminder(1), reminder(2, "8613800000002"))
    sent = table.step()

    assert [one.id for one in sent] == [f"{2:032x}"]
    assert table.statuses() == [(1, "uncertain")]


def test_records_about_no_message_are_counted_and_ignored() -> None:
    content = read_journal(
        {
            None: (b"{}", 0),
            b"nonsense": (encode(entry()), 0),
            b"\xff" * 32: (encode(entry()), 0),
            b"0" * 900_000: (encode(entry()), 0),
            REPORTS_KEY: (DEEP, 0),
        }
    )

    assert (content.entries, content.positions, content.ignored) == ([], {}, 5)


@pytest.mark.parametrize(
    "value",
    [
        b'["main","7","delivered","",1,"",' + NEST,
        b"\xff",
        b'["main","7","delivered","",' + b"9" * 16 + b',""]',
        b'["main","7","delivered","",' + b"9" * 5_000 + b',""]',
        b'["main","7","delivered","' + b"x" * 900_000 + b'",1,""]',
    ],
)
def test_a_report_that_no_dispatcher_wrote_is_ignored(value: bytes) -> None:
    assert decode_report(value) is None
    assert decode_record(value) is None


@pytest.mark.parametrize(
    "text", [b"00", b"zzzz", b"0041" * 1_601], ids=["half a character", "no digits", "too long"]
)
def test_a_part_of_an_sms_that_no_dispatcher_wrote_is_ignored(text: bytes) -> None:
    assert decode_record(b'["heard","n","main","86138","10086","%s",%d]' % (text, START_MS)) is None


def test_a_report_whose_id_is_long_is_kept_short() -> None:
    found = decode_report(b'["main","' + b"9" * 5_000 + b'","delivered","",1,""]')

    assert found is not None
    assert len(found.message_id) <= ID_LIMIT


def delivered(source: bytes, to: bytes, sar: bytes = b"") -> bytes:
    """A ``data_sm`` of a subscriber."""
    text = struct.pack(">HH", 0x424, 2) + b"hi"
    body = b"\0\1\1" + source + b"\0\1\1" + to + b"\0\0\0\0" + text + sar
    return pdu.encode(pdu.DATA_SM, 1, body)


@pytest.mark.parametrize(("source", "to"), [(b"1" * 65, b"2"), (b"1", b"2" * 60_000)])
def test_addresses_are_as_long_as_the_standard_allows(source: bytes, to: bytes) -> None:
    with pytest.raises(UnreadableError, match="more than 64 octets"):
        read(delivered(source, to))


def test_numbers_of_parts_are_as_long_as_the_standard_allows() -> None:
    """A reference of 5,000 octets would be a number that no record can hold."""
    sar = b"".join(
        struct.pack(">HH", tag, size) + b"\1" * size
        for tag, size in ((0x20C, 5_000), (0x20E, 1), (0x20F, 1))
    )
    found = read(delivered(b"86138", b"10086", sar))

    assert text_of(found, "gsm").joint is None


def test_a_text_of_more_parts_than_an_sms_can_have_is_a_dead_letter_and_the_next_one_goes() -> None:
    def parts_of(one: Reminder) -> int:
        return count_parts(one.text, TextForm())

    table = Table(line(parts_of=parts_of))
    long = "x" * 153 * 255
    texts = long, long + "x", "x" * 900_000, "ok"
    table.put(
        *(reminder(number, f"8613800{number:06}", text=text) for number, text in enumerate(texts))
    )
    sent = table.step()

    assert [one.reminder.text for one in sent] == [long, "ok"]
    assert [(one.reason, one.detail) for one in table.dead_letters] == [
        ("permanent", "too_long")
    ] * 2
    assert table.lines[0].shaper.outstanding == 2


@pytest.mark.parametrize("form", ["udh", "udh16", "sar", "payload"])
def test_no_form_of_long_texts_takes_more_than_the_standard(form: LongTexts) -> None:
    with pytest.raises(UnsendableError):
        count_parts("流" * 40_000, TextForm(long_texts=form))


def test_what_peers_send_all_day_is_a_line_a_minute() -> None:
    seconds = [0.0]
    tell = Sparing(clock=lambda: seconds[0], gateway="main")
    with capture_logs() as logs:
        for _ in range(1_000):
            tell.warn("nonsense", reason="x")
        tell.warn("other nonsense")
        seconds[0] = 61.0
        tell.warn("nonsense", reason="y")

    assert [one["event"] for one in logs] == ["nonsense", "other nonsense", "nonsense"]
    assert logs[2]["not_told_before"] == 999


@pytest.mark.parametrize("password", ["pässwort", "two\nlines", "x" * 65, "\0"])
def test_a_password_that_smpp_cannot_carry_is_refused_at_the_start(password: str) -> None:
    entry = SmppEntry(name="main", host="a", system_id="s", source="1", password_env="P")
    with pytest.raises(GatewaysError, match="gateway main: password_env P must be one line"):
        KIND.gateway(entry, Site(Path(), lambda: 0.5, {"P": password}))


def test_a_text_that_no_sms_can_have_is_not_decoded() -> None:
    payload = struct.pack(">HH", 0x424, 60_000) + b"\x1b" * 60_000
    found = read(pdu.encode(pdu.DATA_SM, 1, b"\0\1\1861380\0\0\x0010\0\0\0\0" + payload))

    with pytest.raises(UnreadableError, match="more than 6400 octets"):
        text_of(found, "gsm")


def early(number: int, peer: str = "ab", message_id: str = "") -> DeliveryReport:
    return DeliveryReport("main", message_id or f"x{number}", "delivered", "", START_MS, peer)


def test_a_flood_of_reports_about_one_number_makes_no_answer_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(early_reports, "NUMBER_LIMIT", 20)
    kept = early_reports.EarlyReports()
    for number in range(200):
        kept.add(early(number), (0, number), START_MS)
        kept.add(early(number, f"n{number}", "the same id"), (1, number), START_MS)
    looked_at = list(kept.perhaps_about(entry()))

    assert [one.report.message_id for _, one in looked_at] == [f"x{n}" for n in range(180, 200)]
    assert dict(kept.positions()) == {0: 180, 1: 180}


def test_where_reading_begins_again_follows_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_reports, "EARLY_LIMIT", 50)
    kept = early_reports.EarlyReports()
    offsets = [*range(100, 300), *range(40, 90), *range(300, 320)]  # it was read again
    for offset in offsets:
        kept.add(early(offset, f"n{offset}"), (0, offset), START_MS)
        assert dict(kept.positions())[0] == min(
            one.position[1] for one in kept._kept.values() if one.position
        )
    assert len(kept._offsets[0]) <= 100
    kept.sweep(START_MS + early_reports.EARLY_MS)
    assert not list(kept.positions())


NO_TEXT = b'{"type":"receipt.recorded","reminder_id":"\xff"}'
FOREIGN = [NO_TEXT, b'{"type":"receipt.recorded","more":' + NEST, b"\xff", b"", None]


@pytest.mark.parametrize("value", FOREIGN)
def test_commands_pass_over_records_that_no_dispatcher_wrote(
    value: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = SimpleNamespace(value=value or b"", headers=[], partition=0, offset=0)
    for module in (dead_letters, main):
        monkeypatch.setattr(module, "records_of", lambda *_, **__: [record])
    said: list[str] = []
    settings = DispatchSettings(Mock())
    main.show_statistics(settings, said.append)

    assert dead_letters.find(settings) == []
    assert said == ["no receipts in streamproc.receipts yet"]
    gathered = Gathered("8613800000001")
    gathered.take(LogRecord(b"k", value, 0), "receipt.recorded")
    assert gathered.unreadable == 1


@pytest.mark.parametrize(
    "said", [b'["\xff"]', b'["a",' + NEST, b"[1]", b"{}", b'["' + b"x" * 900_000 + b'\\u001b[2J"]']
)
def test_a_stranger_in_the_group_stops_no_dispatcher_and_writes_no_long_line(said: bytes) -> None:
    with capture_logs() as logs:
        NamingAssignor("one").on_assignment(SimpleNamespace(user_data=said), None)

    assert all(len(str(one)) < 300 and "\x1b" not in str(one) for one in logs)


def test_a_record_that_is_nested_too_deeply_is_a_dead_letter() -> None:
    table = Table()
    table.scheduler.offer(0, Origin(TOPIC, 0, 0, START_MS), DEEP, table.now_ms)
    table.commit()

    assert [one.detail for one in table.dead_letters] == ["it is nested too deeply"]


async def test_what_still_comes_after_the_end_of_a_session_is_not_answered() -> None:
    reader, writer, handler = asyncio.StreamReader(), MagicMock(), AsyncMock()
    writer.transport.get_write_buffer_size.return_value = 0
    session = Session(SessionSettings("h", 1, "id", "pw"), reader, writer, handler)
    for number in range(1, 100):
        reader.feed_data(pdu.encode(pdu.ENQUIRE_LINK, number))
        reader.feed_data(pdu.encode(pdu.DELIVER_SM, number, b"\0" * 40))
    reader.feed_eof()
    session._end("enquire_link was not answered")
    await session._read()

    writer.write.assert_not_called()
    handler.assert_not_called()
