"""The oracle's modules import one way when the program runs (lab/oracle/README.md)."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "streamproc" / "lab" / "oracle"
MODULES = {path.stem: path for path in FOLDER.glob("*.py") if path.stem != "__init__"}
# An import for annotations alone is inside of ``if TYPE_CHECKING``, so it is indented.
IMPORT = re.compile(r"^from streamproc\.lab\.oracle\.(\w+) import", re.M)


def test_no_module_of_the_oracle_imports_another_in_a_circle() -> None:
    needed = {
        name: IMPORT.findall(path.read_text(encoding="utf-8")) for name, path in MODULES.items()
    }

    order = list(TopologicalSorter(needed).static_order())  # raises CycleError for a circle

    assert order[-1] == "log"
    assert set(order) == MODULES.keys()
