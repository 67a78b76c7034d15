"""Rows and progress of a changelog that are damaged: each is refused as what it is."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.core.state.account import unpack
from streamproc.engine.changelog import decode_progress
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import DUE_BYTES
from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.properties import read_properties
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.virtual import TOPICS, InputRecord

GOLDEN = Path(__file__).parents[1] / "contract" / "data" / "golden"
NOT_UTF_8 = b"\xdc\x00\x1a\x01\x01\xa4\xa8\x00\x00\xcf"
NESTED = b"\xdc\x00\x19\x01\x01" + b"\x91" * 5_000


@pytest.mark.parametrize("row", [NOT_UTF_8, NESTED, b"", b"\xc1"])
def test_a_damaged_row_is_no_account(row: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        unpack(row)


@pytest.mark.parametrize(
    "damage", [(b"streamproc", b"stre\xe1mproc"), (b"\xa8clock_ms", b"\xa1x" + b"\x81" * 5_000)]
)
def test_a_damaged_progress_is_none(damage: tuple[bytes, bytes]) -> None:
    held = base64.b64decode(json.loads((GOLDEN / "progress-v1.json").read_bytes())["base64"])
    decode_progress(held)
    assert damage[0] in held
    with pytest.raises(msgspec.DecodeError):
        decode_progress(held.replace(damage[0], damage[1], 1))


@pytest.mark.parametrize("native", ["off", "auto"])
def test_a_damaged_row_stops_no_other_subscriber(native: Any) -> None:
    processor, outbox = QuotaProcessor(default_rulebook(), TOPICS, "wall", native), Outbox()
    rows = processor.new_rows()
    keys = [b"861380000000%d" % number for number in range(3)]
    rows.load({keys[0]: bytes(DUE_BYTES) + NOT_UTF_8, keys[2]: bytes(DUE_BYTES) + NESTED})
    usage = (
        b'{"type":"usage.recorded","id":"a","source":"s","subscriber":"%s",'
        b'"time":"2026-01-05T08:30:00Z","total_bytes":5}'
    )
    records = [
        InputRecord("usage", 0, number, key, usage % key, 1_767_601_800_000)
        for number, key in enumerate(keys)
    ]
    processor.apply("usage", 0, records, rows, outbox, 0)
    reasons = [json.loads(one[1] or b"")["reason"] for one in outbox.topics[TOPICS.rejects]]
    assert reasons == ["state_unreadable", "state_unreadable"]


def test_odd_keys_of_a_properties_file_are_shown_and_not_sent(tmp_path: Any) -> None:
    path = tmp_path / "client.properties"
    path.write_bytes(b"ssl.\\u001b[31m\\u202e=1\n")
    with pytest.raises(KafkaSettingsError, match=r"ssl\.\\u001b\[31m\\u202e is not understood"):
        read_properties(path)
