"""Totals of a worker's own partitions, from its state."""

from __future__ import annotations

from pathlib import Path

import orjson

from streamproc.canaries import CANARY_KEY
from streamproc.core.state.account import Account, unpack
from streamproc.engine.engine import Engine
from streamproc.engine.rows import DUE_BYTES
from streamproc.private_files import replace_private
from streamproc.worker.quota_processor import QuotaProcessor


def write_report(path: Path, processor: QuotaProcessor, engine: Engine[Account]) -> None:
    """Write ``events`` (records applied since the start), ``accounts``, ``charged_bytes``."""
    accounts = charged_bytes = 0
    for opened in engine.partitions.opened:
        for key, data in opened.rows.stored.items():
            if key.startswith(CANARY_KEY):
                continue
            accounts += 1
            charged_bytes += unpack(data[DUE_BYTES:]).charged_bytes
    report = {
        "events": processor.counts["events"] - processor.canary_events,
        "accounts": accounts,
        "charged_bytes": charged_bytes,
    }
    replace_private(path, orjson.dumps(report))
