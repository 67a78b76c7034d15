"""What full semantics cost: ``python -m perf.semantics``.

CPU time per event of the core in Python (decode, unpack, step, pack, encode), and of the same in a
worker with its compiled part (``native/``), interleaved over some rounds:

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
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.lab.workload import WorkloadSettings, generate
from streamproc.lab.workload_quota import quota_month
from tests.support.everything import (
    all_for_everybody_text,
    everything_text,
    mostly_unused_text,
)

HERE = Path(__file__).parent
FIRST = "1935072809"
"""The last commit of the first core, before the quota and alert semantics of today."""
LIMIT = 2.0
LIMITED = ("unused", "all, worker")
"""What must not cost more than that."""


@dataclass
class Form:
    """A core under rules with a workload, and what it took."""

    name: str
    root: Path
    rules: Path
    records: Path
    worker: bool = False
    """As a worker does it, with its compiled part; else the core in Python alone."""
    micros: list[float] = field(default_factory=list)
    """CPU microseconds per event, round by round."""
    outputs: float = 0.0
    """Output records per event."""

    def ratios(self, first: Form) -> list[float]:
        """What it takes in times of another form, round by round."""
        return [a / b for a, b in zip(self.micros, first.micros, strict=True)]

    def measure(self) -> None:
        program = [sys.executable, str(HERE / "semantics_core.py")]
        command = [*program, str(self.root), str(self.rules), str(self.records)]
        if self.worker:
            command.append("worker")
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
    usual, rich = directory / "usual", directory / "rich"
    present = [
        ("basic", basic, usual),
        ("unused", directory / "unused.yaml", usual),
        ("all", directory / "all.yaml", usual),
        ("everything", directory / "everything.yaml", rich),
    ]
    return [
        Form("first", first, basic, usual),
        *(Form(name, here, rules, records) for name, rules, records in present),
        *(Form(f"{name}, worker", here, rules, records, True) for name, rules, records in present),
    ]


def table(found: list[Form]) -> str:
    """A row for each form, with its ratio to the first core, round by round."""
    lines = [
        "| | CPU µs per event | outputs per event | to the first core |",
        "|---|--:|--:|--:|",
    ]
    for one in found:
        ratios = one.ratios(found[0])
        lines.append(
            f"| {one.name} | {median(one.micros):.1f} ({min(one.micros):.1f}-"
            f"{max(one.micros):.1f}) | {one.outputs:.2f} | {median(ratios):.2f} "
            f"({min(ratios):.2f}-{max(ratios):.2f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table; exit 1 if a form of ``LIMITED`` costs too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=16_000)
    parser.add_argument("--subscribers", type=int, default=16)
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
    too_much = False
    for name in LIMITED:
        (form,) = (one for one in found if one.name == name)
        ratio = median(form.ratios(found[0]))
        print(f"\n{name} / first: {ratio:.2f} (target: at most {LIMIT})")
        too_much = too_much or ratio > LIMIT
    sys.exit(int(too_much))


if __name__ == "__main__":
    main()
