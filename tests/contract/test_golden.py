"""What an earlier release wrote is read for ever; what a later one wrote is refused clearly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamproc.contracts.records.codec import (
    decode_audit,
    decode_event,
    decode_order,
    decode_policy,
    decode_reject,
    decode_reminder,
)
from streamproc.core.state import account as account_row
from streamproc.core.state.account import STATE_VERSION, Account, NewerStateError, pack, unpack
from streamproc.core.state.quota import Member, Meter, QuotaState
from streamproc.engine.changelog import (
    PROGRESS_VERSION,
    Progress,
    ProgressError,
    decode_progress,
    encode_progress,
)
from streamproc.engine.rows import DUE_BYTES, Rows
from tests.contract.golden import GOLDEN, SAMPLES, fields_of, load

FILES = sorted(GOLDEN.glob("*.json"))
PACKED = [path for path in FILES if path.stem.startswith(("state", "progress"))]


class _Codec:
    pack = staticmethod(pack)
    unpack = staticmethod(unpack)

    @staticmethod
    def due_ms(row: Account) -> int:
        return row.next_due_ms


def read(name: str, value: bytes, file: dict[str, Any]) -> Any:
    """What this release makes of a record, by its sort."""
    match name.split("-")[0]:
        case "state":
            return unpack(value)
        case "row":
            return _row(value)
        case "progress":
            return decode_progress(value)
        case "reminder":
            return decode_reminder(value)
        case "audit":
            return decode_audit(value)
        case "policy":
            return decode_policy(value)
        case "reject":
            return decode_reject(value)
        case "order":
            return decode_order(value)
        case "event":
            subscriber = json.loads(value).get("subscriber")
            key = file.get("key", subscriber)
            headers = [(one, text.encode()) for one, text in file.get("headers", {}).items()]
            return decode_event(value, None if key is None else key.encode(), headers)
    raise AssertionError(f"no such sort of record: {name}")


def _row(value: bytes) -> Account:
    rows: Rows[Account] = Rows(_Codec())
    rows.load({b"k": value})
    rows.loaded()
    account = rows.get(b"k")
    assert account is not None
    assert int.from_bytes(value[:DUE_BYTES], "big", signed=True) == account.next_due_ms
    assert rows.next_due_ms <= account.next_due_ms
    return account


def missing(wanted: Any, found: Any, place: str = "$") -> list[str]:
    """Where a record lost what was in it; fields that came later are none of it."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [
            problem
            for key, inner in wanted.items()
            for problem in missing(inner, found.get(key), f"{place}.{key}")
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [
            problem
            for index, (one, other) in enumerate(zip(wanted, found, strict=True))
            for problem in missing(one, other, f"{place}[{index}]")
        ]
    return [] if wanted == found else [f"{place}: {wanted!r} became {found!r}"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_bytes_are_read(path: Path) -> None:
    value, file = load(path)

    assert missing(file["fields"], fields_of(read(path.stem, value, file))) == []


@pytest.mark.parametrize("path", PACKED, ids=lambda path: path.stem)
def test_golden_records_are_written_again_without_loss(path: Path) -> None:
    """A row is read, changed and written by each release that works on it."""
    value, file = load(path)
    again = encode_progress if path.stem.startswith("progress") else pack
    rewritten = again(read(path.stem, value, file))

    assert missing(file["fields"], fields_of(read(path.stem, rewritten, file))) == []


def test_every_sample_is_there_and_every_file_is_read_by_a_test() -> None:
    assert {path.stem for path in FILES} >= set(SAMPLES)


def test_the_golden_records_have_every_field_of_today() -> None:
    """A field that is new needs a golden record: see tests/contract/golden.py."""
    seen: dict[type, set[str]] = {}
    for path in FILES:
        value, file = load(path)
        _note(read(path.stem, value, file), file["fields"], seen)

    for kind in (
        *(Account, account_row.Bucket, account_row.ClosedCycle, account_row.Held, Progress),
        *(QuotaState, Meter, Member, account_row.Downgrade),
    ):
        assert set(kind.__struct_fields__) == seen[kind], kind


def _note(value: Any, fields: Any, seen: dict[type, set[str]]) -> None:
    if isinstance(value, msgspec.Struct):
        seen.setdefault(type(value), set()).update(fields)
        for name in value.__struct_fields__:
            if name in fields:
                _note(getattr(value, name), fields[name], seen)
    elif isinstance(value, list):
        for one, inner in zip(value, fields, strict=True):
            _note(one, inner, seen)
    elif isinstance(value, dict):
        for name, one in value.items():
            _note(one, fields[name], seen)


def test_a_loss_is_seen() -> None:
    assert missing({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2, "c": 3}]}) == []
    assert missing({"a": [1, {"b": 2}]}, {"a": [1, {"c": 3}]}) == ["$.a[1].b: 2 became None"]
    assert missing({"a": [1]}, {"a": [1, 2]}) == ["$.a: [1] became [1, 2]"]


NEWER = STATE_VERSION + 1


@pytest.mark.parametrize(
    "data",
    [
        pack(Account(version=NEWER)),
        msgspec.msgpack.encode([NEWER, {"another": "shape"}]),
        msgspec.msgpack.encode([NEWER]),
    ],
)
def test_a_newer_state_record_is_refused(data: bytes) -> None:
    message = f"state record has version {NEWER}, this streamproc reads up to {STATE_VERSION}; run"

    with pytest.raises(NewerStateError, match=message):
        unpack(data)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01\x02", pack(Account())[:-1], b"\x91\xc0"])
def test_a_damaged_state_record_is_not_taken_for_a_newer_one(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        unpack(data)


@pytest.mark.parametrize(
    "data",
    [
        encode_progress(Progress(version=PROGRESS_VERSION + 1)),
        msgspec.msgpack.encode({"version": PROGRESS_VERSION + 1, "positions": ["another shape"]}),
    ],
)
def test_a_newer_progress_record_is_refused(data: bytes) -> None:
    message = (
        f"progress record has version {PROGRESS_VERSION + 1}, "
        f"this streamproc reads up to {PROGRESS_VERSION}; run"
    )

    with pytest.raises(ProgressError, match=message):
        decode_progress(data)


def test_a_progress_record_of_the_first_hour_is_read() -> None:
    """Without fields that came later, and with one that a later release added."""
    assert decode_progress(msgspec.msgpack.encode({"positions": {"e": 3}})) == Progress(1, {"e": 3})
    later = {"version": 1, "positions": {"e": 3}, "clock_ms": 5, "checksum": "x"}
    assert decode_progress(msgspec.msgpack.encode(later)) == Progress(1, {"e": 3}, 5)
