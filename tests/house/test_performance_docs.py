"""The figures of README.md and docs/performance.md are those that the programs of perf/ wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "perf" / "results"
COMPARED = (RESULTS / "compare.md").read_text(encoding="utf-8")
NUMBERS = re.compile(r"[0-9][0-9,]*(?:\.[0-9]+)?")


def result(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def rows(section: str, page: str = PAGE) -> list[list[str]]:
    """The cells of the rows with figures below a heading."""
    text = page.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def close(shown: str, value: float) -> bool:
    """Whether a figure is a value, rounded to the digits that are shown."""
    digits = len(shown.partition(".")[2])
    return bool(abs(float(shown.replace(",", "")) - value) <= 0.5 * 10**-digits + 1e-9)


def test_every_program_is_in_the_table_and_every_one_in_the_table_is_there() -> None:
    named = set(re.findall(r"^\| `python -m perf\.(\w+)`", PAGE, re.M))
    programs = {
        path.stem
        for path in (ROOT / "perf").glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    # It runs the first core, in a process of its own, for perf.semantics.
    assert named == programs - {"semantics_core"}


def test_the_comparison_is_the_one_that_was_written() -> None:
    tables = [line for line in COMPARED.splitlines() if line.startswith("| ")]
    assert len(tables) > 20
    assert [line for line in tables if line not in PAGE] == []


@pytest.mark.parametrize(
    ("peer", "kind", "name"),
    [
        ("Kafka Streams, exactly_once_v2", 0, "Kafka Streams exactly_once_v2"),
        ("the same per CPU-second", 1, "Kafka Streams exactly_once_v2"),
        ("Quix Streams", 0, "Quix Streams"),
        ("stock Faust", 0, "Faust"),
    ],
)
def test_the_readme_has_the_same_ratios(peer: str, kind: int, name: str) -> None:
    (shown,) = (row for row in rows("How fast", README) if row[0].startswith(peer))
    for cell, form in zip(shown[1:], ("full", "bare"), strict=True):
        found = re.search(rf"^\| streamproc {form} / {name} \| (.*?) \| (.*?) \|$", COMPARED, re.M)
        assert found is not None
        wanted = [float(one) for one in NUMBERS.findall(found[kind + 1])]
        figures = NUMBERS.findall(cell)
        assert len(figures) == len(wanted) == 3
        assert all(map(close, figures, wanted)), (cell, wanted)


def test_latency() -> None:
    latency = result("latency")
    curve = {f"{one['commit_ms']:g} ms": one for one in latency["curve"]}
    shown = {row[0].strip("* ").removesuffix("** (default)"): row for row in rows("Timeliness")[1:]}
    assert shown.keys() == curve.keys()
    for name, one in curve.items():
        figures = [float(cell.strip("* ms").replace(",", "")) for cell in shown[name][1:]]
        assert figures == [one["p50"], one["p99"], one["p99.9"], one["max"]]
    text = " ".join(PAGE.split())
    assert f"{latency['maximum_per_second']:,} events/s here" in text
    assert f"At half of that, {latency['load_per_second']:,} events/s" in text
    timed = latency["timed"]
    assert f"p50 {timed['p50']} ms, p99 {timed['p99']} ms (target 1 s)" in text
    usual = curve["100 ms"]
    assert f"median {usual['p50']} ms, 99th percentile {usual['p99']} ms" in README


def test_scale_and_workers() -> None:
    scale = result("scale")
    shown = {row[0]: row[1:] for row in rows("Scale")[1:]}
    for one in scale["sizes"]:
        values = [one["cpu_us_per_event"], one["rows_per_event"], one["load_seconds"]]
        values += [one["load_records_per_second"]]
        values += [one[name] / 2**20 for name in ("loaded_bytes", "resident_bytes")]
        figures = shown[f"{one['subscribers']:,}"]
        assert all(map(close, figures, values)), (figures, values)
    text = " ".join(PAGE.split())
    one, two, four = (round(each["events_per_second"], -3) for each in scale["workers"])
    assert f"One worker made {one:,.0f} events/s, two {two:,.0f}, four {four:,.0f}" in text
    assert f"takes {scale['bytes_per_subscriber']:.0f} resident bytes" in text


def test_failover_and_storm() -> None:
    text = " ".join(PAGE.split())
    gaps = result("failover")["seconds_without_flow"]
    assert f"after a kill at most {max(gaps['kill']):.1f} s" in text
    assert f"after an orderly stop at most {max(gaps['stop']):.2f} s" in text

    storm = result("storm")
    names = {"mandatory notice": "notice", "summary": "summary", "low balance": "low"}
    for name, sent, since, beyond in rows("A storm")[1:]:
        one = names[name]
        assert sent == f"{storm['sent'][one]:,}"
        for cell, kind in ((since, "since_midnight_seconds"), (beyond, "beyond_slot_seconds")):
            values = [*storm[kind][one].values()] if cell else []
            assert all(map(close, NUMBERS.findall(cell), values)), (name, cell, values)
    assert (storm["lost"], storm["doubled"], storm["past_deadline"]) == (0, 0, 0)


def test_what_the_compiled_part_is_worth_is_the_same_everywhere() -> None:
    ratios = [float(row[3]) for row in rows("The compiled part")[1:]]
    span = f"{min(ratios)} to {max(ratios)} times"
    for name in ("README.md", "Makefile", "native/README.md"):
        assert span in " ".join((ROOT / name).read_text(encoding="utf-8").split()), name
    for row in rows("The compiled part")[1:]:
        with_it, without = map(float, row[1:3])
        assert abs(without / with_it - float(row[3])) < 0.11
