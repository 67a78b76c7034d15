"""Hashes of numbers in journal and reports: nobody can test numbers, and reports find messages."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import msgspec
import pytest

from streamproc.dispatch.gateways.entry import GatewaysError
from streamproc.dispatch.journal import decode_entry
from streamproc.dispatch.model import Accepted, DeliveryReport, ReportState, Unknown
from streamproc.dispatch.number_hashes import NumberHashes, agree, keyed, keys_of
from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.secret import Secret
from tests.support.scheduler import Table, line, reminder

OLD, NEW = b"an old key of the carrier", b"a new key of the carrier"
FIRST, NEXT, LAST = NumberHashes([OLD]), NumberHashes([NEW, OLD]), NumberHashes([NEW])
NUMBER = "8613800000001"
SILENCE = Unknown("no answer within 120 s")


def unkeyed(number: str) -> str:
    """As the first dispatchers wrote it."""
    return blake2b(number[-8:].encode(), digest_size=6).hexdigest()


def table(hashes: NumberHashes) -> Table:
    return Table(line(reports=True), hashes=hashes)


def heard(
    at: Table, hashes: NumberHashes, message_id: str, state: ReportState = "delivered"
) -> None:
    peer = hashes.of(f"+{NUMBER}")
    at.scheduler.report(
        DeliveryReport("main", message_id, state, "000", at.now_ms, peer), None, at.now_ms
    )
    at.commit()


def in_doubt(hashes: NumberHashes) -> Table:
    """A message that a gateway may have accepted; its id never came."""
    found = table(hashes)
    found.put(reminder(1))
    found.answer(found.step()[0], SILENCE)
    return found


def test_without_the_key_no_number_of_the_block_is_found_in_journal_and_receipts() -> None:
    found = in_doubt(FIRST)
    written = b"".join(found.journal.values()) + msgspec.json.encode(found.receipts)
    tried = (f"{number:08d}" for number in range(10_000))
    for told in tried:
        for size in (4, 6, 8, 16, 20, 32):
            digest = blake2b(told.encode(), digest_size=size).hexdigest().encode()
            assert digest not in written
    assert FIRST.of(NUMBER).encode() in written


def test_a_hash_is_the_same_for_all_forms_of_a_number_and_another_by_another_key() -> None:
    forms = (NUMBER, f"+{NUMBER}", "00 86 138-0000-0001", "13800000001", "0138 0000 0001")
    assert len({FIRST.of(one) for one in forms}) == 1
    assert FIRST.of(NUMBER) != FIRST.of("8613800000002")
    assert set(NEXT.of(NUMBER).split()) == {FIRST.of(NUMBER), LAST.of(NUMBER)}


@pytest.mark.parametrize(
    ("one", "other", "agrees"),
    [
        (FIRST.of(NUMBER), FIRST.of(NUMBER), True),
        (FIRST.of(NUMBER), FIRST.of("8613800000002"), False),
        (NEXT.of(NUMBER), FIRST.of(NUMBER), True),
        (LAST.of(NUMBER), NEXT.of("8613800000002"), False),
        (FIRST.of(NUMBER), LAST.of(NUMBER), None),
        (FIRST.of(NUMBER), "", None),
        (unkeyed(NUMBER), unkeyed(NUMBER), None),
    ],
)
def test_hashes_are_compared_by_the_keys_of_both_sides(
    one: str, other: str, agrees: bool | None
) -> None:
    assert agree(one, other) is agrees
    assert agree(other, one) is agrees


@pytest.mark.parametrize(
    ("journal", "report"), [(FIRST, NEXT), (NEXT, FIRST), (NEXT, LAST), (LAST, NEXT)]
)
def test_while_a_key_is_replaced_reports_still_settle_what_is_in_doubt(
    journal: NumberHashes, report: NumberHashes
) -> None:
    found = in_doubt(journal)
    found.hashes = report
    found.restart()
    heard(found, report, "77")
    assert found.statuses() == [(1, "uncertain"), (1, "accepted"), (1, "delivered")]


def test_hashes_that_cannot_be_compared_settle_by_the_id_alone() -> None:
    found = table(FIRST)
    found.put(reminder(1))
    found.answer(found.step()[0], Accepted({1: "1A2B"}))
    found.hashes = LAST
    found.restart()
    heard(found, LAST, "6699")  # the same id, if it is converted
    assert found.statuses() == [(1, "accepted")]
    heard(found, LAST, "1A2B")
    assert found.statuses() == [(1, "accepted"), (1, "delivered")]


def test_a_report_that_came_early_is_found_by_its_id_alone() -> None:
    found = table(FIRST)
    found.put(reminder(1))
    (message,) = found.step()
    heard(found, LAST, "77")
    found.answer(message, Accepted({1: "77"}))
    assert found.statuses() == [(1, "accepted"), (1, "delivered")]


def test_what_is_in_doubt_under_another_key_may_be_meant_so_nothing_else_is_settled() -> None:
    found = in_doubt(FIRST)
    found.hashes = LAST
    found.restart()
    found.put(reminder(2))
    found.answer(found.step()[0], SILENCE)
    heard(found, LAST, "77")
    assert found.statuses() == [(1, "uncertain"), (2, "uncertain")]


def test_an_entry_of_an_earlier_release_is_read_and_loses_its_hash() -> None:
    found = table(FIRST)
    found.put(reminder(1))
    found.answer(found.step()[0], Accepted({1: "77"}))
    (key,) = found.journal
    old = found.journal[key].replace(FIRST.of(NUMBER).encode(), unkeyed(NUMBER).encode())
    found.journal[key] = old
    entry = decode_entry(old)
    assert entry.facts is not None
    assert entry.facts.peer == ""
    found.restart()
    heard(found, FIRST, "77")
    assert found.statuses() == [(1, "accepted"), (1, "delivered")]
    assert keyed(unkeyed(NUMBER)) == ""
    assert unkeyed(NUMBER).encode() not in b"".join(found.journal.values())


def test_keys_are_lines_of_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "number.key"
    file.touch(0o600)
    file.write_bytes(NEW + b"\n\n" + OLD + b"\r\n")
    assert keys_of(Secret(path=file)) == [NEW, OLD]
    for wrong in ("short", "a-key-that-is-long-enough\nshort"):
        file.write_text(wrong)
        with pytest.raises(GatewaysError, match="at least 16 characters; make one with"):
            keys_of(Secret(path=file))
    file.chmod(0o644)
    with pytest.raises(KafkaSettingsError, match="everybody on this machine may read"):
        keys_of(Secret(path=file))
