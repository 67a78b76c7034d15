"""What each released version left behind is read, continued and never counted or told again."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.state.account import HELD, Account, pack, unpack
from streamproc.dispatch.journal import encode, read_journal
from streamproc.engine.changelog import PROGRESS_KEY, PROGRESS_VERSION, decode_progress, is_row
from streamproc.engine.processor import Outbox
from streamproc.engine.rows import DUE_BYTES
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.settings import Native
from tests.contract import released
from tests.contract.golden import fields_of
from tests.contract.test_golden import missing
from tests.support.compiled import IS_NATIVE

FILES = sorted(released.FOLDER.glob("*.json"))
WAYS: list[Native] = ["off", "on"] if IS_NATIVE else ["off"]
ALL = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


class Upgraded:
    """A worker of this release that has loaded the changelog of another one."""

    def __init__(self, path: Path, native: Native = "off", log: Any = None) -> None:
        self.file: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.processor = QuotaProcessor(default_rulebook(), WorkerTopics(), "event", native)
        self.changelog = {
            base64.b64decode(one["key"]): base64.b64decode(one["value"])
            for one in self.file["changelog"]
        }
        found = self.changelog if log is None else log
        progress = decode_progress(found[PROGRESS_KEY]) if found else None
        self.clock_ms = progress.clock_ms if progress else 0
        self.rows = self.processor.new_rows()
        self.rows.load({key: value for key, value in found.items() if key != PROGRESS_KEY})
        self.rows.loaded()
        self.rows.ids.begin(released.KEY)
        self.records = [
            SimpleNamespace(
                offset=offset,
                key=None if one["key"] is None else one["key"].encode("utf-8", "surrogateescape"),
                value=base64.b64decode(one["value"]) or None,
                timestamp=one["time_ms"],
                timestamp_type=0,
                headers=(),
            )
            for offset, one in enumerate(self.file["input"])
        ]

    def apply(self, records: list[Any]) -> list[str]:
        """Apply records; returns the ids of the reminders."""
        outbox = Outbox()
        self.clock_ms = self.processor.apply(
            released.TOPIC, 0, records, self.rows, outbox, self.clock_ms
        )
        told = outbox.topics.get(WorkerTopics().reminders, [])
        return [json.loads(value)["id"] for _, value in told if value is not None]

    def accounts(self) -> dict[bytes, Account]:
        self.rows.take_changes()
        stored = {key: self.rows.get(key) for key in self.rows.stored if is_row(key)}
        return {key: one for key, one in stored.items() if one is not None}

    def charged(self) -> dict[bytes, int]:
        return {
            key: one.charged_bytes for key, one in self.accounts().items() if one.status != HELD
        }


@ALL
def test_its_changelog_is_read_without_loss(path: Path) -> None:
    file = Upgraded(path)
    progress = decode_progress(file.changelog[PROGRESS_KEY])
    assert progress.version <= PROGRESS_VERSION
    assert progress.positions == {released.TOPIC: file.file["applied"]}
    rows = {key: value[DUE_BYTES:] for key, value in file.changelog.items() if is_row(key)}
    assert len(rows) >= 10
    for value in rows.values():
        account = unpack(value)
        assert missing(fields_of(account), fields_of(unpack(pack(account)))) == []
    assert set(file.accounts()) == set(rows)
    assert len(file.rows.ids) > 100


@ALL
@pytest.mark.parametrize("native", WAYS)
def test_what_it_had_counted_is_not_counted_or_told_again(path: Path, native: Native) -> None:
    upgraded = Upgraded(path, native)
    before = upgraded.charged()
    told = upgraded.apply(upgraded.records[: upgraded.file["applied"]])
    assert upgraded.charged() == before
    assert Counter(told) & Counter(upgraded.file["told"]) == Counter()


@ALL
@pytest.mark.parametrize("native", WAYS)
def test_the_rest_of_the_input_counts_as_if_this_release_had_seen_all(
    path: Path, native: Native
) -> None:
    upgraded, alone = Upgraded(path, native), Upgraded(path, "off", {})
    told = upgraded.apply(upgraded.records[upgraded.file["applied"] :])
    alone.apply(alone.records)

    assert upgraded.charged() == alone.charged()
    assert Counter(told) & Counter(upgraded.file["told"]) == Counter()
    assert len(told) > 10
    for account in upgraded.accounts().values():
        for one in (*account.buckets, *account.ended):
            spent = one.used_bytes + one.expired_bytes + one.rolled_over_bytes
            assert 0 <= spent <= one.granted_bytes or one.kind == "unlimited"


@ALL
def test_its_journal_is_read_without_loss(path: Path) -> None:
    file: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    values: dict[bytes | None, tuple[bytes, int]] = {
        one["key"].encode(): (one["value"].encode(), 1_767_600_000_000) for one in file["journal"]
    }
    content = read_journal(values)
    assert (content.unread, content.ignored) == ([], 0)
    assert {entry.state for _, entry in content.entries} == set(released.ENTRIES)
    for key, entry in content.entries:
        wanted = json.loads(values[key.encode()][0])
        assert missing(wanted, json.loads(encode(entry))) == []
    assert content.positions == {0: 3, -1: 9}
