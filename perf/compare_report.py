"""The result of a comparison as a table, as JSON, and as a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from perf.compare_peers import PEERS
from perf.compare_run import Run
from perf.plot import draw_comparison

OURS = ("bare", "full", "full-python")


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one peer is as another, round by round."""

    ours: str
    other: str
    wall: tuple[float, ...]
    cpu: tuple[float, ...]


@dataclass(frozen=True)
class Report:
    """Everything a comparison found."""

    machine: str
    events: int
    subscribers: int
    runs: dict[str, list[Run]]
    missing: dict[str, str]
    """Why a peer could not be built."""

    def ratios(self) -> list[Ratio]:
        """Of each form of streamproc to every other peer, from runs of the same round."""
        return [
            Ratio(
                ours,
                other,
                _each(self.runs[ours], self.runs[other], "per_second"),
                _each(self.runs[ours], self.runs[other], "per_cpu_second"),
            )
            for ours in OURS
            if ours in self.runs
            for other in self.runs
            if other not in OURS
        ]

    def markdown(self) -> str:
        """Tables for people; the median of the rounds, with the least and the greatest."""
        rounds = max(map(len, self.runs.values()))
        lines = [
            f"{self.events:,} lz4 JSON events, {self.subscribers:,} subscribers, 4 partitions, "
            f"{rounds} interleaved rounds; median (least-greatest).",
            f"Machine: {self.machine}.",
            "",
            "| program | guarantee | events | events/s | events per CPU-second | memory, MiB |"
            " start, s |",
            "|---|---|--:|--:|--:|--:|--:|",
        ]
        for name, runs in self.runs.items():
            peer = PEERS[name]
            lines.append(
                f"| {peer.name} | {peer.guarantee} | {runs[0].events:,} "
                f"| {_spread([run.per_second for run in runs], ',.0f')} "
                f"| {_spread([run.per_cpu_second for run in runs], ',.0f')} "
                f"| {median(run.resident_bytes for run in runs) / 2**20:,.0f} "
                f"| {median(run.start_seconds for run in runs):.1f} |"
            )
        lines += [
            f"| {PEERS[name].name} | not built here: {why.splitlines()[0]} | | | | | |"
            for name, why in self.missing.items()
        ]
        ratios = self.ratios()
        if ratios:
            lines += ["", "| ratio | wall time | CPU time |", "|---|--:|--:|"]
        for ratio in ratios:
            lines.append(
                f"| {PEERS[ratio.ours].name} / {PEERS[ratio.other].name} "
                f"| {_spread(ratio.wall, '.2f')} | {_spread(ratio.cpu, '.2f')} |"
            )
        lines += ["", "Tuning:", ""]
        lines += [f"- {PEERS[name].name}: {PEERS[name].tuning}." for name in self.runs]
        return "\n".join(lines) + "\n"


def _each(ours: Sequence[Run], others: Sequence[Run], rate: str) -> tuple[float, ...]:
    return tuple(
        getattr(one, rate) / getattr(other, rate) for one, other in zip(ours, others, strict=True)
    )


def _spread(values: Sequence[float], form: str) -> str:
    if len(values) == 1:
        return format(values[0], form)
    return f"{median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def write(report: Report, directory: Path) -> list[Path]:
    """Write ``compare.md``, ``compare.json`` and ``compare.png``; returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    table, data, picture = (directory / f"compare.{kind}" for kind in ("md", "json", "png"))
    table.write_text(report.markdown())
    content = {
        "machine": report.machine,
        "events": report.events,
        "subscribers": report.subscribers,
        "missing": report.missing,
        "runs": {name: [asdict(run) for run in runs] for name, runs in report.runs.items()},
        "ratios": [asdict(ratio) for ratio in report.ratios()],
    }
    data.write_text(json.dumps(content, indent=1) + "\n")
    draw_comparison(
        picture,
        report.machine,
        {
            PEERS[name].name: (
                [run.per_second for run in runs],
                [run.per_cpu_second for run in runs],
            )
            for name, runs in report.runs.items()
        },
    )
    return [table, data, picture]
