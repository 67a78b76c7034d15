"""Every test is run by ``make test`` or by ``make nightly``, and nothing else hides one."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from perf import truth
from tests.nightly import DEEP_TESTS, PARTS, Part
from tests.support.truth.search import Report

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests").rglob("test_*.py"))
DEEP = next(part for part in PARTS if part.name == "deep tests")
VARIABLES = {
    "HYPOTHESIS_PROFILE": "the deep tests; the nightly part sets it",
    "CI": "refuses --no-broker",
    "STREAMPROC_TEST_BROKER": "which broker",
    "JAVA_HOME": "which Java",
    "XDG_CACHE_HOME": "where Kafka lies",
    "PATH": "of programs that tests start",
    "WHEELS": "where `make setup` looks for wheels",
    "CARGO_HOME": "which Rust",
    "RUSTUP_HOME": "which Rust",
}
"""All that tests read, and why it leaves out none of them unseen."""
CONDITIONS = {
    "tests/contract/test_finished_batches.py": "the compiled part is not installed",
    "tests/contract/test_native_interface_built.py": "no Rust compiler: nothing can be built",
    "tests/contract/test_man_and_completion.py": "man, zsh or fish is not installed",
    "tests/driver/test_simulate.py": "the compiled part or matplotlib is not installed",
    "tests/house/test_packages.py": "the linter of the Dockerfile has no wheel for the platform",
    "tests/integration/test_demo.py": "Linux alone",
    "tests/integration/test_kerberos.py": "no KDC, or the extra kerberos is not installed",
    "tests/property/test_laws_log.py": "the compiled part is not installed",
    "tests/unit/test_native.py": "the compiled part cannot be built",
    "tests/commands/test_worker_start.py": "the compiled part is not installed",
    "tests/contract/test_prebuilt.py": "the compiled part is not installed",
    "tests/property/test_walked.py": "the compiled part is not installed",
}
"""Files with tests that are skipped where something is missing; each run counts them."""


def collected(*words: str, **environment: str) -> tuple[set[tuple[str, str]], int]:
    """Files and functions that pytest would run, and how many tests it leaves out."""
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = {
        (file, re.split(r"[\[:]", name)[0])
        for file, _, name in (one.partition("::") for one in found.splitlines())
        if name
    }
    left_out = re.search(r"\((\d+) deselected\)", found)
    return names, int(left_out[1]) if left_out else 0


def written() -> set[tuple[str, str]]:
    """Files and functions as they are written."""
    return {
        (path.relative_to(ROOT).as_posix(), node.name)
        for path in FILES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_each_test_is_run_by_day_or_by_night() -> None:
    by_day, left_out = collected("tests", HYPOTHESIS_PROFILE="")
    by_night, never = collected(*DEEP_TESTS, **DEEP.environment)
    assert left_out > 100, "the deep tests are left out by day"
    assert never == 0
    assert written() - by_day - by_night == set()
    deep = written() - by_day
    assert deep
    assert all(file.startswith(DEEP_TESTS) for file, _ in deep)


def test_whatever_has_a_deep_form_is_run_by_night() -> None:
    deep = [
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if path != Path(__file__) and re.search(r"\bIS_DEEP\b", path.read_text(encoding="utf-8"))
    ]
    assert len(deep) > 1
    assert [file for file in deep if not file.startswith(DEEP_TESTS)] == []


def test_no_other_variable_decides_what_is_run() -> None:
    pattern = re.compile(r"""environ(?:\.get\(|\[)\s*["'](\w+)["']""")
    found = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        for name in pattern.findall(path.read_text(encoding="utf-8"))
    }
    assert found <= VARIABLES.keys()


def test_tests_are_skipped_in_known_places_only() -> None:
    pattern = re.compile(r"pytest\.(?:mark\.skip|skip\(|importorskip\()|xfail")
    found = {
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if path != Path(__file__) and pattern.search(path.read_text(encoding="utf-8"))
    }
    assert found == CONDITIONS.keys()


def test_the_makefile_runs_both() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^test:.*\n\t\$\(BIN\)/pytest -n \$\(JOBS\)$", text, re.M)
    assert re.search(r"^nightly:.*\n\t\$\(BIN\)/python -m tests\.nightly \$\(ARGS\)$", text, re.M)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: str(part.name))
def test_a_part_of_the_night_is_a_command_that_knows_its_options(part: Part) -> None:
    module, *words = part.command(1, 3)[2:]
    said = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for word in words:
        assert not word.startswith("-") or word in said


def test_the_parts_of_the_night_share_its_time() -> None:
    assert sum(part.share for part in PARTS) == pytest.approx(1)


@pytest.mark.parametrize(
    ("wanted", "false", "code"), [("0", 0, 0), ("0", 1, 1), ("20", 0, 1), ("10", 0, 0)]
)
def test_a_night_that_ends_before_a_million_messages_has_not_failed(
    wanted: str, false: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Report(messages=10, false=Counter({("low", "amount"): false} if false else {}))
    monkeypatch.setattr(truth, "reports", lambda *_: iter([read, read]))
    monkeypatch.setattr(sys, "argv", ["truth", "--messages", wanted, "--minutes", "0"])

    assert truth.main() == code
    (night,) = [part for part in PARTS if "perf.truth" in part.words]
    assert night.words[night.words.index("--messages") + 1] == "0"
