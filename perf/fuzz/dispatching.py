"""The dispatcher's topics: reminders, journal, reports, incoming SMS, and what follows of them."""

from __future__ import annotations

from functools import cache

from perf.fuzz.message_centers import SETTINGS
from perf.fuzz.target import Target
from streamproc.contracts.records.codec import encode_effect
from streamproc.contracts.records.receipts import encode_receipt
from streamproc.core.instants import from_ms
from streamproc.core.state.effects import Reminder
from streamproc.dispatch.journal import Facts, JournalEntry, encode, read_journal
from streamproc.dispatch.matching import ID_LIMIT
from streamproc.dispatch.model import Accepted, ErrorClass, Origin, Outcome, Refused, Unknown
from streamproc.dispatch.reports_log import decode_report
from streamproc.dispatch.smpp.addresses import Addressing
from streamproc.dispatch.smpp.gateway import SmppSettings, builder
from streamproc.dispatch.smpp.text import TextForm, count_parts, split
from streamproc.dispatch.sms_memory import CommandWritten, PartHeard, SmsMemory, decode_record
from tests.support.scheduler import START_MS, TOPIC, Table, line, reminder

RECORD_LIMIT = 1_000_000
FORMS = (
    TextForm(),
    TextForm(long_texts="udh16", national=("turkish", "portuguese")),
    TextForm(long_texts="sar", alphabet="latin1"),
    TextForm(long_texts="payload", alphabet="ucs2"),
)
OUTCOMES: tuple[Outcome, ...] = (
    Accepted({1: "42"}),
    Refused(ErrorClass.TRANSIENT, "x"),
    Refused(ErrorClass.PERMANENT, "x"),
    Unknown("x"),
)


def _committed(table: Table) -> None:
    """What a commit would write can be written, and read again."""
    table.commit()
    for receipt in table.receipts:
        assert len(encode_receipt(receipt)) < RECORD_LIMIT
    for letter in table.dead_letters:
        assert len(encode_receipt(letter)) < RECORD_LIMIT
    content = read_journal({key.encode(): (one, START_MS) for key, one in table.journal.items()})
    assert (content.unread, content.ignored) == ([], 0)


def _reminder(value: bytes) -> None:
    form = FORMS[len(value) % len(FORMS)]

    def parts_of(one: Reminder) -> int:
        return count_parts(one.text, form)

    table = Table(line(reports=True, parts_of=parts_of))
    for lane in range(2):
        table.scheduler.offer(lane, Origin(TOPIC, 0, 0, START_MS), value, table.now_ms)
    for _ in range(3):
        for message in table.step(1_000):
            parts = split(message.reminder.text, 7, form)
            for part in parts:
                settings = SmppSettings(
                    SETTINGS.session, "10086", SETTINGS.reconnect, form=form, addressing=ADDRESSING
                )
                try:
                    pdu = builder(settings, message, part, table.now_ms)(1)
                except ValueError:
                    break  # a number that SMPP has no room for
                assert int.from_bytes(pdu[:4], "big") == len(pdu) < 70_000
            encode_effect(message.reminder)
            table.answer(message, OUTCOMES[len(value) // 4 % len(OUTCOMES)])
    _committed(table)
    table.restart()


ADDRESSING = Addressing("CN")


def _reminders() -> list[bytes]:
    return [
        encode_effect(one)
        for one in (
            reminder(1),
            reminder(2, mandatory=True, text="流量提醒" * 40, segments=3),
            reminder(3, recipient="8613800000009", channel_texts={"push": "p"}, severity="urgent"),
            reminder(4, text="Grüße € {}" * 30, not_before=from_ms(START_MS + 500)),
        )
    ]


def _journal(value: bytes) -> None:
    key = f"{1:032x}".encode()
    content = read_journal({key: (value, START_MS), value[:40]: (value, -1), None: (value, 0)})
    table = Table(line(reports=True, on_unknown="at_least_once"))
    table.journal = {one: encode(entry) for one, entry in content.entries}
    table.restart()
    table.put(reminder(1), reminder(2))
    for message in table.step():
        table.answer(message)
    for _, entry in content.entries:
        for sms_id in entry.done.values():
            assert len(sms_id) <= ID_LIMIT
            report = decode_report(b'["main","%s","delivered","",1,""]' % sms_id.encode())
            if report is not None:
                table.scheduler.report(report, (0, 1), table.now_ms)
    table.step(2 * 86_400_000)
    _committed(table)


def _entries() -> list[bytes]:
    facts = Facts("86*1", "ab12", "cron", "low", False, 2, START_MS, START_MS, TOPIC, 3)
    done = {1: "42", 2: "43"}
    accepted = JournalEntry("accepted", START_MS, "main", 1, done, {1: "delivered"}, facts)
    return [
        encode(accepted),
        encode(JournalEntry("settled", START_MS)),
        encode(JournalEntry("intent", START_MS, "main", 1, {}, {}, facts, 1, START_MS)),
        encode(JournalEntry("retry", START_MS, "gone", 3, {1: "7"}, {}, facts, 2, START_MS)),
        encode(JournalEntry("uncertain", START_MS, "main", 1, {}, {}, facts, 1, START_MS)),
        b'{"0":5,"-1":7}',
    ]


@cache
def _waiting() -> Table:
    """A scheduler with a message that waits for reports. It lives as long as a dispatcher."""
    table = Table(line(reports=True))
    table.put(reminder(1))
    for message in table.step():
        table.answer(message, Accepted({1: "42"}))
    return table


def _report(value: bytes) -> None:
    report = decode_report(value)
    if report is None:
        return
    assert len(report.message_id) <= ID_LIMIT
    table = _waiting()
    table.scheduler.report(report, (0, 1), table.now_ms)
    table.commit()
    for receipt in table.receipts:
        encode_receipt(receipt)
    table.receipts.clear()


_REPORTS = (
    b'["main","42","enroute","000",1767225600000,"abcdef012345"]',
    b'["main","A1-b2","failed","3:27",1767225600000,""]',
)


@cache
def _memory() -> SmsMemory:
    return SmsMemory()


def _sms(value: bytes) -> None:
    record, memory = decode_record(value), _memory()
    if isinstance(record, PartHeard):
        command = memory.hear(record)
        if command is not None:
            from_ms(command.time_ms)
    elif isinstance(record, CommandWritten):
        memory.take(record)
    elif record is not None:
        memory.answer(record)
    memory.sweep(START_MS)


_SMS = (
    b'["heard","n-1","main","8613800000001","10086","0123456789abcdef01234567",1767225600000,0,1,1]',
    b'["heard","n-2","main","8613800000001","10086","00530054",1767225600000,7,2,1,"id"]',
    b'["heard","n-3","main","8613800000001","10086","004f0050",1767225600000,7,2,2,""]',
    b'["taken","0123","0123-19b"]',
    b'["answered","0123",1]',
    b'["answering","0123",1,1767225600000]',
    b'["doubted","0123",1]',
)

REMINDERS = Target("reminders", "a record of the reminders topic", _reminders, _reminder, tree=True)
JOURNAL = Target("journal", "a record of the journal", _entries, _journal, tree=True)
REPORTS = Target("reports", "a record of the reports topic", lambda: _REPORTS, _report, tree=True)
SMS = Target("incoming-sms", "a record of incoming SMS", lambda: _SMS, _sms, tree=True)
DISPATCHING = REMINDERS, JOURNAL, REPORTS, SMS
