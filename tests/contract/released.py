"""The state of a released version: a partition of the changelog and of the dispatchers' journal.

``data/releases/VERSION.json`` is what that release itself wrote. Files are never changed. With each
release, ``python -m tests.contract.released`` writes the file of the present version, before its
number is raised; docs/upgrade.md has the steps of a release.

A file has the ``input`` in the order of the log, each with its key and time. The release has
applied the first ``applied`` of them and made ``changelog`` from them, and ``told``, the ids of its
reminders. The others come after the upgrade.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from streamproc import __version__
from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.contracts.topics import WorkerTopics
from streamproc.dispatch.journal import REPORTS_KEY, Facts, JournalEntry, encode
from streamproc.engine.changelog import PROGRESS_KEY, PROGRESS_VERSION, Progress, encode_progress
from streamproc.engine.processor import Outbox
from streamproc.lab.workload import WorkloadSettings, generate
from streamproc.worker.quota_processor import QuotaProcessor
from tests.contract.contract import DATA

FOLDER: Path = DATA / "releases"
KEY = bytes(range(16))
"""Of the digests of identities."""
TOPIC, PARTITIONS = "streamproc.events", 1
WORKLOAD = WorkloadSettings(seed=23, events=700, subscribers=12)
APPLIED = 400
FACTS = Facts(
    *("861******01", "01234567:0123456789abcdef", "threshold", "low", False, 2),
    *(1_767_600_000_000, 1_767_600_000_000, "streamproc.reminders", 7),
)
ENTRIES: dict[str, JournalEntry] = {
    "intent": JournalEntry("intent", 1_767_700_000_000, "main", 1, facts=FACTS, sent_ms=5),
    "retry": JournalEntry("retry", 1_767_700_000_000, "main", 2, {1: "m-1"}, facts=FACTS),
    "accepted": JournalEntry(
        "accepted", 1_767_700_000_000, "main", 1, {1: "m-1", 2: "m-2"}, {1: "delivered"}, FACTS
    ),
    "uncertain": JournalEntry(
        *("uncertain", 1_767_700_000_000, "main", 3),
        facts=FACTS, doubtful=1, doubted="main", doubt_ms=9, former=["m-0"],
    ),
    "settled": JournalEntry("settled", 1_767_700_000_000),
}  # fmt: skip


def records() -> list[Any]:
    """The input of a workload, as records of one partition."""
    found = generate(WORKLOAD, default_rulebook())
    return [
        SimpleNamespace(offset=offset, key=key, value=value, timestamp=ms, headers=(),
                        timestamp_type=0)
        for offset, (key, value, ms) in enumerate(found)
    ]  # fmt: skip


def worked(applied: list[Any]) -> tuple[dict[bytes, bytes], list[str]]:
    """The changelog after these records, and the ids of the reminders."""
    processor = QuotaProcessor(default_rulebook(), WorkerTopics(), "event", "off")
    rows, outbox = processor.new_rows(), Outbox()
    rows.ids.begin(KEY)
    clock_ms = processor.apply(TOPIC, 0, applied, rows, outbox, 0)
    log = {key: value for key, value in rows.take_changes() if value is not None}
    log[PROGRESS_KEY] = encode_progress(
        Progress(
            PROGRESS_VERSION,
            {TOPIC: applied[-1].offset + 1},
            clock_ms,
            partitions=PARTITIONS,
            epochs=[processor.epoch],
        )
    )
    reminders = outbox.topics.get(WorkerTopics().reminders, [])
    return log, [json.loads(value)["id"] for _, value in reminders if value is not None]


def journal() -> dict[bytes, bytes]:
    """One entry in each state, and the position in the reports."""
    found = {f"{number:032x}".encode(): encode(one) for number, one in enumerate(ENTRIES.values())}
    return found | {REPORTS_KEY: encode({0: 3, -1: 9})}


def _text(data: bytes | None) -> str:
    return base64.b64encode(data or b"").decode()


def write() -> Path:
    """The file of the present version."""
    every = records()
    log, told = worked(every[:APPLIED])
    file = {
        "release": __version__,
        "applied": APPLIED,
        "input": [
            {"key": one.key.decode("utf-8", "surrogateescape") if one.key else None,
             "value": _text(one.value), "time_ms": one.timestamp}
            for one in every
        ],
        "changelog": [{"key": _text(key), "value": _text(value)} for key, value in log.items()],
        "told": told,
        "journal": [
            {"key": key.decode(), "value": value.decode()} for key, value in journal().items()
        ],
    }  # fmt: skip
    path = FOLDER / f"{__version__}.json"
    if path.exists():
        raise SystemExit(f"{path} is there: what a release wrote is never written again")
    path.write_text(json.dumps(file, indent=0) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    print(f"wrote {write()}")
