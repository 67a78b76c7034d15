"""The number of the release, which stands in several files (``make release-check TAG=v1.2.3``)."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import yaml

from streamproc import __version__

ROOT = Path(__file__).parents[3]


def places() -> dict[str, str]:
    """The number by the file that has it."""
    product = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    native = tomllib.loads((ROOT / "native" / "pyproject.toml").read_text(encoding="utf-8"))
    crate = tomllib.loads((ROOT / "native" / "Cargo.toml").read_text(encoding="utf-8"))
    chart_file = ROOT / "ops" / "helm" / "streamproc" / "Chart.yaml"
    chart = yaml.safe_load(chart_file.read_text(encoding="utf-8"))
    return {
        "streamproc/__init__.py": __version__,
        "pyproject.toml": product["project"]["version"],
        "native/pyproject.toml": native["project"]["version"],
        "native/Cargo.toml": crate["package"]["version"],
        "ops/helm/streamproc/Chart.yaml (version)": chart["version"],
        "ops/helm/streamproc/Chart.yaml (appVersion)": chart["appVersion"],
    }


def problems(tag: str) -> list[str]:
    """Why a tag is not that of a release of these files."""
    found = [
        f"{place} has {number}, the tag is {tag}"
        for place, number in places().items()
        if f"v{number}" != tag
    ]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(
        rf"(?m)^## \[{re.escape(tag.removeprefix('v'))}\] - \d{{4}}-\d\d-\d\d$", changes
    ):
        found.append(f"CHANGELOG.md has no section for {tag.removeprefix('v')} with its date")
    return found


def notes(tag: str) -> str:
    """The section of a release in the changelog."""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    _, _, rest = changes.partition(f"\n## [{tag.removeprefix('v')}]")
    return rest.partition("\n")[2].partition("\n## [")[0].strip()


def main() -> int:
    """``check TAG`` or ``notes TAG``."""
    action, tag = sys.argv[1:]
    if action == "notes":
        print(notes(tag))
        return 0
    for problem in (found := problems(tag)):
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
