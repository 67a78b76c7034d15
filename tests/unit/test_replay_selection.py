"""What takes part in a replay, and how its times and numbers change."""

from __future__ import annotations

import orjson
import pytest

from streamproc.contracts.records.alarms import AlarmChanged, decode_alarm, encode_alarm
from streamproc.contracts.records.codec import DecodeFailure, decode_event
from streamproc.contracts.records.reveals import decode_reveal
from streamproc.contracts.records.rule_versions import RulesPublished, decode_rules, encode_rules
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.core.instants import from_ms
from streamproc.core.state.events import InputEvent
from streamproc.kafka.recording import LogRecord
from streamproc.lab.workload import WorkloadSettings, generate
from streamproc.tools.replay.pace import ReplayPace
from streamproc.tools.replay.pseudonymising import Pseudonymiser
from streamproc.tools.replay.pseudonyms import Pseudonyms
from streamproc.tools.replay.selection import Selection, event_type, shifted

KEY = b"0123456789abcdef"
VALUE = (
    b'{"type":"account.topped_up","id":"8613800000001/7","source":"crm",'
    b'"subscriber":"8613800000001","time":"2026-01-31T23:59:59.250Z","granted_bytes":123456789,'
    b'"expires_time":"2026-02-01T00:00:00+08:00"}'
)
RECORD = LogRecord(b"8613800000001", VALUE, 1_769_904_000_000)
BINARY = RECORD._replace(
    value=b'{"granted_bytes":5}',
    headers=(
        ("ce_specversion", b"1.0"), ("ce_type", b"streamproc.account.topped_up.v1"),
        ("ce_id", b"8613800000001/7"), ("ce_source", b"crm"),
        ("ce_subject", b"8613800000001"), ("ce_time", b"2026-01-31T23:59:59Z"),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection(), True),
        (Selection(subscribers=frozenset({b"8613800000001"})), True),
        (Selection(subscribers=frozenset({b"8613800000002"})), False),
        (Selection(types=frozenset({"account.topped_up"})), True),
        (Selection(types=frozenset({"usage.recorded"})), False),
        (Selection(from_ms=RECORD.timestamp_ms), True),
        (Selection(from_ms=RECORD.timestamp_ms + 1), False),
        (Selection(to_ms=RECORD.timestamp_ms), False),
        (Selection(topics=frozenset({"other"})), False),
    ],
)
def test_selection(selection: Selection, taken: bool) -> None:
    for record in (RECORD, BINARY):
        assert selection.takes(record) is taken
    assert (selection.test() is None) == (selection == Selection())


def test_types_are_seen_in_every_form_and_nothing_else_is_one() -> None:
    assert event_type(RECORD) == event_type(BINARY) == "account.topped_up"
    structured = RECORD._replace(value=b'{"type":"streamproc.usage.recorded.v1"}')
    assert event_type(structured) == "usage.recorded"
    assert event_type(RECORD._replace(value=None)) is None
    assert event_type(RECORD._replace(value=b"[1]")) is None


def test_a_shift_moves_every_time_and_nothing_else() -> None:
    day_ms = 86_400_000
    moved = shifted(RECORD, 31 * day_ms)

    assert moved.timestamp_ms == RECORD.timestamp_ms + 31 * day_ms
    before, after = orjson.loads(VALUE), orjson.loads(moved.value or b"")
    assert after.pop("time") == "2026-03-03T23:59:59.250Z"
    assert after.pop("expires_time") == "2026-03-04T00:00:00+08:00"
    del before["time"], before["expires_time"]
    assert after == before
    headers = dict(shifted(BINARY, -day_ms).headers)
    assert headers["ce_time"] == b"2026-01-30T23:59:59Z"
    assert shifted(shifted(RECORD, 12_345), -12_345).timestamp_ms == RECORD.timestamp_ms


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"[1]", b"<xml/>", b'{"time":"soon"}', b'{"time":5}', b'{"time":"2026-01-01"}',
        b'{"total_bytes":99999999999999999999999}', b'{"time":"9999-12-31T23:59:59Z"}',
    ],
)  # fmt: skip
def test_what_cannot_be_moved_stays_byte_for_byte(value: bytes | None) -> None:
    assert shifted(RECORD._replace(value=value), 86_400_000).value == value


def test_no_subscriber_is_left_anywhere_in_a_month() -> None:
    settings = WorkloadSettings(seed=9, events=4_000, subscribers=400, malformed_share=0.1)
    rules = default_rulebook()
    hiding = Pseudonymiser(KEY, rules)
    records = [LogRecord(*one) for one in generate(settings, rules)]
    for record in [*records, RECORD, BINARY]:
        hidden = hiding.applied_to(record)
        parts = [hidden.key, hidden.value, *(value for _, value in hidden.headers)]
        blob = b"|".join(one or b"" for one in parts)
        if record.key:
            assert record.key not in blob
            assert hidden.key == hiding.pseudonyms.of(record.key.decode()).encode()
        outcome(hidden, record)


def test_who_was_shown_numbers_is_hidden_too() -> None:
    """Somebody who works here is a person."""
    value = (
        b'{"type":"data.revealed","id":"%032d","time":"2026-01-20T06:07:33Z","command":"explain",'
        b'"user":"ada","host":"desk-of-ada","kafka_user":"user ada","concerned":1,'
        b'"sample":["861********01"]}'
    ) % 0
    one = LogRecord(b"ada@desk-of-ada", value, 1_769_904_000_000)

    hidden = Pseudonymiser(KEY, default_rulebook()).applied_to(one)

    assert decode_reveal(hidden.value or b"").command == "explain"
    assert b"ada" not in (hidden.key or b"") + (hidden.value or b"")


def test_records_of_streamproc_itself_stay_readable() -> None:
    """Their ids are of a form that a pseudonym must have, too."""
    at = from_ms(1_769_904_000_000)
    gone = AlarmChanged("a" * 32, "app", at, "w1", "X", "raised", "red", at, 7, 7, "7 wait")
    rules = RulesPublished("b" * 32, "app", at, "w1", 7, "r.yaml", "version: 1\n")
    hiding = Pseudonymiser(KEY, default_rulebook())
    for value, decode in ((encode_alarm(gone), decode_alarm), (encode_rules(rules), decode_rules)):
        hidden = hiding.applied_to(LogRecord(b"key", value, 1_769_904_000_000))
        assert decode(hidden.value or b"") != decode(value)


def outcome(hidden: LogRecord, record: LogRecord) -> None:
    """Valid stays valid, with the same figures; what is rejected stays rejected."""
    before, after = decoded(record), decoded(hidden)
    if isinstance(before, str):
        assert after == before
        return
    assert type(after) is type(before)
    assert getattr(after, "time", None) == before.time
    assert getattr(after, "used_bytes", 0) == getattr(before, "used_bytes", 0)


def decoded(record: LogRecord) -> InputEvent | str:
    try:
        return decode_event(record.value, record.key, record.headers)
    except DecodeFailure as failure:
        return failure.reason


def test_other_ids_become_opaque_and_weak_keys_are_refused() -> None:
    made = Pseudonyms(KEY).of("account-é-17")
    assert made.startswith("p")
    assert len(made) == 33
    with pytest.raises(ValueError, match="at least 16 are needed"):
        Pseudonyms(b"short")


def test_pace_is_the_recorded_one_times_the_speed() -> None:
    now = [100.0]
    pace = ReplayPace(60.0, clock=lambda: now[0])

    assert pace.wait_seconds(0) <= 0
    assert pace.wait_seconds(60_000) == pytest.approx(1.0)
    now[0] += 0.75
    assert pace.wait_seconds(60_000) == pytest.approx(0.25)
    assert pace.wait_seconds(30_000) < 0
    pace.restart()
    assert pace.wait_seconds(6_000_000) <= 0
    assert ReplayPace(None).wait_seconds(10**15) == 0


def test_slices_end_by_the_records_alone() -> None:
    pace = ReplayPace(10.0)  # 0.2 s are 2,000 ms of recorded time
    stamps = [0, 500, 1_999, 2_000, 2_100, 1_000, 9_000, 9_001]

    assert [pace.ends_slice(one) for one in stamps] == [
        False, False, False, True, False, False, True, False
    ]  # fmt: skip
    flat = ReplayPace(None, slice_records=3)
    assert [flat.ends_slice(0) for _ in range(8)] == [
        False, False, False, True, False, False, True, False
    ]  # fmt: skip
