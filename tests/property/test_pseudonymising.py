"""No number of a subscriber is left in a pseudonymised recording, wherever and however it stood;
and the recording plays as it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from unicodedata import decimal

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamproc.contracts.records.codec import DecodeFailure, decode_event
from streamproc.contracts.records.origin import ORIGIN_HEADER
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.core.commands.parsing import grammar_of
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.events import InputEvent, MemberJoined, UsageRefunded
from streamproc.kafka.recording import LogRecord
from streamproc.kafka.recording.record_lines import to_line
from streamproc.lab.workload import WorkloadSettings
from streamproc.lab.workload_quota import quota_month
from streamproc.lab.workload_talk import mixed
from streamproc.tools.replay.pseudonymising import Pseudonymiser
from streamproc.worker.virtual import InputRecord, VirtualWorker
from tests.contract.contract import TYPES, examples
from tests.property.budget import budget
from tests.support.everything import everything

KEY = b"correct horse battery staple"
TELLING_DIGITS = 8
"""A run of a number as long as this says whose it is."""
FORMS = (
    "{}", "+{}", "00{}", "tel:+{}", "tel:{}", "{};ext=1", "x{}y", "用户{}", "sip:+{}@ims.example",
)  # fmt: skip

TALKING = default_rulebook()
HIDE = Pseudonymiser(KEY, TALKING)

numbers = st.from_regex(r"86138[0-9]{8}", fullmatch=True)


def written(number: str) -> st.SearchStrategy[str]:
    """A number in one of many forms."""
    digits = st.sampled_from([number, number[2:], f"0{number[2:]}"])
    grouped = st.sampled_from(["", " ", "-", ".", "\u00a0"]).flatmap(
        lambda sign: digits.map(lambda one: sign.join((one[:3], one[3:7], one[7:])))
    )
    wide = digits.map(lambda one: "".join(chr(0xFF10 + int(digit)) for digit in one))
    return st.builds(str.format, st.sampled_from(FORMS), st.one_of(digits, grouped, wide))


def _with_texts(value: Any, texts: Iterator[str | None]) -> Any:
    """The document with other texts in it, also as names of its fields."""
    if isinstance(value, dict):
        return {
            name: one if name == "type" else _with_texts(one, texts) for name, one in value.items()
        }
    if isinstance(value, list):
        return [_with_texts(one, texts) for one in value]
    other = next(texts) if isinstance(value, str) else None
    return value if other is None else other


@st.composite
def records(draw: st.DrawFn) -> tuple[str, LogRecord]:
    """A record of any type about a number that is in any of its texts."""
    number = draw(numbers)
    name = draw(st.sampled_from(sorted(TYPES)))
    document = orjson.loads(draw(st.sampled_from(examples(name, "valid"))).read_bytes())
    form = written(number)
    if draw(st.booleans()):
        texts = draw(st.lists(st.none() | form, min_size=10, max_size=10)) * 4
        document = _with_texts(document, iter(texts + [None] * 200))
    else:
        # One text: most of these records are valid.
        place = draw(st.sampled_from([one for one in document if one != "type"]))
        if isinstance(document[place], str):
            document[place] = draw(form)
    if "subscriber" in document:
        document["subscriber"] = draw(st.just(number) | form)
    if draw(st.integers(0, 5)) == 0:
        document[draw(form)] = draw(form)
    key = document.get("subscriber", number)
    headers = ((draw(form), draw(form).encode()), ("traceparent", draw(form).encode()))
    value = orjson.dumps(document)
    if draw(st.integers(0, 9)) == 0:
        value = value[:-1]
    return number, LogRecord(key.encode(), value, 1_767_225_600_000, headers, 0, 1, "events")


def told_by(data: bytes) -> str:
    """All digits of a text of any script, and nothing else."""
    return "".join(str(decimal(one)) for one in data.decode() if one.isdecimal())


def texts_of(record: LogRecord) -> Iterator[bytes]:
    yield record.key or b""
    for name, value in record.headers:
        yield name.encode()
        yield value or b""
    try:
        value = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        yield record.value or b""
        return
    yield from _texts_in(value)


def _texts_in(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield name.encode()
            yield from _texts_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts_in(one)
    else:
        yield str(value).encode()


def leaks(number: str, record: LogRecord) -> list[bytes]:
    """The texts of a record in which a telling run of the number's digits is left."""
    runs = [number[at : at + TELLING_DIGITS] for at in range(len(number) - TELLING_DIGITS + 1)]
    found = [one for one in texts_of(record) if any(run in told_by(one) for run in runs)]
    line = to_line(record)
    return found + [line for run in runs if run.encode() in line]


def sms(text: str, number: str = "8613812345678") -> tuple[str, LogRecord]:
    value = {
        "type": "sms.received", "id": "a", "source": "smsc", "subscriber": number,
        "time": "2026-01-01T00:00:00Z", "text": text,
    }  # fmt: skip
    return number, LogRecord(number.encode(), orjson.dumps(value), 1_767_225_600_000)


@budget(200)
@given(records())
@example(sms("TD 138 123 456 78"))
@example(sms("unsub 86 13 81 23 45 67 8"))
@example(sms("YES 1, my number is 13812345678"))
def test_no_number_is_left_anywhere(made: tuple[str, LogRecord]) -> None:
    number, record = made
    hidden = HIDE.applied_to(record)

    assert leaks(number, hidden) == []
    before, after = outcome(record), outcome(hidden)
    assert after == before or (before == "contract_violation" and after == "unknown_type")


def outcome(record: LogRecord) -> str:
    """The type of the event, or the reason of its reject."""
    try:
        return type(decode_event(record.value, record.key, record.headers)).__name__
    except DecodeFailure as failure:
        return failure.reason


def event_of(record: LogRecord) -> InputEvent:
    return decode_event(record.value, record.key, record.headers)


def hidden(**fields: Any) -> InputEvent:
    value = {"source": "crm", "time": "2026-01-01T00:00:00Z", **fields}
    key = fields["subscriber"].encode()
    record = LogRecord(key, orjson.dumps(value), 1_767_225_600_000)
    return event_of(HIDE.applied_to(record))


def test_a_refund_still_finds_its_event_and_a_pool_its_members() -> None:
    pool, member = "8613800000001", "8613800000002"
    joined = hidden(type="account.member_joined", id="1", subscriber=pool, member=member)
    used = hidden(
        type="usage.recorded", id=f"{pool}/7", subscriber=pool, member=member, total_bytes=9
    )
    refund = hidden(
        type="usage.refunded", id=f"{pool}/8", subscriber=pool, of_id=f"{pool}/7", of_source="crm",
        refunded_bytes=9,
    )  # fmt: skip

    assert isinstance(refund, UsageRefunded)
    assert isinstance(joined, MemberJoined)
    assert (refund.of_id, refund.of_source) == (used.id, used.source)
    assert joined.member == getattr(used, "member", "")
    assert hidden(
        type="usage.recorded", id="2", subscriber=member, total_bytes=1
    ).subscriber == joined.member  # type: ignore[union-attr]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Help", "help"),
        ("  STOP. ", "stop"),
        ("Alert 50% 80 %", "alert 50% 80 %"),
        ("call me: 13812345678", "withheld"),
        ("Meine Frau hat 0049 151 2345678", "withheld"),
    ],
)
def test_a_command_stays_and_any_other_text_goes(text: str, kept: str) -> None:
    assert TALKING.commands is not None
    grammar = grammar_of(TALKING, TALKING.commands)
    before = grammar.parse(text)
    if kept != "withheld":
        assert before is not None
    made = event_of(HIDE.applied_to(sms(text)[1]))
    after = grammar.parse(made.text)  # type: ignore[union-attr]
    assert after == before
    if kept == "withheld":
        assert made.text == "withheld"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"events/3/17", b"events/3/17"),
        (b"from +8613812345678/3/17", None),
        (b"8613812345678", None),
        (b"a/8613812345678x/1", None),
        (None, None),
        (b"\xff/1/2", None),
        (b"a/1/" + b"9" * 5_000, None),
    ],
)
def test_a_header_of_origin_stays_if_it_is_a_place_alone(
    content: bytes | None, kept: bytes | None
) -> None:
    number, record = sms("Help")
    hidden = HIDE.applied_to(record._replace(headers=((ORIGIN_HEADER, content),)))
    assert hidden.headers == (() if kept is None else ((ORIGIN_HEADER, kept),))
    named = record._replace(headers=((ORIGIN_HEADER, f"x{number}/1/2".encode()),))
    assert leaks(number, HIDE.applied_to(named)) == []


@pytest.mark.parametrize("kind", ["quota", "talk"])
def test_a_pseudonymised_month_plays_to_as_many_messages(kind: str) -> None:
    settings = WorkloadSettings(6, 1_500, 25, days=40, late_share=0.1, malformed_share=0.05)
    rules = everything() if kind == "quota" else TALKING
    month = quota_month(settings, rules) if kind == "quota" else mixed(settings, rules, 60)
    plain = [LogRecord(*one) for one in month]
    hide = Pseudonymiser(KEY, rules)

    found = played([hide.applied_to(one) for one in plain], rules)
    assert found == played(plain, rules)
    assert (("reminder.requested", "quiet_hours_set") in found) == (kind == "talk")


def played(log: list[LogRecord], rules: Rulebook) -> Counter[tuple[str, str]]:
    """How many records of each type and rule a worker writes."""
    found: Counter[tuple[str, str]] = Counter()

    def emit(topic: str, key: bytes | None, value: bytes) -> None:
        one = orjson.loads(value)
        if topic in ("reminders", "rejects", "orders", "policy"):
            name = one.get("rule") or one.get("reason") or one.get("counter") or ""
            found[one["type"], name] += 1

    worker = VirtualWorker(rules, emit, "off")
    worker.apply(
        InputRecord("in", 0, offset, one.key, one.value, one.timestamp_ms, one.headers)
        for offset, one in enumerate(log)
    )
    return found
