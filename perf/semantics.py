"""What full semantics cost: ``python -m perf.semantics``.

CPU time per event of the core in Python (decode, unpack, step, pack, encode), interleaved over some
rounds:

- ``first``: the core as it was when it had allowances, packs, thresholds and timed reminders only;
  its sources come out of this repository's history.
- ``basic``: the present core under the same rules, with the same events.
- ``unused``: the same, with every other feature beside those rules, none of which the subscribers
  use: other plans with tariffs, roll-over, policies and pools, and rules about these.
- ``all``: the same events under rules of every kind that are for everybody, with quiet hours, caps
  and coalescing.
- ``everything``: a workload that meets every feature of quota under rules of every kind, with quiet
  hours, caps and coalescing. Here events cause more messages, which are what costs: see outputs.
"""

from __future__ import annotations

import argparse
import io
import pickle
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from perf.machine import describe
from streamproc.contracts.rulesfile import load_rulebook
from streamproc.edges.workload import WorkloadSettings, generate
from streamproc.edges.workload_quota import quota_month
from tests.support.everything import (
    all_for_everybody_text,
    everything_text,
    mostly_unused_text,
)

HERE = Path(__file__).parent
FIRST = "1935072809"
"""The last commit of the first core, before the quota and alert semantics of today."""
LIMIT = 2.0


@dataclass
class Form:
    """A core under rules with a workload, and what it took."""

    name: str
    root: Path
    rules: Path
    records: Path
    micros: list[float] = field(default_factory=list)
    """CPU microseconds per event, round by round."""
    outputs: float = 0.0
    """Output records per event."""

    def measure(self) -> None:
        program = [sys.executable, str(HERE / "semantics_core.py")]
        command = [*program, str(self.root), str(self.rules), str(self.records)]
        told = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
        micros, outputs = map(float, told.stdout.split())
        self.micros.append(micros)
        self.outputs = outputs


def forms(directory: Path, settings: WorkloadSettings) -> list[Form]:
    """Everything that is measured, with its files in a directory. Raises CalledProcessError."""
    here, first = HERE.parent, directory / "first"
    archive = subprocess.run(
        ["git", "-C", str(here), "archive", FIRST, "streamproc"], capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(first, filter="data")
    basic = first / "streamproc/contracts/rules/default.yaml"
    texts = {
        "unused": mostly_unused_text(basic.read_text()),
        "all": all_for_everybody_text(basic.read_text()),
        "everything": everything_text(),
    }
    for name, text in texts.items():
        (directory / f"{name}.yaml").write_text(text)
    for name, generator, rules in (
        ("usual", generate, basic),
        ("rich", quota_month, directory / "everything.yaml"),
    ):
        made = generator(settings, load_rulebook(rules.read_text(), str(rules)))
        records = [(one.key, one.value, one.timestamp_ms) for one in made]
        (directory / name).write_bytes(pickle.dumps(records))
    usual = directory / "usual"
    return [
        Form("first", first, basic, usual),
        Form("basic", here, basic, usual),
        Form("unused", here, directory / "unused.yaml", usual),
        Form("all", here, directory / "all.yaml", usual),
        Form("everything", here, directory / "everything.yaml", directory / "rich"),
    ]


def table(found: list[Form]) -> str:
    """A row for each form, with its ratio to the first core, round by round."""
    lines = [
        "| | CPU µs per event | outputs per event | to the first core |",
        "|---|--:|--:|--:|",
    ]
    for one in found:
        ratios = [a / b for a, b in zip(one.micros, found[0].micros, strict=True)]
        lines.append(
            f"| {one.name} | {median(one.micros):.1f} ({min(one.micros):.1f}-"
            f"{max(one.micros):.1f}) | {one.outputs:.2f} | {median(ratios):.2f} "
            f"({min(ratios):.2f}-{max(ratios):.2f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table; exit 1 if what is not used makes the core too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--subscribers", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    settings = WorkloadSettings(seed=5, events=given.events, subscribers=given.subscribers)
    with tempfile.TemporaryDirectory() as directory:
        try:
            found = forms(Path(directory), settings)
        except subprocess.CalledProcessError as error:
            sys.exit(f"the first core is not in this clone's history: {error.stderr.decode()}")
        for _ in range(given.rounds):
            for one in found:
                one.measure()
    print(f"{given.events:,} events of {given.subscribers:,} subscribers, {given.rounds} rounds")
    print(f"Machine: {describe()}\n\n{table(found)}")
    ratio = median(a / b for a, b in zip(found[2].micros, found[0].micros, strict=True))
    print(f"\nunused / first: {ratio:.2f} (target: at most {LIMIT})")
    sys.exit(int(ratio > LIMIT))


if __name__ == "__main__":
    main()
