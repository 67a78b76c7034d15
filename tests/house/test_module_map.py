"""docs/map.md is as `make map` writes it, and each module says what it is."""

from __future__ import annotations

from tests.support.module_map import PAGE, ROOT, module_map


def test_the_map_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == module_map(), "run: make map"


def test_each_module_is_on_it_once_with_a_sentence() -> None:
    rows = [line for line in module_map().splitlines() if line.startswith("| `")]
    modules = [path for path in (ROOT / "streamproc").rglob("*.py") if path.stem != "__init__"]
    modules += (ROOT / "native" / "src").glob("*.rs")

    assert sorted(row.split("`")[1] for row in rows) == sorted(path.name for path in modules)
    assert [row for row in rows if len(row.rsplit("| ", 1)[1]) < 12] == []
