"""What happened in a run, line by line, and from there the same run again.

An NDJSON file: first ``{"record": "run", ...}``, for every application a
``{"record": "life", ...}``, for every fault ``{"record": "fault", ...}`` with its parameters,
outcome and figures. A replay does the same faults with the same parameters on the same workload in
the same order; the instants at which threads and networks meet remain chance's.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class History:
    """Appends to a history file; every line is on disk when the call returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.faults: list[Entry] = []

    def write(self, record: str, **fields: Any) -> Entry:
        """Add a line, stamped with the present instant."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: TID251
        entry = {"record": record, "time": at, **fields}
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        if record == "fault":
            self.faults.append(entry)
        return entry


def read(path: Path) -> list[Entry]:
    """The lines of a history; a last line that a crash cut short is left out."""
    entries = []
    for line in path.read_text().splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return entries


def summary(faults: Iterable[Entry]) -> str:
    """A table by kind: how many, how many went well, seconds until the flow resumed."""
    kinds: dict[str, list[Entry]] = {}
    for fault in faults:
        kinds.setdefault(fault["kind"], []).append(fault)
    lines = [f"{'kind':<20}{'count':>6}{'exact':>7}{'median s to flow':>18}{'worst':>8}"]
    for kind, entries in sorted(kinds.items()):
        seconds = [e["seconds_to_flow"] for e in entries if e.get("seconds_to_flow") is not None]
        exact = sum(entry["outcome"] in ("exact", "refused") for entry in entries)
        median = f"{statistics.median(seconds):.1f}" if seconds else "-"
        worst = f"{max(seconds):.1f}" if seconds else "-"
        lines.append(f"{kind:<20}{len(entries):>6}{exact:>7}{median:>18}{worst:>8}")
    every = [entry for entries in kinds.values() for entry in entries]
    exact = sum(entry["outcome"] in ("exact", "refused") for entry in every)
    lines.append(f"{'all':<20}{len(every):>6}{exact:>7}")
    return "\n".join(lines)
