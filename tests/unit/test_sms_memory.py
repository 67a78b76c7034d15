"""Which SMS of a subscriber is a new one (streamproc/dispatch/sms_memory.py)."""

from __future__ import annotations

import msgspec
import pytest

from streamproc.dispatch import sms_memory
from streamproc.dispatch.model import IncomingPart, IncomingSms
from streamproc.dispatch.sms_memory import (
    REPEAT_MS,
    Answered,
    CommandWritten,
    PartHeard,
    SmsMemory,
    WholeSms,
    decode_record,
    heard_of,
    key_of,
)

NOW_MS = 1_767_225_600_000


def sms(written: str = "STOP", part: IncomingPart | None = None, **fields: str) -> IncomingSms:
    values = {"gateway": "main", "subscriber": "8613800000001", "to": "10086", **fields}
    return IncomingSms(**values, text=written, part=part)


def heard(written: str = "STOP", part: IncomingPart | None = None, after_ms: int = 0) -> PartHeard:
    return heard_of(sms(written, part), "nonce", NOW_MS + after_ms)


def parts_of(*words: str, after_ms: int = 0) -> list[PartHeard]:
    numbered = enumerate(words, 1)
    return [heard(word, IncomingPart(7, len(words), number), after_ms) for number, word in numbered]


def answered(one: PartHeard) -> Answered:
    return Answered(key_of(one), one.number)


def taken(command: WholeSms | None) -> WholeSms:
    assert command is not None
    return command


def test_an_sms_that_is_sent_again_is_one_command() -> None:
    memory = SmsMemory()
    first = taken(memory.hear(heard()))
    again = taken(memory.hear(heard(after_ms=60_000)))
    assert (again.id, again.time_ms, again.is_taken) == (first.id, NOW_MS, False)
    memory.take(CommandWritten(first.key, first.id))
    assert taken(memory.hear(heard(after_ms=120_000))).is_taken


def test_an_sms_after_an_answer_that_arrived_is_a_new_one() -> None:
    memory = SmsMemory()
    first = taken(memory.hear(heard()))
    memory.take(CommandWritten(first.key, first.id))
    memory.answer(answered(heard()))
    second = taken(memory.hear(heard(after_ms=1_000)))
    assert second.id != first.id
    assert not second.is_taken


def test_an_sms_after_an_hour_is_a_new_one() -> None:
    memory = SmsMemory()
    first = taken(memory.hear(heard()))
    assert taken(memory.hear(heard(after_ms=REPEAT_MS - 1))).id == first.id
    assert taken(memory.hear(heard(after_ms=REPEAT_MS))).id != first.id


@pytest.mark.parametrize(
    "other",
    [
        sms("START"),
        sms(gateway="backup"),
        sms(subscriber="8613800000002"),
        sms(to="10087"),
    ],
)
def test_sms_that_differ_are_several(other: IncomingSms) -> None:
    memory = SmsMemory()
    first = taken(memory.hear(heard()))
    assert taken(memory.hear(heard_of(other, "n", NOW_MS))).id != first.id


def test_parts_are_joined_in_whatever_order_they_come_and_come_again() -> None:
    memory = SmsMemory()
    parts = parts_of("UN", "SUB", " 1")
    assert memory.hear(parts[2]) is None
    assert memory.hear(parts[0]) is None
    assert memory.hear(parts[0]) is None
    whole = taken(memory.hear(parts[1]))
    assert whole.text == "UNSUB 1"
    memory.take(CommandWritten(whole.key, whole.id))
    again = taken(memory.hear(parts[1]))
    assert (again.id, again.is_taken) == (whole.id, True)


def test_a_reference_that_is_used_again_is_another_sms() -> None:
    memory = SmsMemory()
    one, two = parts_of("UN", "SUB"), parts_of("BAL", "ANCE", after_ms=5_000)
    memory.hear(one[0])
    first = taken(memory.hear(one[1]))
    memory.take(CommandWritten(first.key, first.id))
    assert memory.hear(two[0]) is None
    second = taken(memory.hear(two[1]))
    assert (second.text, second.is_taken) == ("BALANCE", False)
    assert second.id != first.id
    for part in two:
        memory.answer(answered(part))
    assert memory.hear(two[0]) is None  # the same words once more


def test_a_character_may_be_split_over_two_parts() -> None:
    memory = SmsMemory()
    halves = "\ud83d", "\ude00"
    first, second = (
        decode_record(msgspec.json.encode(heard(half, IncomingPart(1, 2, number))))
        for number, half in enumerate(halves, 1)
    )
    assert isinstance(first, PartHeard)
    assert isinstance(second, PartHeard)
    memory.hear(first)
    assert taken(memory.hear(second)).text == "😀"


def test_memory_is_bounded_and_what_is_given_up_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sms_memory, "SMS_LIMIT", 10)
    memory = SmsMemory()
    for number in range(30):
        memory.hear(heard(str(number)))
        memory.hear(heard("x", IncomingPart(number, 2, 1)))
    assert len(memory) == 10
    assert memory.lost == 25
    assert memory.sweep(NOW_MS + REPEAT_MS - 1) == 0
    assert memory.sweep(NOW_MS + REPEAT_MS) == 5
    assert len(memory) == 0


def test_the_id_of_a_command_says_nothing_of_the_number_and_is_the_same_for_a_repetition() -> None:
    """Rejects and audit show it. A hash of number and text would be found by trying numbers."""
    memory, other = SmsMemory(), SmsMemory()
    first = taken(memory.hear(heard()))
    again = taken(memory.hear(msgspec.structs.replace(heard(), nonce="another")))
    elsewhere = taken(other.hear(msgspec.structs.replace(heard(), nonce="another")))

    assert first.id == again.id == f"nonce-{NOW_MS:x}"
    assert elsewhere.id != first.id
    assert key_of(heard()) not in first.id
