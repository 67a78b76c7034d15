"""``make unit`` runs each file in one of its processes, and fails if one of them does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shares import main, shares

UNIT = sorted((Path(__file__).parents[1] / "unit").glob("test_*.py"))


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_each_file_is_in_one_share_and_the_shares_are_alike(processes: int) -> None:
    found = shares(UNIT, processes)
    assert sorted(path for share in found for path in share) == UNIT
    sizes = [sum(path.stat().st_size for path in share) for share in found]
    assert len(sizes) == processes
    assert max(sizes) < 1.1 * min(sizes)


def test_a_process_without_a_file_is_not_started() -> None:
    assert shares(UNIT[:1], 4) == [UNIT[:1]]


@pytest.mark.parametrize(("is_right", "code"), [(True, 0), (False, 1)])
def test_it_fails_if_one_process_does(
    is_right: bool,
    code: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    (tmp_path / "test_a.py").write_text("def test_a():\n    assert True\n")
    (tmp_path / "test_b.py").write_text(f"def test_b():\n    assert {is_right}\n")
    assert main([str(tmp_path)]) == code
    said = capsys.readouterr().out
    assert said.count("1 passed") == (2 if is_right else 1)


def test_no_files_are_an_error(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 1
